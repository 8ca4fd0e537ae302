"""Recall: the colour seen at the start tells which of two goals, out of sight, is the right one."""

from typing import ClassVar

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, UInt8

from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import condition, put, room
from meadow.tasks.tiles import WALL, pack

_RED, _GREEN = pack("goal", "red"), pack("goal", "green")
_CLUE, _START = (7, 1), (8, 1)
_TOP, _BOTTOM = (6, 10), (10, 10)  # the two ends of the crossing corridor


class Recall(AbstractTaskSpace[Level]):
    """A small room with a red or green cell, a corridor, and a red and a green goal at its end.

    The red goal is always above, and nothing but the clue differs between the two levels. To be
    played with a view of 5 cells and the actions 0 to 2. The wrong goal ends the episode without a
    reward. The clue can be stepped on, and then nothing happens.

    References: Jiang et al., minimax, 2023 (Maze-Memory, where the clue is in the way).
    """

    height: ClassVar[int] = 17
    width: ClassVar[int] = 17

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 250

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        red = jr.bernoulli(key)
        clue = jnp.where(red, _RED, _GREEN)
        right, wrong = (jnp.where(x, *jnp.array([_TOP, _BOTTOM])) for x in (red, ~red))
        return Level(
            put(self._walls(), [_CLUE, _TOP, _BOTTOM], jnp.stack([clue, _RED, _GREEN])),
            _START,
            1,
            goal=condition(kinds.AGENT_AT, place=(right[0], right[1])),
            failure=condition(kinds.AGENT_AT, place=(wrong[0], wrong[1])),
        )

    def _walls(self) -> UInt8[Array, "height width"]:
        plan = room(self.height, self.width)
        plan[[6, 10], 1:5] = plan[[7, 9], 4:10] = WALL  # of the room, then of the corridor
        plan[1:8, 9] = plan[9:-1, 9] = plan[1:-1, 11] = WALL  # of the crossing one
        return jnp.asarray(plan)
