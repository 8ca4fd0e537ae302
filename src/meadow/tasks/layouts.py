"""Layouts: rooms, walls and doors, as a base map and a list of places for each door.

Every published layout has this one form: walls that never change, and doors that each choose one
cell of a line. So the cells an object may be placed on are known before any key is drawn.

    R1 one room · R2 two · R4 two by two · R6 three each side of a corridor · R9 three by three

References: Nikulin et al., XLand-MiniGrid, 2023.
"""

import dataclasses

import numpy as np

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks.tiles import FLOOR, WALL


@dataclasses.dataclass(frozen=True)
class Layout:
    """Attributes:
    base: bytes, `[height, width]`; every door still a wall.
    doors: for each door the cells it may stand on, `[num_doors, choices]`, row-major indices.
    """

    base: np.ndarray
    doors: np.ndarray

    @property
    def floor(self) -> np.ndarray:
        """Row-major indices of the cells that things can be placed on."""
        return np.flatnonzero(self.base == FLOOR)


def layout(name: str, height: int, width: int) -> Layout:
    """The layout called R1, R2, R4, R6 or R9.

    Raises:
        UnknownNameError: no layout of that name.
        TaskError: the size cannot hold its rooms.
    """
    if name not in _BUILDERS:
        raise UnknownNameError("layout", name, _BUILDERS)
    smallest, build = _BUILDERS[name]
    if min(height, width) < smallest or max(height, width) > 255:
        raise TaskError(
            f"Layout {name} needs height and width in {smallest}..255, got {height}x{width}."
        )
    base = np.full((height, width), WALL, np.uint8)
    base[1:-1, 1:-1] = FLOOR
    doors = np.array(build(base), np.int32)
    if not len(doors):
        doors = np.zeros((0, 1), np.int32)
    return Layout(base, doors)


def _one(base: np.ndarray) -> list:
    return []


def _two(base: np.ndarray) -> list:
    height, width = base.shape
    base[:, width // 2] = WALL
    return [[y * width + width // 2 for y in range(1, height - 1)]]


def _four(base: np.ndarray) -> list:
    height, width = base.shape
    _square(base, "R4")
    if height % 2 == 0:
        raise TaskError(f"Layout R4 needs an odd size, so that its rooms are equal, got {height}.")
    mid = height // 2
    base[:, mid] = base[mid, :] = WALL
    near, far = range(1, mid), range(mid + 1, 2 * mid)
    return [
        [mid * width + x for x in near],
        [mid * width + x for x in far],
        [y * width + mid for y in near],
        [y * width + mid for y in far],
    ]


def _six(base: np.ndarray) -> list:
    height, width = base.shape
    left, right, third = width // 2 - 2, width // 2 + 2, height // 3
    base[:, left] = base[:, right] = WALL
    for row in (third, 2 * third):
        base[row, :left] = base[row, right:] = WALL
    rows = (height // 2 - third, height // 2, height // 2 + third)
    return [[y * width + x] for x in (left, right) for y in rows]


def _nine(base: np.ndarray) -> list:
    height, width = base.shape
    _square(base, "R9")
    if (width - 4) % 3:
        raise TaskError(f"Layout R9 needs a size of 4 + 3n (16, 19, 25, ...), got {width}.")
    step = width // 3
    base[:, [step, 2 * step]] = base[[step, 2 * step], :] = WALL
    offsets = range(1, step)
    doors = []
    for i in range(3):
        for j in range(3):
            if i < 2:
                doors.append([(j * step + o) * width + (i + 1) * step for o in offsets])
            if j < 2:
                doors.append([(j + 1) * step * width + i * step + o for o in offsets])
    return doors


def _square(base: np.ndarray, name: str) -> None:
    if base.shape[0] != base.shape[1]:
        raise TaskError(f"Layout {name} is square, got {base.shape[0]}x{base.shape[1]}.")


_BUILDERS = {"R1": (3, _one), "R2": (5, _two), "R4": (5, _four), "R6": (9, _six), "R9": (10, _nine)}
