"""Raw: tasks in the published encoding, and back.

    goal  5 numbers: id, then (tile, colour) of a, then of b; places follow as row, column
    rule  7 numbers: id, then (tile, colour) of each input, then of the product
    tile  2 numbers: tile, colour

What an id does not use is 0. Ours says the same in fewer bytes (`meadow.tasks.grid`).

References: Nikulin et al., XLand-MiniGrid, 2023, whose encoding this is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Integer, UInt8

from meadow.core.errors import TaskError
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import GridTask

Numbers = ArrayLike | Sequence


class Packed(NamedTuple):
    """The three arrays of a `GridTask`, in NumPy."""

    goal: UInt8[np.ndarray, "*batch 5"]
    rules: UInt8[np.ndarray, "*batch num_rules 4"]
    objects: UInt8[np.ndarray, "*batch num_objects"]


_GOALS, _RULES = np.array(kinds.GOAL_BYTES, np.uint8), np.array(kinds.RULE_BYTES, np.uint8)


def from_raw(goal: Numbers, rules: Numbers, init_tiles: Numbers) -> GridTask:
    """A task, or a batch of them, from the published encoding.

    Args:
        goal: `[*batch, 5]` whole numbers.
        rules: `[*batch, num_rules, 7]`.
        init_tiles: `[*batch, num_objects, 2]`.

    Raises:
        TaskError: a wrong shape, or an id that does not exist; it says which and where.
    """
    return GridTask(*(jnp.asarray(x) for x in packed(goal, rules, init_tiles)))


def packed(goal: Numbers, rules: Numbers, init_tiles: Numbers) -> Packed:
    """`from_raw` without JAX, for millions of tasks: what is given as uint8 is never widened."""
    goals, rows, objects = _whole(goal, "goal"), _whole(rules, "rules"), _whole(init_tiles, "tiles")
    batch = goals.shape[:-1]
    _check_shape(goals, (*batch, 5), "goal")
    _check_shape(rows, (*batch, None, 7), "rules")
    _check_shape(objects, (*batch, None, 2), "init_tiles")
    _check_ids(goals[..., 0], len(_GOALS), "goal id", kinds.GOALS)
    _check_ids(rows[..., 0], len(_RULES), "rule id", kinds.RULES)
    return Packed(_goal_in(goals), _rules_in(rows), _packed(objects, "init_tiles"))


def to_raw(
    task: GridTask,
) -> tuple[
    UInt8[np.ndarray, "*batch 5"],
    UInt8[np.ndarray, "*batch num_rules 7"],
    UInt8[np.ndarray, "*batch num_objects 2"],
]:
    """The published encoding of a task or a batch: the inverse of `from_raw`.

    Raises:
        TaskError: a kind of your own, which the published encoding has no id for.
    """
    goals, rules = np.asarray(task.goal), np.asarray(task.rules)
    ids = _ids(goals[..., 0], _GOALS, "goal")
    a, b, place = _pair(goals[..., 1]), _pair(goals[..., 2]), goals[..., 3:]
    second = np.where((ids == _id("tile_on_position"))[..., None], place, b)
    first = np.where((ids == _id("agent_on_position"))[..., None], place, a)
    goal = np.concatenate([ids[..., None], first, second], -1)

    ids = _ids(rules[..., 0], _RULES, "rule")
    two = ((rules[..., 0] & kinds.TILE) != 0)[..., None]
    a, b, product = (_pair(rules[..., i]) for i in (1, 2, 3))
    tail = np.where(two, product, 0)
    rows = np.concatenate([ids[..., None], a, np.where(two, b, product), tail], -1)
    return goal.astype(np.uint8), rows.astype(np.uint8), _pair(np.asarray(task.objects))


def _goal_in(goals: Integer[np.ndarray, "*batch 5"]) -> UInt8[np.ndarray, "*batch 5"]:
    ids = goals[..., 0]
    at, agent_at = ids == _id("tile_on_position"), ids == _id("agent_on_position")
    num = np.array([kinds.arity(int(kind)) for kind in _GOALS])[ids]
    a = _packed(np.where((num >= 1)[..., None], goals[..., 1:3], 0), "the goal's first tile")
    b = _packed(np.where((num == 2)[..., None], goals[..., 3:5], 0), "the goal's second tile")
    place = np.where(agent_at[..., None], goals[..., 1:3], goals[..., 3:5])
    place = np.where((at | agent_at)[..., None], place, 0)
    _check_ids(place, 256, "row or column", ())
    return np.stack([_GOALS[ids], a, b, place[..., 0], place[..., 1]], -1).astype(np.uint8)


def _rules_in(rows: Integer[np.ndarray, "*batch rules 7"]) -> UInt8[np.ndarray, "*batch rules 4"]:
    kind = _RULES[rows[..., 0]]
    two, some = ((kind & kinds.TILE) != 0)[..., None], (kind != kinds.NEVER)[..., None]
    a = _packed(np.where(some, rows[..., 1:3], 0), "a rule's first tile")
    b = _packed(np.where(two, rows[..., 3:5], 0), "a rule's second tile")
    product = np.where(some, np.where(two, rows[..., 5:7], rows[..., 3:5]), 0)
    return np.stack([kind, a, b, _packed(product, "a rule's product")], -1)


def _packed(pairs: Integer[np.ndarray, "*batch 2"], what: str) -> UInt8[np.ndarray, "*batch"]:
    published = tiles.TILES[: tiles.NUM_XLAND]
    _check_ids(pairs[..., 0], len(published), f"tile id in {what}", published)
    _check_ids(pairs[..., 1], tiles.NUM_COLOURS, f"colour id in {what}", tiles.COLOURS)
    return np.asarray(pairs[..., 0] * tiles.NUM_COLOURS + pairs[..., 1], np.uint8)


def _pair(packed: UInt8[np.ndarray, "*batch"]) -> UInt8[np.ndarray, "*batch 2"]:
    return np.stack(np.divmod(packed, np.uint8(tiles.NUM_COLOURS)), -1)


def _id(name: str) -> int:
    return list(kinds.GOALS).index(name)


def _ids(
    values: UInt8[np.ndarray, "*batch"], known: UInt8[np.ndarray, "num"], what: str
) -> UInt8[np.ndarray, "*batch"]:
    table = np.full(256, 255, np.uint8)
    table[known] = np.arange(len(known))
    ids = np.asarray(table[values])
    if (ids == 255).any():
        where = tuple(int(i) for i in np.argwhere(ids == 255)[0])
        raise TaskError(
            f"The {what} kind {values[where]} (at index {list(where)}) has no published id: the "
            f"published encoding knows {len(known)} kinds and none of your own."
        )
    return ids


def _whole(values: Numbers, what: str) -> Integer[np.ndarray, "..."]:
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TaskError(f"Raw {what} must be whole numbers, got {array.dtype}.")
    return array if array.dtype == np.uint8 else array.astype(np.int64)


def _check_shape(array: np.ndarray, expected: tuple[int | None, ...], what: str) -> None:
    fits = len(array.shape) == len(expected) and all(
        want in (None, got) for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits:
        shown = ", ".join("any" if x is None else str(x) for x in expected)
        raise TaskError(
            f"Raw `{what}` must have shape [{shown}] to go with this goal, got {list(array.shape)}."
        )


def _check_ids(
    values: np.ndarray, limit: int, what: str, names: tuple[str, ...] | dict[str, int]
) -> None:
    wrong = (values < 0) | (values >= limit)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        order = f" Ids count in this order: {', '.join(names)}." if names else ""
        raise TaskError(
            f"Expected a {what} in 0..{limit - 1}, got {values[where]} "
            f"(at index {list(where)}).{order}"
        )
