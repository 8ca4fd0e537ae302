"""A task space in one file: mazes that are a row of rooms, each with one door to the next.

What a curriculum asks for: draw one, begin with the simplest, change one a little, tell two apart,
say how complex one is and whether it can be solved. Then PLR, ACCEL, SFL and the others choose
among them, in any world that takes such tasks:

    Experiment(MazeWorld(9, 9), SFL(Rooms()), PPO(), Trial(episodes=1), 64, 81, anew=True)
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, UInt32

from meadow.core.task import AbstractDesignSpace
from meadow.curricula.accel import ACCEL
from meadow.curricula.buffer import Buffer
from meadow.curricula.plr import PLR
from meadow.tasks.hashed import hashed
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.solve import path
from meadow.tasks.maze.text import show
from meadow.testing import check_curriculum, check_task_space


class Rooms(AbstractDesignSpace[Maze]):
    size: int = eqx.field(static=True, default=9)

    def sample(self, *, key: Key[Array, ""]) -> Maze:
        key_walls, key_doors = jr.split(key)
        return self._built(
            jr.bernoulli(key_walls, 0.5, (self.size,)),
            jr.randint(key_doors, (self.size,), 0, self.size),
        )

    def empty(self, *, key: Key[Array, ""]) -> Maze:
        return self._built(jnp.zeros(self.size, bool), jnp.zeros(self.size, jnp.int32))

    def mutate(self, task: Maze, *, key: Key[Array, ""]) -> Maze:
        """A wall comes or goes, with a door where luck says."""
        key_where, key_door = jr.split(key)
        where = jr.randint(key_where, (), 0, self.size)
        walled = task.walls.any(axis=0)
        doors = jnp.argmin(task.walls, axis=0).at[where].set(jr.randint(key_door, (), 0, self.size))
        return self._built(walled.at[where].set(~walled[where]), doors)

    def fingerprint(self, task: Maze) -> UInt32[Array, "2"]:
        return hashed(task.walls)

    def features(self, task: Maze) -> dict[str, Float[Array, ""]]:
        return {"rooms": task.walls.any(axis=0).sum() + 1.0, "path": path(task)}

    def solvable(self, task: Maze) -> Bool[Array, ""]:
        return jnp.isfinite(path(task))

    def _built(self, walled: Bool[Array, "size"], doors: Array) -> Maze:
        """Walls in every other column at most, never where the agent begins or the goal is."""
        column = jnp.arange(self.size)
        walled = walled & (column % 2 == 1)
        walls = walled & (jnp.arange(self.size)[:, None] != doors)
        middle = self.size // 2
        return Maze(walls, goal=(middle, self.size - 1), position=(middle, 0), direction=0)


def main() -> None:
    space = Rooms()
    check_task_space(space, key=jr.key(0))
    print("the laws of task spaces hold")

    @jax.jit
    def grow(task: Maze, key: Key[Array, ""]) -> Maze:
        return jax.lax.scan(lambda t, k: (space.mutate(t, key=k), None), task, jr.split(key, 12))[0]

    task = grow(space.empty(key=jr.key(0)), jr.key(7))
    print(show(task))
    told = ", ".join(f"{name} {float(value):.0f}" for name, value in space.features(task).items())
    print(f"after twelve edits of an empty room: {told}")

    accel = ACCEL(PLR(space, Buffer(16), candidates=4), edits=3)
    check_curriculum(accel, space, key=jr.key(1))
    print("and ACCEL keeps the laws of curricula over them")


if __name__ == "__main__":
    main()
