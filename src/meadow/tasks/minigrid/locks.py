"""Locks: two rooms, a locked door between them, and its key on the agent's side."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds
from meadow.tasks.layouts import layout
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import (
    GREEN_GOAL,
    SIX_COLOURS,
    choose_cells,
    choose_colours,
    choose_direction,
    choose_doors,
    condition,
    hold,
    painted,
    put,
    reach,
    room,
)
from meadow.tasks.tiles import WALL, pack

_KINDS = ("ball", "square", "pyramid", "star", "hex")
_BLOCKED_KINDS = ("ball", "square", "pyramid", "hex", "star")  # the published order is another


class DoorKey(AbstractTaskSpace[Level]):
    """A yellow lock in a wall that stands anywhere; the green goal is behind it, in the corner.

    Args:
        height, width: of the map, at least 5.

    Raises:
        TaskError: a smaller map.
    """

    height: int = eqx.field(static=True, default=8)
    width: int = eqx.field(static=True, default=8)

    def __check_init__(self) -> None:
        room(self.height, self.width, at_least=5)

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 10 * self.height * self.width

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        key_wall, key_door, key_cells, key_direction = jr.split(jr.split(key)[1], 4)
        column = jr.randint(key_wall, (), 2, self.width - 2)
        row = jr.randint(key_door, (), 1, self.height - 2)

        plan = room(self.height, self.width)
        plan[-2, -2] = GREEN_GOAL
        across = jnp.arange(self.width)
        grid = put(jnp.where(across == column, WALL, plan), (row, column), pack(_LOCK, "yellow"))
        key_cell, position = choose_cells(grid, 2, across < column, key=key_cells)
        return Level(
            put(grid, key_cell, pack("key", "yellow")),
            position,
            choose_direction(key=key_direction),
            goal=reach(GREEN_GOAL),
        )


class Unlock(AbstractTaskSpace[Level]):
    """Open the door.

    Args:
        height, width: of the map, at least 5.

    Raises:
        TaskError: a smaller map.
    """

    height: int = eqx.field(static=True, default=6)
    width: int = eqx.field(static=True, default=11)

    def __check_init__(self) -> None:
        layout("R2", self.height, self.width)

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 8 * self.height**2

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        _, key_colour, key_door, key_cells, key_direction = jr.split(key, 5)
        colour = choose_colours(key=key_colour)
        plan = layout("R2", self.height, self.width)
        (door,) = choose_doors(plan, key=key_door)
        grid = put(plan.base, door, painted(_LOCK, colour))
        key_cell, position = choose_cells(grid, 2, _left(grid), key=key_cells)
        return Level(
            put(grid, key_cell, painted("key", colour)),
            position,
            choose_direction(key=key_direction),
            goal=condition(kinds.TILE_AT, painted("open door", colour), place=(door[0], door[1])),
        )


class UnlockPickUp(AbstractTaskSpace[Level]):
    """Pick up what lies behind the door.

    Args:
        height, width: of the map, at least 5.

    Raises:
        TaskError: a smaller map.
    """

    height: int = eqx.field(static=True, default=6)
    width: int = eqx.field(static=True, default=11)

    def __check_init__(self) -> None:
        layout("R2", self.height, self.width)

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 8 * self.height**2

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        _, key_kind, key_colours, key_door, key_cells, key_target, key_direction = jr.split(key, 7)
        kind = jr.randint(key_kind, (), 0, len(_KINDS))
        colour, other = choose_colours(2, key=key_colours)
        target = _object(_KINDS, kind, other)
        plan = layout("R2", self.height, self.width)
        grid = put(plan.base, choose_doors(plan, key=key_door), painted(_LOCK, colour))
        key_cell, position = choose_cells(grid, 2, _left(grid), key=key_cells)
        (target_cell,) = choose_cells(grid, 1, _right(grid), key=key_target)
        return Level(
            put(put(grid, key_cell, painted("key", colour)), target_cell, target),
            position,
            choose_direction(key=key_direction),
            goal=hold(target),
        )


class BlockedUnlockPickUp(AbstractTaskSpace[Level]):
    """Pick up what lies behind the door, in front of which lies something else.

    The published port may lay that over the key, and it may be what is asked for. Here it never
    is either, and all other levels are the published ones.

    Args:
        height, width: of the map, at least 5.
        compatibility: draw as published, faults included.

    Raises:
        TaskError: a smaller map.
    """

    height: int = eqx.field(static=True, default=6)
    width: int = eqx.field(static=True, default=11)
    compatibility: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        layout("R2", self.height, self.width)

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 16 * self.height**2

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        keys = jr.split(jr.split(key)[1], 7)
        which = jr.randint(keys[0], (2,), 0, len(_BLOCKED_KINDS))
        colour, *colours = choose_colours(3, key=keys[1])
        objects = which * len(SIX_COLOURS) + jnp.stack(colours) - 1
        if not self.compatibility:
            objects = objects.at[1].set(_other(*objects, key=jr.fold_in(keys[0], 1)))
        kind, paint = jnp.divmod(objects, len(SIX_COLOURS))
        target, blocker = _object(_BLOCKED_KINDS, kind, paint + 1)

        plan = layout("R2", self.height, self.width)
        (door,) = choose_doors(plan, key=keys[2])
        before = door - jnp.array([0, 1])
        grid = put(plan.base, door, painted(_LOCK, colour))
        if not self.compatibility:
            grid = put(grid, before, blocker)
        (key_cell,) = choose_cells(grid, 1, _left(grid), key=keys[3])
        (target_cell,) = choose_cells(grid, 1, _right(grid), key=keys[4])
        grid = put(put(grid, key_cell, painted("key", colour)), target_cell, target)
        grid = put(grid, before, blocker)
        (position,) = choose_cells(grid, 1, _left(grid), key=keys[5])
        return Level(grid, position, choose_direction(key=keys[6]), goal=hold(target))


_LOCK = "locked door"


def _left(grid: Array) -> Bool[np.ndarray, " width"]:
    """The columns of the agent's room."""
    return np.arange(grid.shape[1]) < grid.shape[1] // 2


def _right(grid: Array) -> Bool[np.ndarray, " width"]:
    return np.arange(grid.shape[1]) > grid.shape[1] // 2


def _object(names: tuple[str, ...], kind: Array, colour: Array) -> Array:
    """The bytes of things drawn from `names`."""
    return jnp.array([pack(name, 0) for name in names])[kind] + colour


def _other(one: Array, another: Array, *, key: Key[Array, ""]) -> Int[Array, ""]:
    """`another`, or where it is `one` again, any different one."""
    num = len(_BLOCKED_KINDS) * len(SIX_COLOURS)
    different = (one + jr.randint(key, (), 1, num)) % num
    return jnp.where(one == another, different, another)
