"""The board: a map as a flat row of bytes with a margin, so that no look-up needs a bounds test.

Cell (y, x) lies at `(y + margin) * stride + x + margin`. The margin is EMPTY, wide enough for the
view of an agent on any cell and for all it can touch. Rows share their side margins: what is left
of a row's first cell is right of the last one's.
"""

import dataclasses
import functools

import numpy as np

from meadow.tasks.layouts import Layout, layout
from meadow.tasks.tiles import EMPTY

DIRECTIONS = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left as (dy, dx)


@dataclasses.dataclass(frozen=True, eq=False)
class Board:
    """Constant tables of one map size, layout and view; all indices are into the flat board.

    Attributes:
        layout: the map without its margin.
        margin, stride, size: of the flat board.
        base: the board at rest, walls and floor, `[size]`.
        floor: where things may be placed, `[num_floor]`.
        doors: where each door may stand, `[num_doors, choices]`.
        ahead: index offset of one step up, right, down, left, `[4]`.
        view: index offsets of the view's cells for each direction, `[4, view * view]`.
    """

    layout: Layout
    margin: int
    stride: int
    size: int
    base: np.ndarray
    floor: np.ndarray
    doors: np.ndarray
    ahead: np.ndarray
    view: np.ndarray

    def cells(self) -> np.ndarray:
        """The flat index of every map cell, `[height, width]`."""
        height, width = self.layout.base.shape
        y, x = np.mgrid[:height, :width]
        return ((y + self.margin) * self.stride + x + self.margin).astype(np.int32)


@functools.lru_cache
def board(name: str, height: int, width: int, view_size: int) -> Board:
    """The board of a named layout.

    Raises:
        UnknownNameError, TaskError: no such layout, or it does not fit the size.
    """
    plan = layout(name, height, width)
    margin = max(view_size - 1, 2)  # a step reads and writes two cells ahead whatever the view
    stride = width + margin
    size = (height + 2 * margin) * stride + 2 * margin
    cells = np.arange(height)[:, None] * stride + np.arange(width) + margin * (stride + 1)
    cells = cells.astype(np.int32)
    base = np.full(size, EMPTY, np.uint8)
    base[cells] = plan.base
    ahead = np.array([dy * stride + dx for dy, dx in DIRECTIONS], np.int32)
    return Board(
        layout=plan,
        margin=margin,
        stride=stride,
        size=size,
        base=base,
        floor=cells.reshape(-1)[plan.floor],
        doors=cells.reshape(-1)[plan.doors],
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
