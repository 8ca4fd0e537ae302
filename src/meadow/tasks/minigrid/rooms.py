"""Rooms without locks: four joined by gaps, nine joined by doors and full of things."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.layouts import layout
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import (
    GREEN_GOAL,
    SIX_COLOURS,
    choose_cells,
    choose_colours,
    choose_direction,
    choose_doors,
    painted,
    put,
    reach,
)
from meadow.tasks.tiles import FLOOR, pack

_THINGS = ("ball", "square", "pyramid", "key", "star", "hex", "goal")


class FourRooms(AbstractTaskSpace[Level]):
    """Four rooms; agent and green goal anywhere, even in a gap between two rooms.

    Args:
        height, width: of the map: equal and odd, at least 5.

    Raises:
        TaskError: another size.
    """

    height: int = eqx.field(static=True, default=19)
    width: int = eqx.field(static=True, default=19)

    def __check_init__(self) -> None:
        layout("R4", self.height, self.width)

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 100

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        _, key_gaps, key_cells, key_direction = jr.split(key, 4)
        plan = layout("R4", self.height, self.width)
        grid = put(plan.base, choose_doors(plan, key=key_gaps), FLOOR)
        goal, position = choose_cells(grid, 2, key=key_cells)
        return Level(
            put(grid, goal, GREEN_GOAL),
            position,
            choose_direction(key=key_direction),
            goal=reach(GREEN_GOAL),
        )


class Playground(AbstractTaskSpace[Level]):
    """Nine rooms, closed doors, and things of all kinds; there is nothing to reach.

    Args:
        height, width: of the map: equal, 4 + 3n.
        num_objects: things to find.

    Raises:
        TaskError: another size, or more things than cells.
    """

    height: int = eqx.field(static=True, default=19)
    width: int = eqx.field(static=True, default=19)
    num_objects: int = eqx.field(static=True, default=12)

    def __check_init__(self) -> None:
        free = len(layout("R9", self.height, self.width).floor)
        if self.num_objects + 1 > free:
            raise TaskError(
                f"Asked for {self.num_objects} objects and the agent, but {self.height}x"
                f"{self.width} has {free} free cells. Use a larger map or fewer objects."
            )

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 512

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        _, key_doors, key_colours, key_cells, key_objects, key_direction = jr.split(key, 6)
        plan = layout("R9", self.height, self.width)
        doors = choose_doors(plan, key=key_doors)
        colours = choose_colours(len(plan.doors), key=key_colours)
        grid = put(plan.base, doors, painted("closed door", colours))

        every = jnp.array([pack(thing, colour) for colour in SIX_COLOURS for thing in _THINGS])
        *cells, position = choose_cells(grid, self.num_objects + 1, key=key_cells)
        objects = jr.choice(key_objects, every, (self.num_objects,))
        return Level(
            put(grid, jnp.stack(cells), objects), position, choose_direction(key=key_direction)
        )
