"""Maze: walls, a goal, and where the agent begins; the testbed of environment design.

>>> maze = Maze(walls=[[False, True, False]], goal=(0, 2), position=(0, 0), direction=0)
>>> maze.walls.shape, maze.goal.tolist()
((1, 3), [0, 2])
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

# What an agent can do, in the order of its actions: turn, turn, or go one cell.
LEFT, RIGHT, FORWARD = range(3)
# Right, down, left, up: as (y, x), the order of `Maze.direction`.
STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


def _int(value: object) -> Int32[Array, "..."]:
    return jnp.asarray(value, jnp.int32)


def _bool(value: object) -> Bool[Array, "..."]:
    return jnp.asarray(value, bool)


class Maze(eqx.Module):
    """One maze; any leading batch axes.

    The map is what lies inside an outer wall, which is not stored. A smaller maze is padded with
    walls, so that mazes of different size stack.

    Attributes:
        walls: where there is a wall.
        goal: its cell, (y, x).
        position: the agent's first cell, (y, x); not the goal, neither of them a wall.
        direction: where it looks first: 0 right, 1 down, 2 left, 3 up.
    """

    walls: Bool[Array, "*batch height width"] = eqx.field(converter=_bool)
    goal: Int32[Array, "*batch 2"] = eqx.field(converter=_int)
    position: Int32[Array, "*batch 2"] = eqx.field(converter=_int)
    direction: Int32[Array, "*batch"] = eqx.field(converter=_int)
