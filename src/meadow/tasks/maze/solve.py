"""Solve: how far the goal is, exactly, and what an agent that knew the maze would do.

A flood from the goal, 32 cells a word: what is reached in round n is n away. Under `vmap` it lasts
as long as the slowest maze needs. What cannot be reached is infinitely far.

>>> from meadow.tasks.maze.named import named
>>> maze = named("MiniMaze")
>>> path(maze).item(), steps(maze).item(), round(optimum(maze).item(), 4)
(10.0, 15.0, 0.946)
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from meadow.tasks.maze.maze import STEPS, Maze

Bits = UInt32[Array, "*looks height words"]
_WORD = 32


def path(maze: Maze) -> Float[Array, ""]:
    """Cells from the agent's first to the goal, however it is turned."""
    goal, free = _start(maze)
    y, x = maze.position
    return _rounds(goal, lambda bits: _spread(bits) & free, lambda bits: _bit(bits[y], x))


def distances(maze: Maze) -> Float[Array, "height width"]:
    """The same from every cell."""
    goal, free = _start(maze)
    width = maze.walls.shape[-1]
    return _rounds(goal, lambda bits: _spread(bits) & free, lambda bits: _unpacked(bits, width))


def steps(maze: Maze) -> Float[Array, ""]:
    """Fewest steps of `MazeWorld` from the beginning, with turns and the one into the goal."""
    y, x = maze.position
    return _turning(maze, lambda bits: _bit(bits[maze.direction, y], x))


def remaining(maze: Maze) -> Float[Array, "4 height width"]:
    """The same from every direction and cell."""
    width = maze.walls.shape[-1]
    return _turning(maze, lambda bits: _unpacked(bits, width))


def best_action(
    remaining: Float[Array, "4 height width"], position: Int[Array, "2"], direction: Int[Array, ""]
) -> Int[Array, ""]:
    """LEFT, RIGHT or FORWARD, whichever is nearer to the goal.

    Args:
        remaining: of the maze, computed once.
    """
    y, x = position
    front = position + jnp.asarray(STEPS)[direction]
    height, width = remaining.shape[1:]
    inside = (front >= 0).all() & (front < jnp.array([height, width])).all()
    ahead = remaining.at[direction, front[0], front[1]].get(mode="clip")
    left, right = remaining[(direction - 1) & 3, y, x], remaining[(direction + 1) & 3, y, x]
    return jnp.argmin(jnp.stack([left, right, jnp.where(inside, ahead, jnp.inf)]))


def optimum(maze: Maze, max_steps: int = 250, penalise_time: bool = True) -> Float[Array, ""]:
    """The largest return of `MazeWorld` within its time limit; 0 where there is no time for it."""
    needed = steps(maze)
    late = 0.9 * (needed / max_steps) if penalise_time else 0.0
    return jnp.where(needed <= max_steps, 1.0 - late, 0.0)


# --- the flood -----------------------------------------------------------------------------------


def _rounds(
    seed: Bits, grow: Callable[[Array], Array], look: Callable[[Array], Bool[Array, "*where"]]
) -> Float[Array, "*where"]:
    """In which round all that is looked at was reached; inf where never.

    Args:
        grow: one round.
        look: whether what was asked for is reached; when all of it is, the flood stops.
    """

    def flow(carry: tuple) -> tuple:
        reached, _, late = carry
        grown = grow(reached)
        return grown, (grown != reached).any(), late + ~look(reached)

    def flows(carry: tuple) -> Array:
        return carry[1] & ~look(carry[0]).all()

    late = jnp.zeros(look(seed).shape, jnp.int32)
    reached, _, late = jax.lax.while_loop(flows, flow, (seed, jnp.array(True), late))
    return jnp.where(look(reached), late.astype(jnp.float32), jnp.inf)


def _turning(maze: Maze, look: Callable[[Array], Bool[Array, "*where"]]) -> Float[Array, "*where"]:
    """Rounds in which what can turn and go reaches the goal, by direction and cell."""
    goal, free = _start(maze)

    def grow(bits: Array) -> Array:
        right, down, left, up = bits
        # Who goes forward comes from behind, so the flood of those who look right flows left.
        behind = jnp.stack([_left(right), _up(down), _right(left), _down(up)])
        across, along = up | down, left | right
        turned = jnp.stack([across, along, across, along])
        return bits | (behind | turned & ~goal) & free

    return _rounds(jnp.stack([goal] * 4), grow, look)


def _start(maze: Maze) -> tuple[Bits, Bits]:
    """The goal and what is free, packed."""
    y, x = maze.goal
    goal = jnp.zeros_like(maze.walls).at[y, x].set(True)
    return _packed(goal), _packed(~maze.walls)


def _packed(cells: Bool[Array, "height width"]) -> Bits:
    height, width = cells.shape
    words = math.ceil(width / _WORD)
    cells = jnp.pad(cells, ((0, 0), (0, words * _WORD - width))).reshape(height, words, _WORD)
    places = jnp.arange(_WORD, dtype=jnp.uint32)
    return (cells.astype(jnp.uint32) << places).sum(-1, dtype=jnp.uint32)


def _unpacked(bits: Bits, width: int) -> Bool[Array, "*looks height width"]:
    places = jnp.arange(_WORD, dtype=jnp.uint32)
    cells = (bits[..., None] >> places & 1).astype(bool)
    return cells.reshape(*bits.shape[:-1], -1)[..., :width]


def _bit(row: UInt32[Array, "words"], x: Int[Array, ""]) -> Bool[Array, ""]:
    return (row[x // _WORD] >> (x % _WORD).astype(jnp.uint32) & 1).astype(bool)


def _spread(bits: Bits) -> Bits:
    """One cell each way, and where it is."""
    return bits | _left(bits) | _right(bits) | _up(bits) | _down(bits)


def _right(bits: Bits) -> Bits:
    carry = jnp.concatenate([jnp.zeros_like(bits[..., :1]), bits[..., :-1] >> (_WORD - 1)], -1)
    return bits << 1 | carry


def _left(bits: Bits) -> Bits:
    carry = jnp.concatenate([bits[..., 1:] << (_WORD - 1), jnp.zeros_like(bits[..., :1])], -1)
    return bits >> 1 | carry


def _down(bits: Bits) -> Bits:
    return jnp.concatenate([jnp.zeros_like(bits[..., :1, :]), bits[..., :-1, :]], -2)


def _up(bits: Bits) -> Bits:
    return jnp.concatenate([bits[..., 1:, :], jnp.zeros_like(bits[..., :1, :])], -2)
