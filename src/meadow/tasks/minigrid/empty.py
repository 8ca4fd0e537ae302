"""Empty: one room, and a green goal in its far corner."""

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Key

from meadow.core.task import AbstractTaskSpace
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import GREEN_GOAL, choose_cells, choose_direction, reach, room


class Empty(AbstractTaskSpace[Level]):
    """Always the same level, or the agent anywhere in it.

    Args:
        height, width: of the map, at least 4.
        anywhere: the agent begins on a random cell, looking a random way, instead of in the near
            corner looking right.

    Raises:
        TaskError: a smaller map.
    """

    height: int = eqx.field(static=True, default=8)
    width: int = eqx.field(static=True, default=8)
    anywhere: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        room(self.height, self.width, at_least=4)

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 4 * self.height * self.width

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        plan = room(self.height, self.width)
        plan[-2, -2] = GREEN_GOAL
        position, direction = (1, 1), 1
        if self.anywhere:
            _, key_place, key_direction = jr.split(key, 3)
            position = choose_cells(plan, 1, key=key_place)[0]
            direction = choose_direction(key=key_direction)
        return Level(plan, position, direction, goal=reach(GREEN_GOAL))
