"""Memory: a thing at one end of a corridor tells which of two things at the other end to go to."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, UInt8

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import condition, put, room
from meadow.tasks.tiles import FLOOR, WALL, pack

_THINGS = (pack("ball", "green"), pack("key", "green"))
_MIDDLE = 3  # the row of the corridor


class Memory(AbstractTaskSpace[Level]):
    """The goal is the cell beside the same thing, the failure the cell beside the other.

    The corridor's length never changes; where in it the agent begins does.

    Args:
        width: of the map, at least 8; its height is 7.
    """

    width: int = eqx.field(static=True, default=13)
    height: ClassVar[int] = 7

    def __check_init__(self) -> None:
        if not 8 <= self.width <= 255:
            raise TaskError(f"`Memory` needs a width in 8..255, got {self.width}.")

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 5 * self.width**2

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        _, _, key_agent, key_cue, key_order = jr.split(key, 5)
        end = self.width - 2
        cue = jr.randint(key_cue, (), 0, 2)
        below = jr.randint(key_order, (), 0, 2)  # which thing lies at the lower end

        things = jnp.array(_THINGS)[jnp.stack([cue, 1 - below, below])]
        goal = jnp.where(cue == below, _MIDDLE + 1, _MIDDLE - 1)
        return Level(
            put(self._walls(), [(2, 1), (1, end), (5, end)], things),
            jnp.stack([jnp.int32(_MIDDLE), jr.randint(key_agent, (), 1, end)]),
            1,
            goal=condition(kinds.AGENT_AT, place=(goal, end)),
            failure=condition(kinds.AGENT_AT, place=(2 * _MIDDLE - goal, end)),
        )

    def _walls(self) -> UInt8[Array, "height width"]:
        plan = room(self.height, self.width)
        plan[1:6, [0, 4]] = plan[[1, 5], :5] = WALL  # where the cue is
        plan[_MIDDLE, 4] = FLOOR
        plan[[2, 4], 4:-2] = plan[[1, 5], -3] = WALL  # the corridor
        return jnp.asarray(plan)
