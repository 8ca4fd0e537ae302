"""Obstacles: balls that wander about between the agent and the green goal."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below
from meadow.tasks.minigrid.draw import GREEN_GOAL, reach, room
from meadow.tasks.tiles import FLOOR, pack

OBSTACLE = pack("ball", "blue")


class Obstacles(AbstractTaskSpace[Level]):
    """Where the balls are at first; `MiniGrid(obstacles=...)` moves them.

    Args:
        size: height and width of the map, at least 4.
        obstacles: how many balls.
        anywhere: the agent begins on a random cell, looking a random way, instead of in the near
            corner looking right.

    Raises:
        TaskError: more balls than there are free cells.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023
    (MiniGrid-Dynamic-Obstacles-8x8-v0).
    """

    size: int = eqx.field(static=True, default=8)
    obstacles: int = eqx.field(static=True, default=4)
    anywhere: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.obstacles > (self.size - 2) ** 2 - 2:
            raise TaskError(
                f"{self.obstacles} obstacles, the agent and the goal do not fit a map of size "
                f"{self.size}. Use a larger map or fewer obstacles."
            )

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 4 * self.size**2

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        del level
        return "get to the green goal square"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        plan = room(self.size, self.size, at_least=4)
        plan[-2, -2] = GREEN_GOAL
        free = np.argwhere(plan == FLOOR)
        if not self.anywhere:
            free = free[1:]
        luck = jr.uniform(key, (len(free) + 1,))
        chosen = jax.lax.top_k(luck[1:], self.obstacles + self.anywhere)[1]
        cells = jnp.asarray(free, jnp.int32)[chosen]
        balls = cells[: self.obstacles]
        map = jnp.asarray(plan).at[balls[:, 0], balls[:, 1]].set(OBSTACLE)
        position, direction = (1, 1), 1
        if self.anywhere:
            position, direction = cells[-1], below(luck[0], 4)
        return Level(map, position, direction, goal=reach(GREEN_GOAL))
