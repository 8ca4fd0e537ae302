"""Perfect: mazes in which one way leads from any cell to any other, drawn anew for every key.

Cells of even row and column are always free and are joined by a random spanning tree. How the tree
is drawn matters: one drawn by a search winds in long corridors, Kruskal's has many short dead ends.

References: Jiang et al., Replay-Guided Adversarial Environment Design, 2021 (PerfectMaze, Kruskal
from corner to corner); Jiang et al., minimax, 2023 (depth-first search, from anywhere to anywhere).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, Key

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.maze.maze import STEPS, Maze
from meadow.tasks.minigrid.chance import below, cut, one_of

Cells = Int[Array | np.ndarray, "edges 2"]
METHODS = ("kruskal", "search")


class Perfect(AbstractTaskSpace[Maze]):
    """Mazes without loops and without closed rooms.

    Args:
        height, width: odd, at least 3. The published sizes are 13 by 13 (minimax), and within
            their outer walls 9, 19, 49 and 99 (Jiang et al.).
        method: `"kruskal"` joins cells in random order; the agent begins in one corner, looking
            right, and the goal is in another. `"search"` walks on to a random new cell while there
            is one and else back; agent and goal are on any free cells, and it looks any way.

    Raises:
        TaskError: another size.
        UnknownNameError: another method.
    """

    height: int = eqx.field(static=True, default=13)
    width: int = eqx.field(static=True, default=13)
    method: str = eqx.field(static=True, default="kruskal")

    def __check_init__(self) -> None:
        if min(self.height, self.width) < 3 or not self.height % 2 == self.width % 2 == 1:
            raise TaskError(
                f"`Perfect` needs an odd height and width of at least 3, got {self.height} by "
                f"{self.width}: cells lie on even rows and columns, walls between them."
            )
        if self.method not in METHODS:
            raise UnknownNameError("method", self.method, METHODS)

    @property
    def horizon(self) -> int:
        """The published time limit: twice the cells of the map, its outer wall included."""
        return 2 * (self.height + 2) * (self.width + 2)

    def sample(self, *, key: Key[Array, ""]) -> Maze:
        """One maze."""
        rows, columns = (self.height + 1) // 2, (self.width + 1) // 2
        if self.method == "kruskal":
            edges = rows * (columns - 1) + (rows - 1) * columns
            order, ends = _draw((edges,), (4,), key=key)
            return _across(self._carve(*_kruskal(rows, columns, order)), ends)
        shapes = (2 * rows * columns - 1, 4), (2, self.height, self.width), (1,)
        walk, ends, turn = _draw(*shapes, key=key)
        return _anywhere(self._carve(*_search(rows, columns, walk)), ends, turn)

    def _carve(self, one: Cells, other: Cells, joined: Bool[Array, "edges"]) -> Array:
        """Where the walls are: cells `one` and `other` are twice as far apart on the map."""
        y, x = np.mgrid[: self.height, : self.width]
        walls = jnp.asarray((y % 2 == 1) | (x % 2 == 1))
        between = one + other
        return walls.at[between[:, 0], between[:, 1]].set(~joined)


def _draw(*shapes: tuple[int, ...], key: Key[Array, ""]) -> list[Array]:
    """All the luck a maze needs, at once."""
    return cut(jr.uniform(key, (sum(math.prod(shape) for shape in shapes),)), *shapes)


def _across(walls: Bool[Array, "height width"], ends: Float[Array, "4"]) -> Maze:
    """Agent and goal in two random corners."""
    far = np.array(walls.shape) - 1
    corners = jnp.asarray([(0, 0), (0, 1), (1, 0), (1, 1)] * far)
    position, goal = corners[jnp.argsort(ends)[:2]]
    return Maze(walls, goal, position, 0)


def _anywhere(
    walls: Bool[Array, "height width"],
    ends: Float[Array, "2 height width"],
    turn: Float[Array, "1"],
) -> Maze:
    """Agent and goal on two random free cells."""
    position = one_of(ends[0], ~walls)
    goal = one_of(ends[1], ~walls.at[position[0], position[1]].set(True))
    return Maze(walls, goal, position, below(turn[0], 4))


def _kruskal(
    rows: int, columns: int, luck: Float[Array, "edges"]
) -> tuple[Cells, Cells, Bool[Array, "edges"]]:
    """Neighbours in random order, and which are joined: those not yet in one tree."""
    cells = np.moveaxis(np.indices((rows, columns)), 0, -1)
    one = np.concatenate([cells[:, :-1].reshape(-1, 2), cells[:-1].reshape(-1, 2)])
    other = np.concatenate([cells[:, 1:].reshape(-1, 2), cells[1:].reshape(-1, 2)])
    ends = np.stack([one, other]) @ [columns, 1]  # cells by number

    def join(tree: Int32[Array, "cells"], edge: Int[Array, "2"]) -> tuple[Array, Array]:
        first, second = tree[edge]
        return jnp.where(tree == second, first, tree), first != second

    order = jnp.argsort(luck)
    trees = jnp.arange(rows * columns, dtype=jnp.int32)  # in which tree each cell is
    _, joined = jax.lax.scan(join, trees, jnp.asarray(ends.T)[order])
    return jnp.asarray(one)[order], jnp.asarray(other)[order], joined


def _search(
    rows: int, columns: int, luck: Float[Array, "steps 4"]
) -> tuple[Cells, Cells, Bool[Array, "cells"]]:
    """Every cell and the one it was found from; the first cell was found from itself."""
    num = rows * columns
    cells = np.moveaxis(np.indices((rows, columns)), 0, -1).reshape(-1, 2)
    near = cells[:, None] + STEPS
    inside = ((near >= 0) & (near < [rows, columns])).all(-1)
    near = jnp.asarray(np.where(inside, near @ [columns, 1], num))  # `num`: outside, never new

    def walk(carry: tuple[Array, Array], luck: Array) -> tuple[tuple[Array, Array], None]:
        cell, origin = carry
        new = origin[near[cell]] < 0
        ahead = near[cell, jnp.argmax(jnp.where(new, luck, -1.0))]
        onward = new.any()
        origin = origin.at[jnp.where(onward, ahead, num)].set(jnp.where(onward, cell, num))
        return (jnp.where(onward, ahead, origin[cell]), origin), None

    # Every cell but the first is walked to once and left for good once; one more draw is to begin.
    start = below(luck[0, 0], num)
    origin = jnp.full(num + 1, -1).at[num].set(num).at[start].set(start)
    (_, origin), _ = jax.lax.scan(walk, (start, origin), luck[1:])
    return jnp.asarray(cells), jnp.asarray(cells)[origin[:-1]], jnp.ones(num, bool)
