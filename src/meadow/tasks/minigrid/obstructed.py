"""ObstructedMaze: a blue ball in a far room, behind locked doors with balls in the way and their
keys hidden in boxes.
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import tiles
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below, cut, one_of
from meadow.tasks.minigrid.draw import Map, hold, painted, put
from meadow.tasks.tiles import FLOOR, IS_FLOOR, WALL, pack

ROOM = 6  # height and width of a room, walls included
_PITCH, _INNER = ROOM - 1, ROOM - 2
_TARGET, _IN_THE_WAY = pack("ball", "blue"), pack("ball", "green")
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])  # right, down, left, up: walls of a room
_TO_WALL = np.array([(0, _INNER), (_INNER, 0), (0, -1), (-1, 0)])  # from its first cell
_SIDES = ((1, 2), (2, 1), (1, 0), (0, 1))  # rooms beside the middle one, (row, column)
_CORNERS = ((0, 2), (2, 2), (2, 0), (0, 0))


class ObstructedMaze(AbstractTaskSpace[Level]):
    """Two rooms with a locked door between them; or nine, of which some quarters are in use.

    In the larger mazes an open way leads from the middle to a room at the side for each quarter,
    from there locked doors to both corners beside it. The blue ball is in one of the corners. A
    box is grey whatever key is in it.

    Args:
        quarters: of the maze with nine rooms, 1 to 4; 0 for the one with two.
        hidden: keys are in boxes.
        blocked: a green ball lies before each locked door.
        start: row and column of the room the agent begins in.

    Raises:
        TaskError: no such number of quarters, or no such room.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-ObstructedMaze-*; as
    in their second versions, no ball ever lands on a key).
    """

    quarters: int = eqx.field(static=True, default=4)
    hidden: bool = eqx.field(static=True, default=True)
    blocked: bool = eqx.field(static=True, default=True)
    start: tuple[int, int] = eqx.field(static=True, default=(1, 1))

    def __check_init__(self) -> None:
        if not 0 <= self.quarters <= 4:
            raise TaskError(f"`quarters` must lie in 0..4, got {self.quarters}.")
        rows, columns = self._rooms
        if not (0 <= self.start[0] < rows and 0 <= self.start[1] < columns):
            raise TaskError(
                f"`start` must be a room in {rows} rows and {columns} columns, got {self.start}."
            )

    @property
    def _rooms(self) -> tuple[int, int]:
        return (3, 3) if self.quarters else (1, 2)

    @property
    def height(self) -> int:
        """Of the map."""
        return _PITCH * self._rooms[0] + 1

    @property
    def width(self) -> int:
        """Of the map."""
        return _PITCH * self._rooms[1] + 1

    @property
    def time_limit(self) -> int:
        """The published limit of the maze with so many quarters.

        With one quarter it depends on where the agent begins.
        """
        visited = (2, 4 if self.start == _SIDES[0] else 5, 11, 18, 25)[self.quarters]
        return 4 * visited * ROOM**2

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        return f"pick up the {tiles.name(int(level.goal[1]))}"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        y, x = np.mgrid[: self.height, : self.width]
        grid = jnp.asarray(np.where((y % _PITCH == 0) | (x % _PITCH == 0), WALL, FLOOR), jnp.uint8)
        open_doors, locked_doors = self._walls()
        num_open, num_locked = len(open_doors), len(locked_doors)
        cell = (_INNER, _INNER)
        sizes = ((6,), (num_open,), (num_locked,), (num_locked, *cell), cell, (*cell, 4), (1,))
        luck = jr.uniform(key, (sum(int(np.prod(size)) for size in sizes),))
        colours, along_open, along_locked, keys, target, agent, (corner,) = cut(luck, *sizes)
        colours = 1 + jnp.argsort(colours)

        if num_open:
            bytes = painted("closed door", colours[open_doors[:, 3]])
            grid = put(grid, _door_cells(open_doors, along_open), bytes)
        colours = colours[locked_doors[:, 3]]
        cells = _door_cells(locked_doors, along_locked)
        grid = put(grid, cells, painted("locked door", colours))
        if self.blocked:
            grid = put(grid, cells - _STEPS[locked_doors[:, 2]], _IN_THE_WAY)
        things = painted("key box" if self.hidden else "key", colours)
        for i, (row, column, _, _) in enumerate(locked_doors.tolist()):
            free = jnp.asarray(IS_FLOOR)[_inside(grid, row, column)]
            grid = put(grid, _corner(row, column) + one_of(keys[i], free), things[i])

        grid = put(grid, self._target(target, corner), _TARGET)
        position, direction = self._agent(grid, agent)
        return Level(grid, position, direction, goal=hold(jnp.uint8(_TARGET)))

    def _walls(self) -> tuple[np.ndarray, np.ndarray]:
        """Open and locked doors: room (row, column), which of its walls, and number of a colour."""
        if not self.quarters:
            return np.zeros((0, 4), int), np.array([(0, 0, 0, 0)])
        locked = [
            (*_SIDES[i], (i + turn) % 4, (i + turn) % 6)
            for i in range(self.quarters)
            for turn in (-1, 1)
        ]
        return np.array([(1, 1, i, i) for i in range(self.quarters)]), np.array(locked)

    def _target(self, luck: Float[Array, "inner inner"], corner: Float[Array, ""]) -> Array:
        """Where the blue ball lies."""
        if self.quarters:
            room = jnp.asarray(_CORNERS)[below(corner, self.quarters)]
            return room * _PITCH + 1 + one_of(luck, np.ones((_INNER, _INNER), bool))
        # As published, not within one step of the middle of its room.
        y, x = np.mgrid[:_INNER, :_INNER]
        allowed = abs(y - _INNER // 2) + abs(x - _INNER // 2) > 1
        return one_of(luck, allowed) + jnp.asarray(_corner(0, 1))

    def _agent(self, grid: Map, luck: Float[Array, "inner inner 4"]) -> tuple[Array, Array]:
        """A free cell of its room and a way to look, at nothing but floor and wall."""
        row, column = self.start
        top, left = _corner(row, column)
        clear = (grid == FLOOR) | (grid == WALL)
        ways = []
        for dy, dx in ((-1, 0), (0, 1), (1, 0), (0, -1)):
            rows, columns = slice(top + dy, top + dy + _INNER), slice(left + dx, left + dx + _INNER)
            ways.append(clear[rows, columns])
        allowed = jnp.stack(ways, -1) & (_inside(grid, row, column) == FLOOR)[..., None]
        chosen = jnp.argmax(jnp.where(allowed, luck, -1.0))
        cell, direction = jnp.divmod(chosen, 4)
        return jnp.stack(jnp.divmod(cell, _INNER)) + jnp.array([top, left]), direction


def _corner(row: int, column: int) -> np.ndarray:
    """The first cell inside a room."""
    return np.array([row, column]) * _PITCH + 1


def _inside(grid: Map, row: int, column: int) -> UInt8[Array, "inner inner"]:
    """The cells of a room without its walls."""
    top, left = _corner(row, column)
    return jnp.asarray(grid)[top : top + _INNER, left : left + _INNER]


def _door_cells(walls: np.ndarray, luck: Float[Array, "walls"]) -> Int[Array, "walls 2"]:
    """A cell in each of the walls, corners left out."""
    side = walls[:, 2]
    first = walls[:, :2] * _PITCH + 1 + _TO_WALL[side]
    along = np.stack([side % 2 == 0, side % 2 == 1], -1)
    return jnp.asarray(first) + along * below(luck, _INNER)[:, None]
