"""Mazes: the exam of an agent that lives in mazes, the same for all of them.

The sets are fixed, so that figures of different runs and days are of the same mazes. Solve rates
in the literature are at two time limits, 250 steps and `2 (height + 2) (width + 2)`, and are not
comparable across them: labyrinths alone need 113 steps. So the named mazes are tried at both.

References: the mazes of Coward et al., JaxUED, 2024; perfect mazes of Jiang et al., minimax, 2023
(search) and Replay-Guided Adversarial Environment Design, 2021 (Kruskal); the random mazes of
Rutherford et al., No Regrets, 2024, who take ten thousand of them.
"""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from meadow.core.task import AbstractTaskSpace
from meadow.envs.maze.environment import MazeWorld
from meadow.evaluation.exam import Exam
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.named import named_many
from meadow.tasks.maze.perfect import Perfect
from meadow.tasks.maze.solve import optimum, steps

NAMED = (
    *("SixteenRooms", "SixteenRooms2", "Labyrinth", "LabyrinthFlipped", "Labyrinth2"),
    *("StandardMaze", "StandardMaze2", "StandardMaze3"),
)
SHORT, LONG, RANDOM = "named (250 steps)", "named (450 steps)", "random (250 steps)"
PERFECT = {
    "perfect 13 (search)": Perfect(13, 13, "search"),
    "perfect 19 (search)": Perfect(19, 19, "search"),
    "perfect 19 (Kruskal)": Perfect(19, 19, "kruskal"),
}
NUM_PERFECT = 100
_DRAWN_AT_ONCE = 1024


def exams(world: MazeWorld, *, mazes: int = 1000, attempts: int = 10) -> list[Exam]:
    """What every agent of a maze world is asked.

    Args:
        world: as the agent knows it; its size and time limit are those of each set.
        mazes: how many random ones: 13x13, 60 walls drawn with replacement, all solvable.
        attempts: of each maze, and twice as many of the random ones: the first half says which are
            the worst, the second how they go.
    """
    many = named_many(NAMED)
    random = solvable(Blocks(13, 13, 60), mazes, key=jr.key(0))
    return [
        Exam(SHORT, sized(world, 13, 250), many, attempts),
        Exam(LONG, sized(world, 13, horizon(13)), many, attempts),
        *(
            Exam(name, sized(world, space.height, space.horizon), _first(space), attempts)
            for name, space in PERFECT.items()
        ),
        Exam(RANDOM, sized(world, 13, 250), random, 2 * attempts),
    ]


def horizon(size: int) -> int:
    """The longer of the two published time limits.

    >>> horizon(13)
    450
    """
    return 2 * (size + 2) ** 2


def sized(world: MazeWorld, size: int, max_steps: int) -> MazeWorld:
    """The same world for square mazes of another size."""
    return dataclasses.replace(world, height=size, width=size, max_steps=max_steps)


def solvable(space: AbstractTaskSpace[Maze], num: int, *, key: Key[Array, ""]) -> Maze:
    """The first `num` mazes drawn that can be solved."""
    draw = jax.jit(jax.vmap(lambda key: space.sample(key=key)))
    found: list[Maze] = []
    while sum(len(batch.direction) for batch in found) < num:
        key, key_draw = jr.split(key)
        batch = draw(jr.split(key_draw, _DRAWN_AT_ONCE))
        ends = np.isfinite(_steps(batch))
        found.append(jax.tree.map(lambda x: x[ends], batch))  # noqa: B023
    return jax.tree.map(lambda *rows: jnp.concatenate(rows)[:num], *found)


def best(exam: Exam) -> Float[np.ndarray, "tasks"]:
    """The largest return that there is in each maze of an exam."""
    world = exam.environment
    assert isinstance(world, MazeWorld)
    return np.asarray(_optimum(exam.tasks, world.max_steps, world.penalise_time))


_steps = jax.jit(jax.vmap(steps))
_optimum = jax.jit(jax.vmap(optimum, (0, None, None)), static_argnums=(1, 2))


def _first(space: Perfect) -> Maze:
    draw = jax.jit(jax.vmap(lambda key: space.sample(key=key)))
    return draw(jr.split(jr.key(0), NUM_PERFECT))
