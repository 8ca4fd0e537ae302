"""Plain: a MiniGrid level of walls and one green goal, as the maze it is.

>>> from meadow.tasks.tiles import parse
>>> floor, wall, goal = (parse(tile) for tile in ("floor", "wall", "green goal"))
>>> row = [wall, floor, floor, goal, wall]
>>> maze = plain(Level([[wall] * 5, row, [wall] * 5], position=(1, 1), direction=1))
>>> maze.walls.shape, maze.goal.tolist(), maze.position.tolist(), maze.direction.item()
((1, 3), [0, 2], [0, 0], 0)
"""

import jax.numpy as jnp

from meadow.tasks.level import Level
from meadow.tasks.maze.maze import Maze
from meadow.tasks.minigrid.draw import GREEN_GOAL
from meadow.tasks.tiles import WALL


def plain(level: Level) -> Maze:
    """The maze within the level's outer wall; whatever else lies in the level is free."""
    inner = level.map[1:-1, 1:-1]
    goal = jnp.divmod(jnp.argmax(inner == GREEN_GOAL), inner.shape[1])
    # A level counts directions from up, a maze from right; both go on clockwise.
    return Maze(inner == WALL, jnp.stack(goal), level.position - 1, (level.direction - 1) % 4)
