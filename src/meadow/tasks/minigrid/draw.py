"""Draw: walls, cells and conditions, of which levels are made.

Keys are split and used as the published ports do, so the same key gives the same level.

References: Nikulin et al., XLand-MiniGrid, 2023 (whose key use this is).
"""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Key, UInt8

from meadow.core.errors import TaskError
from meadow.tasks import kinds
from meadow.tasks.tiles import COLOURS, FLOOR, IS_FLOOR, WALL, pack

GREEN_GOAL = pack("goal", "green")
SIX_COLOURS = COLOURS[1:7]  # red to grey

Condition = UInt8[np.ndarray | Array, "5"]


def room(height: int, width: int, at_least: int = 3) -> UInt8[np.ndarray, "height width"]:
    """Floor with a wall around it.

    Raises:
        TaskError: smaller than `at_least` or larger than 255 either way.
    """
    if not at_least <= min(height, width) <= max(height, width) <= 255:
        raise TaskError(
            f"This level needs height and width in {at_least}..255, got {height}x{width}."
        )
    plan = np.full((height, width), WALL, np.uint8)
    plan[1:-1, 1:-1] = FLOOR
    return plan


def choose_cells(
    plan: UInt8[Array | np.ndarray, "height width"],
    num: int,
    where: Bool[Array | np.ndarray, "height width"] | bool = True,
    *,
    key: Key[Array, ""],
) -> Int[Array, "num 2"]:
    """Different floor cells, (y, x) each: `num` of those `where` allows."""
    free = jnp.asarray(IS_FLOOR)[plan] & where
    cells = jr.choice(key, free.size, (num,), replace=False, p=free.reshape(-1))
    return jnp.stack(jnp.divmod(cells, plan.shape[1]), -1).astype(jnp.int32)


def reach(tile: int) -> Condition:
    """Standing on such a tile."""
    return np.array([kinds.ON_TILE, tile, 0, 0, 0], np.uint8)
