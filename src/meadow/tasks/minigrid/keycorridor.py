"""KeyCorridor: rooms on both sides of a hallway; a ball behind a locked door, its key elsewhere."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import tiles
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below, cut
from meadow.tasks.minigrid.draw import hold, painted, put
from meadow.tasks.tiles import FLOOR, WALL


class KeyCorridor(AbstractTaskSpace[Level]):
    """Doors are added in random order until every room can be reached.

    Args:
        rows: of rooms, at least 1.
        room_size: height and width of a room, walls included, at least 3.

    Raises:
        TaskError: no rows, or rooms too small.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-KeyCorridorS3R3-v0).
    """

    rows: int = eqx.field(static=True, default=3)
    room_size: int = eqx.field(static=True, default=6)

    def __check_init__(self) -> None:
        if self.rows < 1 or self.room_size < 3:
            raise TaskError(
                "`rows` must be at least 1 and `room_size` at least 3, got "
                f"rows={self.rows}, room_size={self.room_size}."
            )

    @property
    def height(self) -> int:
        """Of the map."""
        return (self.room_size - 1) * self.rows + 1

    @property
    def width(self) -> int:
        """Of the map."""
        return (self.room_size - 1) * 3 + 1

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 30 * self.room_size**2

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        return f"pick up the {tiles.name(int(level.goal[1]))}"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        rows, pitch = self.rows, self.room_size - 1
        walls = _walls(rows)
        luck = jr.uniform(key, (3 * len(walls) + 8,))
        order, along, colours, ball, key_at, rest = cut(
            luck, (len(walls),), (len(walls),), (len(walls),), (2,), (2,), (4,)
        )
        locked_row, key_row = below(rest[0], rows), below(rest[1], rows)
        is_locked, is_door = _doors(walls, rows, locked_row, order)

        inside = 1 + below(along, pitch - 1)
        y = walls[:, 0] * pitch + jnp.where(walls[:, 2], pitch, inside)
        x = walls[:, 1] * pitch + jnp.where(walls[:, 2], inside, pitch)
        colours = 1 + below(colours, 6)
        door = jnp.where(
            is_locked, painted("locked door", colours), painted("closed door", colours)
        )
        grid = put(self._plan(), jnp.stack([y, x], -1), jnp.where(is_door, door, jnp.uint8(WALL)))

        locked = jnp.argmax(is_locked)
        ball_at = jnp.stack([locked_row, jnp.int32(2)]) * pitch + 1 + below(ball, pitch - 1)
        key_at = jnp.stack([key_row, jnp.int32(0)]) * pitch + 1 + below(key_at, pitch - 1)
        target = painted("ball", 1 + below(rest[2], 6))
        things = jnp.stack([target, painted("key", colours[locked])])
        grid = put(grid, jnp.stack([ball_at, key_at]), things)
        position, direction = self._agent(rest[3], y[locked])
        return Level(grid, position, direction, goal=hold(target))

    def _plan(self) -> np.ndarray:
        """Walls without doors; the rooms of the hallway are one."""
        y, x = np.mgrid[: self.height, : self.width]
        pitch = self.room_size - 1
        plan = np.where((y % pitch == 0) | (x % pitch == 0), WALL, FLOOR).astype(np.uint8)
        plan[1:-1, pitch + 1 : 2 * pitch] = FLOOR
        return plan

    def _agent(self, luck: Float[Array, ""], door_y: Int[Array, ""]) -> tuple[Array, Array]:
        """A place in the middle room of the hallway and a way to look, but not at the locked door.

        Where there is no wall between that room and the next, the line between them is of it.
        """
        pitch, row = self.room_size - 1, self.rows // 2
        top, bottom = row * pitch + (row == 0), (row + 1) * pitch - (row == self.rows - 1)
        left, across = pitch + 1, pitch - 1
        num = (bottom - top + 1) * across * 4
        at_door = ((door_y - top) * across + across - 1) * 4 + 1  # right beside it, looking right
        in_room = (door_y >= top) & (door_y <= bottom)
        chosen = below(luck, num - in_room)
        chosen = chosen + (in_room & (chosen >= at_door))
        cell, direction = jnp.divmod(chosen, 4)
        y, x = jnp.divmod(cell, across)
        return jnp.stack([top + y, left + x]), direction


def _walls(rows: int) -> np.ndarray:
    """Where a door may be: below (1) or right of (0) room (row, column); `[walls, 3]`."""
    beside = [(row, column, 0) for row in range(rows) for column in (0, 1)]
    below_ = [(row, column, 1) for row in range(rows - 1) for column in (0, 2)]
    return np.array(beside + below_)


def _doors(
    walls: np.ndarray, rows: int, locked_row: Int[Array, ""], order: Float[Array, "walls"]
) -> tuple[Bool[Array, "walls"], Bool[Array, "walls"]]:
    """Which wall has the locked door, and which have any door.

    A wall is as good as its place in the random order. Along the best way to each room, the worst
    wall must become a door; the worst of those is the last one to become one.
    """
    row, column, is_below = walls.T
    is_locked = (row == locked_row) & (column == 1) & (is_below == 0)
    # The locked room has no other door.
    shut = (column == 2) & ((row == locked_row) | (row + 1 == locked_row))
    order = jnp.where(is_locked, 0.0, jnp.where(shut, 2.0, order))

    hallway, num = 2 * rows, 2 * rows + 1  # left rooms, right rooms, hallway
    room = np.where(column == 0, row, rows + row)
    a = np.where(is_below == 1, room, np.where(column == 0, row, hallway))
    b = np.where(is_below == 1, room + 1, np.where(column == 0, hallway, rows + row))
    away = jnp.full((num, num), 2.0).at[a, b].set(order).at[b, a].set(order)
    away = away.at[np.arange(num), np.arange(num)].set(0.0)
    for via in range(num):
        away = jnp.minimum(away, jnp.maximum(away[:, via, None], away[None, via]))
    return is_locked, order <= away[hallway].max()
