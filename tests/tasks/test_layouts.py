"""Layouts: rooms are closed until their doors are there, and doors join two rooms."""

import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks.layouts import layout
from meadow.tasks.tiles import FLOOR, WALL

# name, height, width, doors, rooms; R6 has its corridor besides the six.
PLANS = [
    ("R1", 9, 9, 0, 1),
    ("R1", 5, 8, 0, 1),
    ("R2", 9, 9, 1, 2),
    ("R2", 6, 11, 1, 2),
    ("R4", 9, 9, 4, 4),
    ("R4", 13, 13, 4, 4),
    ("R6", 13, 13, 6, 7),
    ("R6", 19, 19, 6, 7),
    ("R9", 16, 16, 12, 9),
    ("R9", 25, 25, 12, 9),
]


def rooms(open_cells: np.ndarray) -> int:
    """How many connected parts a map of booleans has."""
    left, count = set(zip(*np.nonzero(open_cells), strict=True)), 0
    while left:
        count, edge = count + 1, [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge += near
    return count


@pytest.mark.parametrize(("name", "height", "width", "num_doors", "num_rooms"), PLANS)
def test_doors_join_the_rooms(name, height, width, num_doors, num_rooms):
    plan = layout(name, height, width)
    assert plan.base.shape == (height, width)
    assert len(plan.doors) == num_doors, f"{name} has {num_doors} doors"
    assert rooms(plan.base == FLOOR) == num_rooms, f"{name} has {num_rooms} rooms without doors"
    for choice in (0, -1):
        base = plan.base.copy()
        base.flat[plan.doors[:, choice]] = FLOOR
        assert rooms(base == FLOOR) == 1, "with its doors, every room can be reached"


@pytest.mark.parametrize(("name", "height", "width", "num_doors", "num_rooms"), PLANS)
def test_doors_stand_in_walls_between_floor(name, height, width, num_doors, num_rooms):
    base = layout(name, height, width).base
    for cell in layout(name, height, width).doors.flat:
        y, x = divmod(int(cell), width)
        across = base[y, x - 1] == base[y, x + 1] == FLOOR
        along = base[y - 1, x] == base[y + 1, x] == FLOOR
        assert base[y, x] == WALL, "a door replaces a wall"
        assert across != along, "a door has floor on two opposite sides and wall on the others"


@pytest.mark.parametrize(("name", "height", "width", "num_doors", "num_rooms"), PLANS)
def test_floor_lists_the_free_cells(name, height, width, num_doors, num_rooms):
    plan = layout(name, height, width)
    border = np.concatenate([plan.base[0], plan.base[-1], plan.base[:, 0], plan.base[:, -1]])
    assert (border == WALL).all(), "a map is walled all round"
    assert set(plan.floor) == set(np.flatnonzero(plan.base == FLOOR))
    assert not set(plan.floor) & set(plan.doors.flat), "nothing is placed where a door may stand"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("R4", 9, 11), "R4 is square, got 9x11"),
        (("R9", 17, 17), r"R9 needs a size of 4 \+ 3n"),
        (("R1", 2, 9), "height and width in 3..255, got 2x9"),
        (("R6", 300, 9), "in 9..255, got 300x9"),
    ],
)
def test_impossible_sizes_are_explained(arguments, message):
    with pytest.raises(TaskError, match=message):
        layout(*arguments)


def test_unknown_layouts_are_explained():
    with pytest.raises(UnknownNameError, match="layout called 'R5'"):
        layout("R5", 9, 9)


def test_four_rooms_need_an_odd_size():
    with pytest.raises(TaskError, match="odd"):
        layout("R4", 10, 10)
