"""Many mazes of a space, and how far their cells are, worked out in NumPy."""

from collections.abc import Callable

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.core.task import AbstractTaskSpace
from meadow.tasks.maze.maze import Maze


@pytest.fixture(scope="session")
def drawn() -> Callable[[AbstractTaskSpace, int], Maze]:
    """So many mazes of a space, as arrays of NumPy."""

    def mazes(space: AbstractTaskSpace, num: int) -> Maze:
        keys = jr.split(jr.key(0), num)
        draw = jax.jit(jax.vmap(lambda key: space.sample(key=key))).lower(keys)
        # Compiled hastily: each is run once.
        draw = draw.compile(compiler_options={"xla_backend_optimization_level": 0})
        return jax.device_get(draw(keys))

    return mazes


@pytest.fixture(scope="session")
def distances() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """How far every cell is from `start`, -1 where no way leads: walls `[mazes, height, width]`."""

    def flood(walls: np.ndarray, start: np.ndarray) -> np.ndarray:
        away = np.full(walls.shape, -1)
        reached = np.zeros(walls.shape, bool)
        reached[np.arange(len(walls)), start[:, 0], start[:, 1]] = True
        step = 0
        while reached.any():
            away[reached] = step
            wider = np.zeros_like(reached)
            wider[:, 1:] |= reached[:, :-1]
            wider[:, :-1] |= reached[:, 1:]
            wider[:, :, 1:] |= reached[:, :, :-1]
            wider[:, :, :-1] |= reached[:, :, 1:]
            reached, step = wider & ~walls & (away < 0), step + 1
        return away

    return flood
