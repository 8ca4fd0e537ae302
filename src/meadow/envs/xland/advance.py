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

from meadow.envs.xland import near as nearby
from meadow.envs.xland.board import Board
from meadow.envs.xland.near import Kinds, Near, Rule
from meadow.tasks import kinds


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
    front = here + ahead[state.direction]

    def read(cells: Array) -> Array:
        return flat.at[cells].get(mode="promise_in_bounds")

    near = Near(read(here + around), read(front + around), state.pocket, state.direction)

    near, moved = act(near, action)
    rules = Rule(*jnp.moveaxis(task.rules, (-1, -2), (0, 1)))
    near, fired = nearby.apply_rules(near, rules, action, own)

    here, beyond = jnp.where(moved, front, here), front
    grid = _write(flat, near, here, beyond, moved, fired, board)
    state = State(
        grid=grid.reshape(state.grid.shape),
        position=here - origin,
        direction=near.direction,
        pocket=near.pocket,
        step=state.step + 1,
    )
    goal = Rule(*jnp.moveaxis(task.goal[..., [0, 1, 2, 2]], -1, 0))
    placed = _placed(board, grid, origin, near, task, action, here)
    return state, Fired(fired, placed | nearby.fires(near, goal, action, own))


def end_to_end(grid: UInt8[Array, "*batch size"]) -> tuple[Array, Int[Array, "*batch"]]:
    """All boards in one row, so that one index finds a cell of any, and where each begins."""
    if grid.ndim == 1:
        return grid, jnp.int32(0)
    return grid.reshape(-1), jnp.arange(grid.shape[0], dtype=jnp.int32) * grid.shape[1]


def _write(
    flat: Array, near: Near, here: Array, beyond: Array, moved: Array, fired: Array, board: Board
) -> Array:
    """Write back what may have changed: one cell after an action, eight where a rule fired.

    After a move both rings are the same one, written twice alike.
    """
    ahead = jnp.asarray(board.ahead)
    around = ahead.reshape(4, *(1,) * here.ndim)

    def all_cells(flat: Array) -> Array:
        cells = jnp.concatenate([here + around, beyond + around])
        values = jnp.concatenate([near.ring, jnp.where(moved, near.ring, near.beyond)])
        return flat.at[cells].set(values, mode="promise_in_bounds")

    def front_only(flat: Array) -> Array:
        cell = here + ahead[near.direction]
        return flat.at[cell].set(near.front, mode="promise_in_bounds")

    return jax.lax.cond(fired.any(), all_cells, front_only, flat)


def _placed(
    board: Board,
    grid: Array,
    origin: Array,
    near: Near,
    task: PyTree,
    action: Array,
    here: Array,
) -> Array:
    """Whether a goal about places was reached."""
    kind, a, _, y, x = jnp.moveaxis(task.goal, -1, 0)
    cell = origin + (y.astype(jnp.int32) + board.margin) * board.stride + x + board.margin
    return (
        ((kind == kinds.ON_TILE) & (action == nearby.MOVE) & (near.under == a))
        | ((kind == kinds.TILE_AT) & (grid.at[cell].get(mode="clip") == a))
        | ((kind == kinds.AGENT_AT) & (here == cell))
    )
