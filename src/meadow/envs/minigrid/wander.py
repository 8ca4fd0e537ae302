"""Wander: balls that move by themselves, one step each before the agent acts.

Each in turn, in reading order, moves to one of the eight cells around it, any free one as likely as
another; it stays where none is free. Neither the agent's cell nor the goal's is.

References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (Dynamic-Obstacles), where they
take turns in the order in which they were made and try a hundred times to find a free cell.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from meadow.envs.xland.advance import State
from meadow.envs.xland.board import Board
from meadow.envs.xland.near import MOVE
from meadow.tasks.tiles import FLOOR, NUM_COLOURS, TILES

_BALL, _GOAL, _FLOOR = (TILES.index(name) for name in ("ball", "goal", "floor"))


def wander(board: Board, state: State, num: int, *, key: Key[Array, ""]) -> State:
    """The first `num` balls moved; single-example."""
    row = board.stride
    around = np.array([dy * row + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
    (balls,) = jnp.nonzero(state.grid // NUM_COLOURS == _BALL, size=num, fill_value=-1)

    def move(grid: Array, ball_and_luck: tuple[Array, Array]) -> tuple[Array, None]:
        ball, luck = ball_and_luck
        cells = ball + around
        free = (grid.at[cells].get(mode="clip") == FLOOR) & (cells != state.position)
        to = jnp.where(free.any() & (ball >= 0), cells[jnp.argmax(jnp.where(free, luck, -1))], ball)
        moved = grid.at[ball].set(FLOOR).at[to].set(grid[ball])
        return jnp.where(ball >= 0, moved, grid), None

    grid, _ = jax.lax.scan(move, state.grid, (balls, jr.uniform(key, (num, len(around)))))
    return eqx.tree_at(lambda s: s.grid, state, grid)


def bumps(board: Board, state: State, action: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether the agent is about to walk into something that is no floor and no goal."""
    front = state.grid[state.position + jnp.asarray(board.ahead)[state.direction]] // NUM_COLOURS
    return (action == MOVE) & (front != _FLOOR) & (front != _GOAL)
