"""Crossing: mazes of straight walls, each with one opening on a way from corner to corner."""

import equinox as eqx
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.plain import plain
from meadow.tasks.minigrid.crossing import Crossing


class SimpleCrossing(AbstractTaskSpace[Maze]):
    """The agent begins in the first corner, looking right; the goal is in the last.

    The map is MiniGrid's, without its outer wall: walls on odd rows and columns, as long as the
    map, each with one opening. The way leads through the rooms between them only right and down;
    within a room it may lead back a little.

    Args:
        size: height and width, odd, at least 3.
        walls: how many, at most `size - 1`.

    Raises:
        TaskError: another size, or more walls than fit.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023
    (MiniGrid-SimpleCrossingS11N5-v0). In minimax the way never leads back.
    """

    size: int = eqx.field(static=True, default=9)
    walls: int = eqx.field(static=True, default=5)

    def __check_init__(self) -> None:
        if self.size < 3 or self.size % 2 == 0 or not 1 <= self.walls < self.size:
            raise TaskError(
                "`SimpleCrossing` needs an odd size of at least 3 and 1 to `size - 1` walls, got "
                f"{self.size=}, {self.walls=}."
            )

    @property
    def horizon(self) -> int:
        """The published time limit."""
        return self._levels.time_limit

    def sample(self, *, key: Key[Array, ""]) -> Maze:
        """One maze."""
        return plain(self._levels.sample(key=key))

    @property
    def _levels(self) -> Crossing:
        return Crossing(self.size + 2, self.walls, lava=False)
