"""Compatible: resets that are the peer's bit for bit, given the same key and task.

Slower than our own draw, and no different in distribution: for reproducing what was published.

References: Nikulin et al., XLand-MiniGrid, 2023; keys are split and used as in its version 0.9.3.
"""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key, UInt8

from meadow.tasks.layouts import Layout
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import (
    choose_cells,
    choose_colours,
    choose_direction,
    choose_doors,
    painted,
    put,
)
from meadow.tasks.tiles import EMPTY


def drawn(plan: Layout, objects: UInt8[Array, " num"], *, key: Key[Array, ""]) -> Level:
    """Where the peer puts doors, objects and the agent; a level without a goal."""
    key, grid = _doors(plan, key)
    _, key_cells, key_direction = jr.split(key, 3)
    *cells, position = choose_cells(grid, len(objects) + 1, key=key_cells)
    if cells:
        y, x = jnp.stack(cells, -1)
        grid = grid.at[y, x].set(jnp.where(objects == EMPTY, grid[y, x], objects))
    return Level(grid, position, choose_direction(key=key_direction))


def _doors(plan: Layout, key: Key[Array, ""]) -> tuple[Key[Array, ""], UInt8[Array, "h w"]]:
    """The key that is left, and the map with its doors; each layout splits in its own way."""
    num, choices = plan.doors.shape
    if not num:
        return key, jnp.asarray(plan.base)
    if choices == 1:  # where every door has its place, only colours are drawn
        key, key_colours = jr.split(key)
        cells = choose_doors(plan, key=key_colours)
    else:
        key, *keys = jr.split(key, 3)
        key_colours, key_doors = keys if num == 1 else reversed(keys)
        cells = choose_doors(plan, key=key_doors)
    colours: Int[Array, " doors"] = choose_colours(num, key=key_colours)
    return key, put(plan.base, cells, painted("closed door", colours))
