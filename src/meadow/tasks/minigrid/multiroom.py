"""MultiRoom: a chain of rooms of any size joined by closed doors, a green goal in the last."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below, cut
from meadow.tasks.minigrid.draw import GREEN_GOAL, painted, put, reach
from meadow.tasks.minigrid.retry import retry
from meadow.tasks.tiles import FLOOR, WALL

_TRIES = 8  # to find room for the next room
_RIGHT, _DOWN, _LEFT, _UP = range(4)


class _Rooms(NamedTuple):
    """Rooms of a chain, walls included, and where each is entered."""

    top: Int[Array, "*rooms 2"]
    size: Int[Array, "*rooms 2"]
    door: Int[Array, "*rooms 2"]


class MultiRoom(AbstractTaskSpace[Level]):
    """Rooms are laid one after the other, eight tries for each; a chain that ends early is dropped.

    Args:
        rooms: how many, at least 2.
        room_size: of a room at most, walls included, at least 4.
        size: height and width of the map.

    Raises:
        TaskError: too few rooms, or rooms that are too small, or a map that is.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-MultiRoom-N6-v0).
    """

    rooms: int = eqx.field(static=True, default=6)
    room_size: int = eqx.field(static=True, default=10)
    size: int = eqx.field(static=True, default=25)

    def __check_init__(self) -> None:
        if self.rooms < 2 or self.room_size < 4 or self.size < 2 * self.room_size + 2:
            raise TaskError(
                "`rooms` must be at least 2, `room_size` at least 4 and `size` at least twice "
                f"`room_size` and 2, got {self.rooms=}, {self.room_size=}, {self.size=}."
            )

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 20 * self.rooms

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        del level
        return "traverse the rooms to get to the goal"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        key_chain, key = jr.split(key)
        rooms = retry(self._attempt, key=key_chain)
        colours, agent, goal, (direction,) = cut(
            jr.uniform(key, (self.rooms - 1 + 5,)), (self.rooms - 1,), (2,), (2,), (1,)
        )
        y, x = np.mgrid[: self.size, : self.size]
        cells = jnp.stack([y, x], -1)[None]
        top, end = (part[:, None, None] for part in (rooms.top, rooms.top + rooms.size - 1))
        inside = ((cells >= top) & (cells <= end)).all(-1)
        edge = ((cells == top) | (cells == end)).any(-1)
        grid = jnp.where((inside & edge).any(0), jnp.uint8(WALL), jnp.uint8(FLOOR))
        grid = put(grid, rooms.door[1:], painted("closed door", _different(colours)))
        first, last = (rooms.top[i] + 1 + below(luck, rooms.size[i] - 2)
                       for i, luck in ((0, agent), (-1, goal)))  # fmt: skip
        grid = put(grid, last, GREEN_GOAL)
        return Level(grid, first, below(direction, 4), goal=reach(GREEN_GOAL))

    def _attempt(self, key: Key[Array, ""]) -> tuple[_Rooms, Bool[Array, ""]]:
        """One chain, and whether it has all its rooms."""
        num = self.rooms
        first, later = cut(
            jr.uniform(key, (4 + (num - 1) * _TRIES * 5,)), (4,), (num - 1, _TRIES, 5)
        )
        size = self._sizes(first[2:])
        top = below(first[:2], self.size - 2)
        start = jax.tree.map(
            lambda x: jnp.zeros((num, 2), jnp.int32).at[0].set(x), _Rooms(top, size, top)
        )

        def lay(carry: tuple, luck: Float[Array, "tries 5"]) -> tuple[tuple, None]:
            rooms, last, entered, complete = carry
            here = jax.tree.map(lambda x: x[last], rooms)
            candidates, walls = self._next(here, entered, luck)
            before = (jnp.arange(num) < last)[:, None]
            fits = self._on_map(candidates) & ~(before & _overlap(candidates, rooms)).any(0)
            chosen = jnp.argmax(fits)
            rooms = jax.tree.map(lambda x, new: x.at[last + 1].set(new[chosen]), rooms, candidates)
            return (rooms, last + 1, walls[chosen], complete & fits.any()), None

        carry = (start, jnp.int32(0), jnp.int32(_LEFT), self._on_map(_Rooms(top, size, top)))
        (rooms, _, _, complete), _ = jax.lax.scan(lay, carry, later)
        return rooms, complete

    def _next(
        self, here: _Rooms, entered: Int[Array, ""], luck: Float[Array, "tries 5"]
    ) -> tuple[_Rooms, Int[Array, "tries"]]:
        """Rooms that may follow this one, which is `entered` through that wall, and by which wall
        they are entered themselves.
        """
        leave = below(luck[:, 0], 3)
        leave = leave + (leave >= entered)
        sideways = ((leave == _LEFT) | (leave == _RIGHT))[:, None]  # the door is in a vertical wall
        is_y = jnp.arange(2) == 0
        along = is_y == sideways  # the axis along the wall, of (y, x)
        forward = ((leave == _RIGHT) | (leave == _DOWN))[:, None]

        beside = here.top + 1 + below(luck[:, 1:2], here.size - 2)
        door = jnp.where(along, beside, here.top + jnp.where(forward, here.size - 1, 0))
        size = self._sizes(luck[:, 2:4])
        back = 1 + below(luck[:, 4:5], size - 2)  # so far before the door its wall begins
        top = door - jnp.where(along, back, jnp.where(forward, 0, size - 1))
        return _Rooms(top, size, door), (leave + 2) % 4

    def _sizes(self, luck: Float[Array, "*some 2"]) -> Int[Array, "*some 2"]:
        return 4 + below(luck, self.room_size - 3)

    def _on_map(self, room: _Rooms) -> Bool[Array, "*rooms"]:
        """Whether a room is; as published, the lowest row of the map stays free."""
        end = room.top + room.size
        limit = np.array([self.size - 1, self.size])
        return ((room.top >= 0) & (end <= limit)).all(-1)


def _overlap(new: _Rooms, old: _Rooms) -> Bool[Array, "old new"]:
    """Whether they do; as published, a new room keeps a cell's distance above and on the left."""
    new_end, old_end = new.top + new.size, (old.top + old.size)[:, None]
    return ((new_end >= old.top[:, None]) & (old_end > new.top)).all(-1)


def _different(luck: Float[Array, "doors"]) -> Int[Array, "doors"]:
    """Colours from red to grey, none like the one before it."""
    colours = [below(luck[0], 6)]
    for one in luck[1:]:
        colour = below(one, 5)
        colours.append(colour + (colour >= colours[-1]))
    return 1 + jnp.stack(colours)
