"""The board: a map as a flat row of bytes with a margin, so that no look-up needs a bounds test.

Cell (y, x) lies at `(y + margin) * stride + x + margin`. The margin is EMPTY, wide enough for the
view of an agent on any cell and for all it can touch. Rows share their side margins: what is left
of a row's first cell is right of the last one's.
"""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from meadow.tasks.layouts import Layout, layout
from meadow.tasks.tiles import EMPTY

DIRECTIONS = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left as (dy, dx)


@dataclasses.dataclass(frozen=True, eq=False)
class Board:
    """Constant tables of one map size and view; all indices are into the flat board.

    Attributes:
        height, width: of the map.
        margin, stride, size: of the flat board.
        ahead: index offset of one step up, right, down, left, `[4]`.
        view: index offsets of the view's cells for each direction, `[4, view * view]`.
    """

    height: int
    width: int
    margin: int
    stride: int
    size: int
    ahead: np.ndarray
    view: np.ndarray

    def cells(self) -> np.ndarray:
        """The flat index of every map cell, `[height, width]`."""
        y, x = np.mgrid[: self.height, : self.width]
        return ((y + self.margin) * self.stride + x + self.margin).astype(np.int32)

    def lay(self, map: UInt8[Array | np.ndarray, "height width"]) -> UInt8[Array, " size"]:
        """The flat board with a map on it and nothing in the margin."""
        rows = jnp.pad(map, ((0, 0), (0, self.stride - self.width)), constant_values=EMPTY)
        before = self.margin * (self.stride + 1)
        after = self.size - before - rows.size
        return jnp.pad(rows.reshape(-1), (before, after), constant_values=EMPTY)


@functools.lru_cache
def board(height: int, width: int, view_size: int) -> Board:
    """The board of a map of that size, seen through a view of that size."""
    margin = max(view_size - 1, 2)  # a step reads and writes two cells ahead whatever the view
    stride = width + margin
    ahead = np.array([dy * stride + dx for dy, dx in DIRECTIONS], np.int32)
    return Board(
        height=height,
        width=width,
        margin=margin,
        stride=stride,
        size=(height + 2 * margin) * stride + 2 * margin,
        ahead=ahead,
        view=_view(ahead, view_size),
    )


def _view(ahead: np.ndarray, size: int) -> np.ndarray:
    """Row 0 is farthest; the agent stands at the bottom centre, looking up.

    View cell (i, j) is `forward * (size - 1 - i) + right * (j - size // 2)` from the agent.
    """
    i, j = np.mgrid[:size, :size]
    rows = [ahead[d] * (size - 1 - i) + ahead[(d + 1) % 4] * (j - size // 2) for d in range(4)]
    return np.stack(rows).reshape(4, -1).astype(np.int32)


@dataclasses.dataclass(frozen=True, eq=False)
class Ground:
    """A layout on its board: what is there before anything is drawn.

    Attributes:
        layout: the map without a margin.
        base: the board at rest, walls and floor, `[size]`.
        floor: where things may be placed, `[num_floor]`.
        doors: where each door may stand, `[num_doors, choices]`.
    """

    layout: Layout
    base: np.ndarray
    floor: np.ndarray
    doors: np.ndarray


@functools.lru_cache
def ground(name: str, height: int, width: int, view_size: int) -> Ground:
    """The named layout on `board(height, width, view_size)`.

    Raises:
        UnknownNameError, TaskError: no such layout, or it does not fit the size.
    """
    plan, tables = layout(name, height, width), board(height, width, view_size)
    cells = tables.cells()
    base = np.full(tables.size, EMPTY, np.uint8)
    base[cells] = plan.base
    cells = cells.reshape(-1)
    return Ground(layout=plan, base=base, floor=cells[plan.floor], doors=cells[plan.doors])
