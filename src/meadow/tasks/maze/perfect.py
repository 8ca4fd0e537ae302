"""Perfect: mazes in which one way leads from any cell to any other, drawn anew for every key.

Cells of even row and column are always free and are joined by a random spanning tree. How the tree
is drawn matters: one drawn by a search winds in long corridors, Kruskal's has many short dead ends.

References: Jiang et al., Replay-Guided Adversarial Environment Design, 2021 (PerfectMaze, Kruskal
from corner to corner); Jiang et al., minimax, 2023 (depth-first search, from anywhere to anywhere).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Int32, Key

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.maze.maze import STEPS, Maze
from meadow.tasks.minigrid.chance import one_of

Cells = Int[Array | np.ndarray, "edges 2"]


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
        if self.method not in _METHODS:
            raise UnknownNameError("method", self.method, _METHODS)

    @property
    def horizon(self) -> int:
        """The published time limit: twice the cells of the map, its outer wall included."""
        return 2 * (self.height + 2) * (self.width + 2)

    def sample(self, *, key: Key[Array, ""]) -> Maze:
        """One maze."""
        key_tree, key_ends = jr.split(key)
        walls = self._carve(*_METHODS[self.method](*self._shape, key=key_tree))
        if self.method == "search":
            return _anywhere(walls, key=key_ends)
        far = np.array([self.height - 1, self.width - 1])
        corners = jnp.asarray([(0, 0), (0, 1), (1, 0), (1, 1)] * far)
        position, goal = jr.permutation(key_ends, corners)[:2]
        return Maze(walls, goal, position, 0)

    @property
    def _shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return (self.height + 1) // 2, (self.width + 1) // 2

    def _carve(self, one: Cells, other: Cells, joined: Bool[Array, "edges"]) -> Array:
        """Where the walls are: cells `one` and `other` are twice as far apart on the map."""
        y, x = np.mgrid[: self.height, : self.width]
        walls = jnp.asarray((y % 2 == 1) | (x % 2 == 1))
        between = one + other
        return walls.at[between[:, 0], between[:, 1]].set(~joined)


def _anywhere(walls: Bool[Array, "height width"], *, key: Key[Array, ""]) -> Maze:
    """Agent and goal on two random free cells."""
    key_position, key_goal, key_direction = jr.split(key, 3)
    position = one_of(jr.uniform(key_position, walls.shape), ~walls)
    free = ~walls.at[position[0], position[1]].set(True)
    goal = one_of(jr.uniform(key_goal, walls.shape), free)
    return Maze(walls, goal, position, jr.randint(key_direction, (), 0, 4))


def _kruskal(
    rows: int, columns: int, *, key: Key[Array, ""]
) -> tuple[Cells, Cells, Bool[Array, "edges"]]:
    """Neighbours in random order, and which are joined: those not yet in one tree."""
    cells = np.moveaxis(np.indices((rows, columns)), 0, -1)
    one = np.concatenate([cells[:, :-1].reshape(-1, 2), cells[:-1].reshape(-1, 2)])
    other = np.concatenate([cells[:, 1:].reshape(-1, 2), cells[1:].reshape(-1, 2)])
    ends = np.stack([one, other]) @ [columns, 1]  # cells by number

    def join(tree: Int32[Array, "cells"], edge: Int[Array, "2"]) -> tuple[Array, Array]:
        first, second = tree[edge]
        return jnp.where(tree == second, first, tree), first != second

    order = jr.permutation(key, len(one))
    trees = jnp.arange(rows * columns, dtype=jnp.int32)  # in which tree each cell is
    _, joined = jax.lax.scan(join, trees, jnp.asarray(ends.T)[order])
    return jnp.asarray(one)[order], jnp.asarray(other)[order], joined


def _search(
    rows: int, columns: int, *, key: Key[Array, ""]
) -> tuple[Cells, Cells, Bool[Array, "edges"]]:
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

    key_start, key_walk = jr.split(key)
    start = jr.randint(key_start, (), 0, num)
    origin = jnp.full(num + 1, -1).at[num].set(num).at[start].set(start)
    # Every cell but the first is walked to once and left for good once.
    luck = jr.uniform(key_walk, (2 * num - 2, 4))
    (_, origin), _ = jax.lax.scan(walk, (start, origin), luck)
    return jnp.asarray(cells), jnp.asarray(cells)[origin[:-1]], jnp.ones(num, bool)


_METHODS = {"kruskal": _kruskal, "search": _search}
