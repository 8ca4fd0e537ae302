"""LavaGap: a stream of lava with one gap, and a green goal behind it."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.task import AbstractTaskSpace
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below
from meadow.tasks.minigrid.draw import GREEN_GOAL, reach, room
from meadow.tasks.tiles import LAVA


class LavaGap(AbstractTaskSpace[Level]):
    """The agent begins in the near corner, looking right; column and row of the gap are drawn.

    Args:
        size: height and width of the map, at least 5.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-LavaGapS7-v0).
    """

    size: int = eqx.field(static=True, default=7)

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 4 * self.size**2

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        del level
        return "avoid the lava and get to the green goal square"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        plan = room(self.size, self.size, at_least=5)
        plan[-2, -2] = GREEN_GOAL
        luck = jr.uniform(key, (2,))
        column, row = 2 + below(luck[0], self.size - 4), 1 + below(luck[1], self.size - 2)
        y, x = np.mgrid[: self.size, : self.size]
        inside = (y > 0) & (y < self.size - 1)
        stream = inside & (x == column) & (y != row)
        map = jnp.where(stream, jnp.uint8(LAVA), plan)
        return Level(map, (1, 1), 1, goal=reach(GREEN_GOAL), failure=reach(LAVA))
