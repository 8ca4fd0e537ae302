"""Rooms: mazes of four rooms, each joined to two others by a door."""

import equinox as eqx
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.plain import plain
from meadow.tasks.minigrid import rooms


class FourRooms(AbstractTaskSpace[Maze]):
    """Doors, agent and goal are drawn; the two may be in doors, and the agent looks any way.

    The map is MiniGrid's, without its outer wall.

    Args:
        size: height and width, odd, at least 3.

    Raises:
        TaskError: another size.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-FourRooms-v0).
    """

    size: int = eqx.field(static=True, default=17)

    def __check_init__(self) -> None:
        if self.size < 3 or self.size % 2 == 0:
            raise TaskError(f"`FourRooms` needs an odd size of at least 3, got {self.size}.")

    @property
    def horizon(self) -> int:
        """The time limit that papers on environment design give it; MiniGrid's is 100."""
        return 250

    def sample(self, *, key: Key[Array, ""]) -> Maze:
        """One maze."""
        return plain(self._levels.sample(key=key))

    @property
    def _levels(self) -> rooms.FourRooms:
        return rooms.FourRooms(self.size + 2, self.size + 2)
