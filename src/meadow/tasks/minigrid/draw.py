"""Draw: walls, cells, doors and conditions, of which levels are made.

Keys are split and used as the published ports do, so the same key gives the same level.

References: Nikulin et al., XLand-MiniGrid, 2023 (whose key use this is).
"""

from collections.abc import Sequence

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int, Key, UInt8

from meadow.core.errors import TaskError
from meadow.tasks import kinds
from meadow.tasks.layouts import Layout
from meadow.tasks.tiles import COLOURS, FLOOR, IS_FLOOR, WALL, pack

GREEN_GOAL = pack("goal", "green")
SIX_COLOURS = COLOURS[1:7]  # red to grey

Map = UInt8[Array | np.ndarray, "height width"]
Condition = UInt8[Array, "5"]


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
    plan: Map, num: int, where: Bool[ArrayLike, "..."] = True, *, key: Key[Array, ""]
) -> Int[Array, "num 2"]:
    """Different floor cells, (y, x) each: `num` of those `where` allows."""
    free = jnp.asarray(IS_FLOOR)[plan] & where
    cells = jr.choice(key, free.size, (num,), replace=False, p=free.reshape(-1))
    return jnp.stack(jnp.divmod(cells, plan.shape[1]), -1).astype(jnp.int32)


def choose_doors(plan: Layout, *, key: Key[Array, ""]) -> Int[Array, "doors 2"]:
    """For each door of a layout the cell it stands on, (y, x)."""
    num, choices = plan.doors.shape
    which = jr.randint(key, (num,), 0, choices)
    cells = jnp.asarray(plan.doors)[jnp.arange(num), which]
    return jnp.stack(jnp.divmod(cells, plan.base.shape[1]), -1)


def choose_colours(*shape: int, key: Key[Array, ""]) -> Int[Array, "..."]:
    """Some of `SIX_COLOURS`, as colour ids."""
    return 1 + jr.randint(key, shape, 0, len(SIX_COLOURS))


def choose_direction(*, key: Key[Array, ""]) -> Int[Array, ""]:
    """Where the agent looks, all ways as likely."""
    return jr.randint(key, (), 0, 4)


def put(plan: Map, cell: ArrayLike | Sequence, tile: ArrayLike) -> UInt8[Array, "height width"]:
    """The map with tiles on it: `cell` one (y, x) or several, `tile` a byte for each."""
    y, x = jnp.moveaxis(jnp.asarray(cell), -1, 0)
    return jnp.asarray(plan).at[y, x].set(jnp.asarray(tile, jnp.uint8))


def painted(tile: str, colour: ArrayLike) -> UInt8[Array, "..."]:
    """The byte of a tile in a colour that was drawn."""
    return jnp.asarray(pack(tile, 0) + jnp.asarray(colour), jnp.uint8)


def condition(
    kind: int, a: ArrayLike = 0, b: ArrayLike = 0, place: tuple[ArrayLike, ArrayLike] = (0, 0)
) -> Condition:
    """A goal or a failure as five bytes, of what was drawn or is known."""
    return jnp.stack([jnp.asarray(part, jnp.uint8) for part in (kind, a, b, *place)])


def reach(tile: ArrayLike) -> Condition:
    """Stand on such a tile."""
    return condition(kinds.ON_TILE, tile)


def hold(tile: ArrayLike) -> Condition:
    """Have such a tile in the pocket, tested on every pick-up."""
    return condition(kinds.HOLD, tile)
