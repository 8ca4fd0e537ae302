"""Fetch: keys and balls lie about; pick up the one that is asked for and no other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds, tiles
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below, cut
from meadow.tasks.minigrid.draw import SIX_COLOURS, condition, hold, put, room
from meadow.tasks.tiles import FLOOR, pack

_THINGS = np.array([pack(thing, c) for thing in ("key", "ball") for c in SIX_COLOURS], np.uint8)


class Fetch(AbstractTaskSpace[Level]):
    """Two things may be alike; picking up either is then right.

    Args:
        size: height and width of the map, at least 4.
        num_objects: how many things, at least 1.

    Raises:
        TaskError: more things than there are free cells.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-Fetch-8x8-N3-v0).
    """

    size: int = eqx.field(static=True, default=8)
    num_objects: int = eqx.field(static=True, default=3)

    def __check_init__(self) -> None:
        if not 1 <= self.num_objects < (self.size - 2) ** 2:
            raise TaskError(
                f"A map of size {self.size} has room for the agent and 1 to "
                f"{(self.size - 2) ** 2 - 1} things, got num_objects={self.num_objects}."
            )

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 5 * self.size**2

    def mission(self, level: Level) -> str:
        """What is asked, in the third of the five wordings that MiniGrid chooses among."""
        return f"fetch a {tiles.name(int(level.goal[1]))}"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        plan = room(self.size, self.size, at_least=4)
        free = np.argwhere(plan == FLOOR)
        num = self.num_objects
        luck = jr.uniform(key, (len(free) + num + 2,))
        where, what, (which, direction) = cut(luck, (len(free),), (num,), (2,))
        cells = jnp.asarray(free, jnp.int32)[jax.lax.top_k(where, num + 1)[1]]
        things = jnp.asarray(_THINGS)[below(what, len(_THINGS))]
        target = things[below(which, num)]
        return Level(
            put(plan, cells[:-1], things),
            cells[-1],
            below(direction, 4),
            goal=hold(target),
            failure=condition(kinds.MISHANDLED, target),
        )
