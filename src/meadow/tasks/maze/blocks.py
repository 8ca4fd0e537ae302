"""Blocks: walls strewn over the map, the agent and the goal on what is left; some are unsolvable.

>>> import jax.random as jr
>>> from meadow.tasks.maze.text import show
>>> print(show(Blocks(4, 5, num_walls=6).sample(key=jr.key(10))))
.###.
..G..
.#..#
>....
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, UInt32

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.task import AbstractDesignSpace
from meadow.tasks.hashed import hashed
from meadow.tasks.maze.edits import EDITS
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.solve import path
from meadow.tasks.minigrid.chance import below, cut


class Blocks(AbstractDesignSpace[Maze]):
    """Random walls, agent, direction and goal, each as likely anywhere.

    Args:
        height, width: of the map inside the outer wall.
        num_walls: how many walls are drawn; at least two cells remain.
        replace: whether a cell may be drawn twice, as published: 60 draws on 13x13 are 50.6 walls.
        uniform: any number of draws from 0 to `num_walls` is as likely.
        mutation: what one edit does, "minimax" or "cells" (`meadow.tasks.maze.edits`).

    Raises:
        TaskError: more walls than there is room for.
        UnknownNameError: no such mutation.

    References: Jiang et al., minimax, 2023 (60 draws with replacement); Dennis et al., Emergent
    Complexity and Zero-shot Transfer via Unsupervised Environment Design, 2020.
    """

    height: int = eqx.field(static=True, default=13)
    width: int = eqx.field(static=True, default=13)
    num_walls: int = eqx.field(static=True, default=60)
    replace: bool = eqx.field(static=True, default=True)
    uniform: bool = eqx.field(static=True, default=False)
    mutation: str = eqx.field(static=True, default="minimax")

    def __check_init__(self) -> None:
        room = self.height * self.width - 2
        if min(self.height, self.width) < 1 or not 0 <= self.num_walls <= room:
            raise TaskError(
                f"A map of {self.height}x{self.width} has room for 0 to {max(room, 0)} walls "
                f"besides agent and goal, got num_walls={self.num_walls}."
            )
        if self.mutation not in EDITS:
            raise UnknownNameError("mutation", self.mutation, EDITS)

    def sample(self, *, key: Key[Array, ""]) -> Maze:
        """One maze; one draw for everything, since that costs more than what is drawn."""
        num, size = self.num_walls, self.height * self.width
        luck = jr.uniform(key, (2 + size + num * self.replace,))
        direction, count, places, draws = cut(luck, (), (), (size,), (num * self.replace,))
        drawn = jnp.arange(num) < (below(count, num + 1) if self.uniform else num)
        if self.replace:
            walls = self._walls(below(draws, size), drawn)
            who = jax.lax.top_k(jnp.where(walls, -1.0, places), 2)[1]
        else:
            order = jax.lax.top_k(places, 2 + num)[1]
            who, walls = order[:2], self._walls(order[2:], drawn)
        position, goal = jnp.stack(jnp.divmod(who, self.width), -1)
        return Maze(walls.reshape(self.height, self.width), goal, position, below(direction, 4))

    def empty(self, *, key: Key[Array, ""]) -> Maze:
        """No walls."""
        return Blocks(self.height, self.width, 0).sample(key=key)

    def mutate(self, task: Maze, *, key: Key[Array, ""]) -> Maze:
        """One edit."""
        return EDITS[self.mutation](task, key=key)

    def fingerprint(self, task: Maze) -> UInt32[Array, "2"]:
        """Of walls, goal and where the agent begins, however it is turned."""
        return hashed((task.walls, task.goal, task.position))

    def features(self, task: Maze) -> dict[str, Float[Array, ""]]:
        """How many walls there are, cells to the goal (0 where no way leads there) and whether."""
        far = path(task)
        reached = jnp.isfinite(far)
        return {
            "walls": task.walls.sum(dtype=jnp.float32),
            "path": jnp.where(reached, far, 0.0),
            "solvable": reached.astype(jnp.float32),
        }

    def solvable(self, task: Maze) -> Bool[Array, ""]:
        """Whether a way leads to the goal."""
        return jnp.isfinite(path(task))

    def _walls(self, cells: Array, drawn: Bool[Array, "num"]) -> Bool[Array, " size"]:
        size = self.height * self.width
        return jnp.zeros(size, bool).at[jnp.where(drawn, cells, size)].set(True, mode="drop")
