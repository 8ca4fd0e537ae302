"""Named: the mazes that others test on, as they drew them.

>>> from meadow.tasks.maze.text import show
>>> print(show(named("MiniMaze")))
>...
###.
G#..
...#

References: Dennis et al., Emergent Complexity and Zero-shot Transfer via Unsupervised Environment
Design, 2020 (rooms, labyrinths, StandardMaze, StandardMaze2, MediumMaze, MiniMaze); Jiang et al.,
Replay-Guided Adversarial Environment Design, 2021 (SixteenRooms2, StandardMaze3, the corridors);
Jiang et al., minimax, 2023 (LabyrinthFlipped); Coward et al., JaxUED, 2024 (the trivial mazes).
"""

from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.text import padded, parse
from meadow.tasks.minigrid.chance import below

# Side by side under their names; the tallest stands first.
_SHEETS = (
    """
    SixteenRooms SixteenRooms2 Labyrinth LabyrinthFlipped Labyrinth2
    ...#..#..#...  ...#.....#...  .............  .............  >#...........
    .>.......#...  .>....#..#...  .###########.  .###########.  .#.#########.
    ...#..#......  ...#..#..#...  .#.........#.  .#.........#.  .#.#.......#.
    #.###.##.###.  ####.##.###.#  .#.#######.#.  .#.#######.#.  .#.#.#####.#.
    ...#.........  ...#..#......  .#.#.....#.#.  .#.#.....#.#.  .#.#.#...#.#.
    ......#..#...  ......#..#...  .#.#.###.#.#.  .#.#.###.#.#.  ...#.#.#.#.#.
    ##.#.##.###.#  #.#####.#####  .#.#.#G#.#.#.  .#.#.#G#.#.#.  ####.#G#.#.#.
    ...#.....#...  ...#..#..#...  .#.#.#.#.#.#.  .#.#.#.#.#.#.  ...#.###.#.#.
    ...#..#......  ...#.........  .#...#...#.#.  .#.#...#...#.  .#.#.....#.#.
    .####.##.#.##  ##.##.##.####  .#########.#.  .#.#########.  .#.#######.#.
    ...#..#..#...  ...#..#..#...  .....#.....#.  .#.....#.....  .#.........#.
    ......#....G.  ......#....G.  ####.#.#####.  .#####.#.####  .###########.
    ...#.....#...  ...#..#..#...  >....#.......  .......#....<  .............
    """,
    """
    StandardMaze StandardMaze2 StandardMaze3 NineRooms NineRoomsFewerDoors
    .....#>...#..  ...#.#....#..  ...>#.#......  ........#....  ....#...#....
    .###.####.##.  .#.#.####...#  .####.#.####.  .>..#........  .>..#........
    .#...........  .#........#..  .#....#.#....  ....#...#....  ....#...#....
    .########.###  .########.###  ...####.#.#.#  ....#...#....  ....#...#....
    ........#....  ...#..#.#.#.G  ##.#....#.#..  #.###.######.  #.###.######.
    ######.#####.  ##.#.##.#.#..  ...#.##.#.##.  ....#........  ....#...#....
    ....#..#.....  >#.#....#.##.  .#.#.#..#..#G  ........#....  ........#....
    .##...##.####  .#.##.###..#.  .#.#.#.###.##  ....#...#....  ....#...#....
    ..#.#..#...#.  .#..#..###.#.  .#...#.#.#...  ###.###.##.##  ###.##.###.##
    #.#.##.###.#.  .##.##.#.#.#.  .###.#.#.###.  ....#...#....  ....#...#....
    #.#..#...#...  .#...#.#.#.#.  .#...#.#...#.  ........#....  ........#....
    #.##.###.###.  .#.#.#.#.#.#.  .#.###.#.#.#.  ....#......G.  ....#...#..G.
    ...#..G#.#...  ...#...#.....  .#...#...#...  ....#...#....  ....#...#....
    """,
    """
    MediumMaze TrivialMaze3 TrivialMaze2 MiniMaze TrivialMaze
    .#..>##.  .......  .....  >...  ...
    .#.#.#..  .......  .....  ###.  .#.
    .#.####.  .......  ..#..  G#..  >#G
    .....#..  ...#...  ..#..  ...#
    ####.#.#  ...#...  >.#.G
    ........  ...#...
    .######.  >..#..G
    ..G#....
    """,
)


def _texts() -> dict[str, str]:
    texts: dict[str, list[str]] = {}
    for sheet in _SHEETS:
        names, *rows = (line.split() for line in sheet.strip().splitlines())
        texts |= {name: [] for name in names}
        for row in rows:
            for name, cells in zip(names, row, strict=False):
                texts[name].append(cells)
    return {name: "\n".join(rows) for name, rows in texts.items()}


_TEXTS = _texts()
NAMES = tuple(_TEXTS)


def named(name: str) -> Maze:
    """One of `NAMES`, of its own size.

    Raises:
        UnknownNameError: no such maze.
    """
    if name not in _TEXTS:
        raise UnknownNameError("maze", name, NAMES)
    return parse(_TEXTS[name])


def named_many(names: Iterable[str] = NAMES, height: int = 13, width: int = 13) -> Maze:
    """Several of them as one batch, in that order, smaller ones `padded`.

    Raises:
        UnknownNameError: no such maze.
        TaskError: one that is larger than that.
    """
    mazes = [padded(named(name), height, width) for name in names]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *mazes)


class Corridor(AbstractTaskSpace[Maze]):
    """Pockets off a ring, open to it above or below, and the goal at the inner end of one.

    The ring runs along the outer wall; the agent begins at its left, in the middle, and looks at
    a wall. The published ones are SmallCorridor (13) and LargeCorridor (19).

    Args:
        size: height and width, odd, at least 5.

    Raises:
        TaskError: no such size.
    """

    size: int = eqx.field(static=True, default=13)

    def __check_init__(self) -> None:
        if self.size < 5 or self.size % 2 == 0:
            raise TaskError(f"`size` must be odd and at least 5, got {self.size}.")

    @property
    def num(self) -> int:
        """How many mazes there are, one for each pocket."""
        return self.size - 3

    def maze(self, pocket: int | Array) -> Maze:
        """The maze whose goal is in that pocket: the upper ones from the left, then the lower."""
        middle = self.size // 2
        y, x = np.mgrid[: self.size, : self.size]
        inside = (np.minimum(y, x) > 0) & (np.maximum(y, x) < self.size - 1)
        lower, column = jnp.divmod(jnp.asarray(pocket), self.num // 2)
        goal = jnp.stack([middle - 1 + 2 * lower, 2 + 2 * column])
        return Maze(inside & ((x % 2 == 1) | (y == middle)), goal, (middle, 0), 0)

    def sample(self, *, key: Key[Array, ""]) -> Maze:
        """One of them."""
        return self.maze(below(jr.uniform(key), self.num))
