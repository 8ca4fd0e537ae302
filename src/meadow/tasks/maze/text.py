"""Text: mazes written down, read back, checked and filled up to another size.

`#` wall, `.` free, `G` goal, and the agent as it looks: `>` `v` `<` `^`. The outer wall is not
written.

>>> maze = parse('''
... >.#
... #.G
... ''')
>>> maze.goal.tolist(), maze.direction.item()
([1, 2], 0)
>>> print(show(maze))
>.#
#.G

References: the characters are those of Coward et al., JaxUED, 2024.
"""

import numpy as np
from jaxtyping import ArrayLike

from meadow.core.errors import TaskError
from meadow.tasks.maze.maze import Maze

AGENT = ">v<^"  # right, down, left, up, as directions are numbered
_FREE, _WALL, _GOAL = ".#G"
_KNOWN = f"{_WALL} wall, {_FREE} free, {_GOAL} goal, one of {' '.join(AGENT)} for the agent"


def parse(text: str) -> Maze:
    """The maze of a text; blank lines around it and common indentation do not matter.

    Raises:
        TaskError: rows of different length, an unknown character, or not one goal and one agent.
    """
    rows = [row.strip() for row in text.strip().splitlines()]
    if not rows:
        raise TaskError(f"Expected the rows of a maze, got an empty text. Write {_KNOWN}.")
    for y, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise TaskError(
                f"Every row of a maze is equally long: row 0 has {len(rows[0])} characters, row "
                f"{y} has {len(row)} ({row!r}). Fill it up with {_WALL}."
            )
        for x, character in enumerate(row):
            if character not in _FREE + _WALL + _GOAL + AGENT:
                raise TaskError(
                    f"Unknown character {character!r} in row {y}, column {x}. Write {_KNOWN}."
                )
    cells = np.array([list(row) for row in rows])
    agent = _only(cells, AGENT, f"agent (one of {' '.join(AGENT)})")
    goal = _only(cells, _GOAL, f"goal ({_GOAL})")
    return Maze(cells == _WALL, goal, agent, AGENT.index(cells[agent]))


def show(maze: Maze) -> str:
    """The text of one maze, which `parse` reads back.

    Raises:
        TaskError: a batch of mazes, or one that is not well formed.
    """
    check_maze(maze)
    cells = np.where(np.asarray(maze.walls), _WALL, _FREE)
    cells[tuple(np.asarray(maze.goal))] = _GOAL
    cells[tuple(np.asarray(maze.position))] = AGENT[int(maze.direction)]
    return "\n".join(map("".join, cells))


def check_maze(maze: Maze) -> None:
    """Look at one maze from outside, before anything is compiled for it.

    Raises:
        TaskError: a batch, or agent or goal outside the map, in a wall, or both on one cell.
    """
    walls = np.asarray(maze.walls)
    if walls.ndim != 2:
        raise TaskError(
            f"Expected one maze, got walls of shape {list(walls.shape)}. Pick one: "
            "`jax.tree.map(lambda x: x[0], mazes)`."
        )
    for name in ("goal", "position"):
        y, x = _cell(getattr(maze, name), f"`{name}`")
        if not (0 <= y < walls.shape[0] and 0 <= x < walls.shape[1]):
            raise TaskError(
                f"`{name}` ({y}, {x}) lies outside the map of {walls.shape[0]}x{walls.shape[1]}. "
                "Cells are (y, x) and begin with (0, 0)."
            )
        if walls[y, x]:
            raise TaskError(f"`{name}` ({y}, {x}) is a wall. Clear it: walls[{y}, {x}] = False.")
    if (np.asarray(maze.goal) == np.asarray(maze.position)).all():
        raise TaskError(f"The agent begins on the goal, {maze.goal}. Give each its own cell.")
    if np.shape(maze.direction) or not 0 <= int(maze.direction) < 4:
        raise TaskError(
            f"`direction` is 0 right, 1 down, 2 left or 3 up, got {np.asarray(maze.direction)}."
        )


def padded(maze: Maze, height: int, width: int) -> Maze:
    """The same problem on a larger map: walls below and at the right. Any batch axes.

    Raises:
        TaskError: the map is larger than that.
    """
    down, right = height - maze.walls.shape[-2], width - maze.walls.shape[-1]
    if down < 0 or right < 0:
        raise TaskError(
            f"A maze of {maze.walls.shape[-2]}x{maze.walls.shape[-1]} does not fit into "
            f"{height}x{width}. Ask for at least its own size."
        )
    around = [(0, 0)] * (maze.walls.ndim - 2) + [(0, down), (0, right)]
    walls = np.pad(np.asarray(maze.walls), around, constant_values=True)
    return Maze(walls, maze.goal, maze.position, maze.direction)


def _cell(value: ArrayLike, what: str) -> tuple[int, int]:
    cell = np.asarray(value)
    if cell.shape != (2,):
        raise TaskError(f"{what} is one cell (y, x), got shape {list(cell.shape)}.")
    return int(cell[0]), int(cell[1])


def _only(cells: np.ndarray, characters: str, what: str) -> tuple[int, int]:
    """The one cell that holds any of the characters."""
    found = np.argwhere(np.isin(cells, list(characters)))
    if len(found) != 1:
        places = ", ".join(f"row {y} column {x}" for y, x in found) or "none"
        raise TaskError(f"A maze has exactly one {what}; found {places}. Write {_KNOWN}.")
    return int(found[0][0]), int(found[0][1])
