"""PutNear: keys, balls and boxes lie about; put one of them near another."""

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
from meadow.tasks.minigrid.chance import below, cut, one_of
from meadow.tasks.minigrid.draw import SIX_COLOURS, condition, put, room
from meadow.tasks.tiles import pack

_THINGS = np.array(
    [pack(thing, colour) for thing in ("key", "ball", "box") for colour in SIX_COLOURS], np.uint8
)


class PutNear(AbstractTaskSpace[Level]):
    """No two things are alike, and none is near another at first: no diagonal step away.

    Near is meant of the place where the other one was at first. Picking up anything but the right
    thing is a failure, and so is putting it down, or trying to, anywhere else.

    Args:
        size: height and width of the map, at least 4.
        num_objects: how many things, at least 2.

    Raises:
        TaskError: things may find no place, or no unlike one is left.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-PutNear-6x6-N2-v0).
    """

    size: int = eqx.field(static=True, default=6)
    num_objects: int = eqx.field(static=True, default=2)

    def __check_init__(self) -> None:
        room_for = -(-((self.size - 2) ** 2) // 9)  # each keeps the others off nine cells
        if not 2 <= self.num_objects <= min(room_for, len(_THINGS)):
            raise TaskError(
                f"A map of size {self.size} surely has room for 2 to "
                f"{min(room_for, len(_THINGS))} things, got num_objects={self.num_objects}."
            )

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 5 * self.size

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        thing, other = (tiles.name(int(tile)) for tile in level.goal[1:3])
        return f"put the {thing} near the {other}"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        plan = room(self.size, self.size, at_least=4)
        num, inner = self.num_objects, self.size - 2
        luck = jr.uniform(key, ((num + 1) * inner**2 + len(_THINGS) + 3,))
        where, what, (first, second, direction) = cut(
            luck, (num + 1, inner, inner), (len(_THINGS),), (3,)
        )
        things = jnp.asarray(_THINGS)[jax.lax.top_k(what, num)[1]]
        y, x = np.mgrid[:inner, :inner]
        near, taken, cells = jnp.zeros((inner, inner), bool), jnp.zeros((inner, inner), bool), []
        for i in range(num):
            row, column = cell = one_of(where[i], ~near)
            taken |= (y == row) & (x == column)
            near |= (abs(y - row) <= 1) & (abs(x - column) <= 1)
            cells.append(cell + 1)
        position = one_of(where[num], ~taken) + 1

        moved = below(first, num)
        other = (moved + 1 + below(second, num - 1)) % num
        cells = jnp.stack(cells)
        return Level(
            put(plan, cells, things),
            position,
            below(direction, 4),
            goal=condition(kinds.PUT_NEAR, things[moved], things[other], tuple(cells[other])),
            failure=condition(kinds.MISHANDLED, things[moved]),
        )
