"""Advance: one step on flat boards, for one environment or for a batch.

The map lies environment first, what is near the agent lies batch last: the two meet in one gather
before the step and one scatter after it. All boards of a batch are read as one row of bytes.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree, UInt8

from meadow.core.places import read, write
from meadow.envs.xland import near as nearby
from meadow.envs.xland.board import Board
from meadow.envs.xland.near import Kinds, Near, Rule
from meadow.rollout.few import first_few
from meadow.tasks import kinds

_NONE = 255  # a byte that is no kind


class State(eqx.Module):
    """A moment of an episode; positions are indices into the flat board.

    Attributes:
        grid: the flat board; the agent is not drawn in it.
        position, direction: the agent's; 0 up, 1 right, 2 down, 3 left.
        pocket: the tile it holds, EMPTY when nothing.
        step: steps since the reset.
    """

    grid: UInt8[Array, "*batch size"]
    position: Int[Array, "*batch"]
    direction: Int[Array, "*batch"]
    pocket: UInt8[Array, "*batch"]
    step: Int[Array, "*batch"]


class Fired(NamedTuple):
    """What a step set off: which rules, and whether the goal."""

    rules: Bool[Array, "num_rules *batch"]
    goal: Bool[Array, "*goals"]


def advance(
    board: Board,
    state: State,
    task: PyTree,
    action: Int[Array, "*batch"],
    own: Kinds = (),
    act: Callable[[Near, Array], tuple[Near, Array]] = nearby.act,
) -> tuple[State, Fired]:
    """Read what is near, act, apply the rules, write back, test the goal.

    Args:
        task: what has `rules`, and one `goal` or a stack of them, its axis first.
        act: what actions do.
    """
    flat, origin = end_to_end(state.grid)
    ahead = jnp.asarray(board.ahead)
    around = ahead.reshape(4, *(1,) * origin.ndim)
    here = origin + state.position
    front = here + read(ahead, state.direction)
    ring, beyond = read(flat, here + around), read(flat, front + around)
    near = Near(ring, beyond, state.pocket, state.direction)

    near, moved = act(near, action)
    here = jnp.where(moved, front, here)
    flat = write(flat, here + read(ahead, near.direction), near.front)
    moment = _Moment(near, here, front, action)
    flat, near, fired = _react(board, flat, moment, task.rules, own)

    state = State(
        grid=flat.reshape(state.grid.shape),
        position=here - origin,
        direction=near.direction,
        pocket=near.pocket,
        step=state.step + 1,
    )
    # Computed, and so once before a loop over steps, as `decode` has it; 0 is NEVER anyway.
    rows = jnp.moveaxis(task.goal, -1, 0)
    kind, a, b, y, x = jnp.where(rows[0] == kinds.NEVER, jnp.uint8(0), rows)
    goal = Rule(kind, a, b, b)
    cell = origin + (y.astype(jnp.int32) + board.margin) * board.stride + x + board.margin
    placed = _placed(flat, near, goal, cell, action, here)
    return state, Fired(fired, placed | nearby.fires(near, goal, action, own))


def end_to_end(grid: UInt8[Array, "*batch size"]) -> tuple[Array, Int[Array, "*batch"]]:
    """All boards in one row, so that one index finds a cell of any, and where each begins."""
    if grid.ndim == 1:
        return grid, jnp.int32(0)
    return grid.reshape(-1), jnp.arange(grid.shape[0], dtype=jnp.int32) * grid.shape[1]


def _react(
    board: Board, flat: Array, moment: "_Moment", rules: Array, own: Kinds
) -> tuple[Array, Near, Bool[Array, "rules *batch"]]:
    """Let the rules work: the boards, what lies near and which rules fired.

    In a batch few lives see a rule fire at any step: they are gathered, and nobody else is touched.
    """
    if not rules.shape[-2]:
        return flat, moment.near, jnp.zeros((0, *moment.action.shape), bool)
    if not moment.action.ndim:
        near, fired = nearby.apply_rules(moment.near, rules, moment.action, own)
        return _write(board, flat, moment._replace(near=near)), near, fired

    (num,) = moment.action.shape
    few = min(num, max(8, num // 32))

    def some(carry: tuple) -> tuple:
        flat, near, fired, due = carry
        who = first_few(nearby.any_of(list(due)), few)
        them = jnp.minimum(who, num - 1)

        def theirs(x: Array) -> Array:
            return read(x, (..., them))

        now = jax.tree.map(theirs, moment._replace(near=near))
        after, done, left = nearby.jump(now.near, read(rules, them), theirs(due), now.action, own)
        near = jax.tree.map(lambda x, new: write(x, (..., who), new), near, after)
        near = eqx.tree_at(lambda n: n.direction, near, moment.near.direction)  # no rule turns
        fired = write(fired, (slice(None), who), theirs(fired) | done)
        due = write(due, (slice(None), who), left)
        nobody = jnp.where(who < num, 0, flat.size)  # out of bounds, so that nothing is written
        return _write(board, flat, now._replace(near=after), nobody), near, fired, due

    due = nearby.fires(moment.near, nearby.decode(rules), moment.action, own)
    flat, near, fired, _ = jax.lax.while_loop(
        lambda carry: nearby.any_of(list(carry[3])).any(),
        some,
        (flat, moment.near, jnp.zeros_like(due), due),
    )
    return flat, near, fired


class _Moment(NamedTuple):
    """After the action, before the rules.

    Attributes:
        near: what lies near.
        here: the agent's cell, in all boards end to end.
        front: the cell that was in front of it; after a move the same one.
        action: what was done.
    """

    near: Near
    here: Int[Array, "*batch"]
    front: Int[Array, "*batch"]
    action: Int[Array, "*batch"]


def _write(board: Board, flat: Array, moment: _Moment, offset: Array | int = 0) -> Array:
    """Write back the eight cells; after a move both rings are the same one, written twice alike."""
    near, here, front, _ = moment
    around = jnp.asarray(board.ahead).reshape(4, *(1,) * here.ndim) + offset
    cells = jnp.concatenate([here + around, front + around])
    values = jnp.concatenate([near.ring, jnp.where(here == front, near.ring, near.beyond)])
    return write(flat, cells, values)


def _placed(
    flat: Array, near: Near, goal: Rule, cell: Array, action: Array, here: Array
) -> Bool[Array, "*goals"]:
    """Whether a goal about places was reached: `cell` is the one that it names."""
    looked = read(flat, jnp.minimum(cell, flat.size - 1))
    on = jnp.where((action == nearby.MOVE) & (near.under == goal.a), kinds.ON_TILE, _NONE)
    lies = jnp.where(looked == goal.a, kinds.TILE_AT, _NONE)
    stands = jnp.where(here == cell, kinds.AGENT_AT, _NONE)
    return nearby.any_of([goal.kind == on, goal.kind == lies, goal.kind == stands])
