"""LockedRoom: six rooms along a corridor; one is locked, its key lies in another."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.layouts import layout
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import GREEN_GOAL, choose_direction, painted, put, reach
from meadow.tasks.tiles import COLOURS

_COLOURS = ("yellow", "purple", "green", "grey", "blue", "red")


class LockedRoom(AbstractTaskSpace[Level]):
    """The doors' colours are all different; a green goal is in the locked room.

    The published port never begins in the right column of the corridor; this one does.

    Args:
        height, width: of the map, at least 10 and 11; the height no multiple of 3, the width odd,
            so that all rooms are equal.
        compatibility: draw as published, faults included.

    Raises:
        TaskError: the size makes rooms that are not equal.
    """

    height: int = eqx.field(static=True, default=19)
    width: int = eqx.field(static=True, default=19)
    compatibility: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.height < 10 or self.width < 11 or self.height % 3 == 0 or self.width % 2 == 0:
            raise TaskError(
                "`LockedRoom` needs a height of at least 10 that is no multiple of 3 and an odd "
                f"width of at least 11, got {self.height}x{self.width}."
            )

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 10 * self.height

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        _, key_rooms, key_colours, _, key_things, key_agent, key_direction = jr.split(key, 7)
        plan = layout("R6", self.height, self.width)
        third, middle = self.height // 3, self.width // 2
        doors = np.stack(np.divmod(plan.doors[:, 0], self.width), -1)
        corners = jnp.array([(third * i, x) for x in (0, middle + 2) for i in range(3)])

        ids = jnp.array([COLOURS.index(name) for name in _COLOURS])
        colours = jr.permutation(key_colours, ids)
        rooms = jr.choice(key_rooms, len(doors), (2,), replace=False)  # the goal's and the key's
        offsets = jr.randint(key_things, (2, 2), 1, jnp.array([third, middle - 2]))
        colour = colours[rooms[0]]

        grid = put(plan.base, doors, painted("closed door", colours))
        grid = put(grid, jnp.asarray(doors)[rooms[0]], painted("locked door", colour))
        things = jnp.stack([jnp.uint8(GREEN_GOAL), painted("key", colour)])
        right = middle + 1 + (not self.compatibility)
        return Level(
            put(grid, corners[rooms] + offsets, things),
            jr.randint(
                key_agent,
                (2,),
                jnp.array([1, middle - 1]),
                jnp.array([self.height - 1, right]),
            ),
            choose_direction(key=key_direction),
            goal=reach(GREEN_GOAL),
        )
