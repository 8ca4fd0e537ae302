"""GridTask: a goal, hidden rules and the objects to begin with, as three small arrays of bytes.

>>> task = grid_task(
...     goal=("agent_hold", "red key"),
...     rules=[("tile_near", "blue ball", "green star", "red key")],
...     objects=["blue ball", "green star"],
... )
>>> task.rules.shape, task.objects.shape
((1, 4), (2,))
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from meadow.core.errors import TaskError
from meadow.tasks import kinds, tiles


class GridTask(eqx.Module):
    """A task of the grid world; tiles are bytes (`meadow.tasks.tiles`), kinds too (`.kinds`).

    Attributes:
        goal: kind, a, b, row, column; what the kind does not use is 0.
        rules: one row a rule: kind, a, b, product. Tried in this order; rows of 0 are padding.
        objects: tiles placed at random at reset; 0 is padding.
    """

    goal: UInt8[Array, "*batch 5"]
    rules: UInt8[Array, "*batch num_rules 4"]
    objects: UInt8[Array, "*batch num_objects"]


Rule = tuple[str | int, ...]


def grid_task(
    goal: Rule,
    rules: Sequence[Rule] = (),
    objects: Sequence[str | int] = (),
    *,
    num_rules: int | None = None,
    num_objects: int | None = None,
) -> GridTask:
    """A task written by hand: kinds by name or id, tiles by name or byte.

    Args:
        goal: a kind and its tiles, then row and column where the kind names a place:
            `("tile_near", "red ball", "blue key")`, `("tile_on_position", "red ball", 2, 3)`.
        rules: for each a kind, its input tiles, and its product.
        objects: tiles to place.
        num_rules: pad to so many rows, so that tasks of different size stack; at least one.
        num_objects: pad to so many tiles.

    Raises:
        TaskError: a kind, tile or count that does not exist or does not fit; it says which.
    """
    rows = [_rule(rule, i) for i, rule in enumerate(rules)]
    return GridTask(
        goal=jnp.asarray(_goal(goal), jnp.uint8),
        rules=jnp.asarray(_pad(rows, num_rules or max(len(rows), 1), (0,) * 4, "rules"), jnp.uint8),
        objects=jnp.asarray(
            _pad([_tile(t) for t in objects], len(objects) if num_objects is None else num_objects,
                 0, "objects"),
            jnp.uint8,
        ),
    )  # fmt: skip


def check_task(task: GridTask) -> None:
    """Raise a `TaskError` that says what is wrong with a task (any leading batch axes).

    Task arrays that come from outside (a file, another library) are checked here, once, at the
    door; compiled code trusts them.
    """
    widths = {"goal": (task.goal, 5), "rules": (task.rules, 4)}
    for name, (array, width) in widths.items():
        if array.dtype != jnp.uint8 or array.ndim < 1 or array.shape[-1] != width:
            raise TaskError(
                f"`GridTask.{name}` must be uint8 with last axis {width}, "
                f"got {array.dtype}{list(array.shape)}."
            )
    if task.objects.dtype != jnp.uint8:
        raise TaskError(f"`GridTask.objects` must be uint8, got {task.objects.dtype}.")
    goals, rules = np.asarray(task.goal), np.asarray(task.rules)
    _check_values("goal kind", goals[..., 0], {*kinds.GOAL_BYTES, *kinds.CUSTOM})
    _check_values("rule kind", rules[..., 0], {*kinds.RULE_BYTES, *kinds.CUSTOM})
    for name, values in (
        ("a goal tile", goals[..., 1:3]),
        ("a rule tile", rules[..., 1:]),
        ("an object", np.asarray(task.objects)),
    ):
        _check_values(name, values, range(tiles.NUM_BYTES))


def _check_values(what: str, values: np.ndarray, allowed: range | set[int]) -> None:
    wrong = ~np.isin(values, list(allowed))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise TaskError(
            f"{values[where]} is not {what if what.startswith('a') else 'a ' + what} (at index "
            f"{list(where)}). Build tasks with `grid_task`, which takes names."
        )


def _tile(tile: str | int) -> int:
    if isinstance(tile, str):
        return tiles.parse(tile)
    if not 0 <= tile < tiles.NUM_BYTES:
        raise TaskError(
            f"Expected a tile byte in 0..{tiles.NUM_BYTES - 1}, got {tile}. "
            "Write a name such as 'red ball', or `tiles.pack(tile, colour)`."
        )
    return tile


def _rule(rule: Rule, index: int) -> tuple[int, ...]:
    kind = kinds.rule_kind(rule[0])
    if kind == kinds.NEVER:
        return (0, 0, 0, 0)
    given = [_tile(t) for t in rule[1:]]
    needs = kinds.arity(kind) + 1
    if kind not in kinds.CUSTOM and len(given) != needs:
        raise TaskError(
            f"Rule {index} ({rule[0]!r}) takes {needs} tiles, inputs first and the product last; "
            f"got {len(given)}: {rule[1:]}."
        )
    if kind in kinds.CUSTOM or len(given) == 3:
        return (kind, *given, *(0,) * (3 - len(given)))
    return (kind, given[0], 0, given[1])


def _goal(goal: Rule) -> tuple[int, ...]:
    kind = kinds.goal_kind(goal[0])
    if kind in kinds.CUSTOM:
        return (kind, *(_tile(t) for t in goal[1:]), *(0,) * (5 - len(goal)))
    num = kinds.arity(kind)
    placed = kind in (kinds.TILE_AT, kinds.AGENT_AT)
    if len(goal) - 1 != num + 2 * placed:
        raise TaskError(
            f"Goal {goal[0]!r} takes {num} tiles{' and a row and a column' if placed else ''}, "
            f"got {goal[1:]}."
        )
    given = [_tile(t) for t in goal[1 : 1 + num]]
    place = [int(x) for x in goal[1 + num :]] or [0, 0]
    if not all(0 <= x < 256 for x in place):
        raise TaskError(f"A goal's row and column must lie in 0..255, got {place}.")
    return (kind, *given, *(0,) * (2 - num), *place)


def _pad(rows: list, length: int, filler: object, what: str) -> list:
    if len(rows) > length:
        raise TaskError(f"Got {len(rows)} {what}, but room for {length}: raise `num_{what}`.")
    return rows + [filler] * (length - len(rows))
