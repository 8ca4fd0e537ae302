"""The board's tables against the slowest possible reading of a map."""

import itertools

import numpy as np
import pytest

from meadow.envs.xland.board import DIRECTIONS, board, ground
from meadow.tasks.tiles import EMPTY, FLOOR, WALL

SHAPES = [("R1", 5, 8, 5), ("R2", 7, 9, 3), ("R1", 4, 4, 7), ("R1", 6, 5, 1)]


def look(cells: np.ndarray, position: tuple[int, int], direction: int, size: int) -> np.ndarray:
    """The view cell by cell: forwards is up, EMPTY beyond the map."""
    forward, right = DIRECTIONS[direction], DIRECTIONS[(direction + 1) % 4]
    view = np.full((size, size), EMPTY, np.uint8)
    for i, j in np.ndindex(size, size):
        ahead, across = size - 1 - i, j - size // 2
        y = position[0] + ahead * forward[0] + across * right[0]
        x = position[1] + ahead * forward[1] + across * right[1]
        if 0 <= y < cells.shape[0] and 0 <= x < cells.shape[1]:
            view[i, j] = cells[y, x]
    return view


@pytest.mark.parametrize(("height", "width", "size"), [shape[1:] for shape in SHAPES])
def test_the_view_is_what_lies_there(height, width, size):
    plan = board(height, width, size)
    # Another byte on every cell, so that no two can be taken for each other.
    bytes_ = np.random.default_rng(0).permutation(155)[: height * width] + 1
    cells = bytes_.astype(np.uint8).reshape(height, width)
    flat = np.asarray(plan.lay(cells))
    assert (flat[plan.cells()] == cells).all(), "a map is laid where `cells` says"
    assert np.count_nonzero(flat) == cells.size, "nothing lies in the margin"
    places = itertools.product(range(height), range(width), range(4))
    for y, x, direction in places:
        seen = flat[plan.cells()[y, x] + plan.view[direction]].reshape(size, size)
        expected = look(cells, (y, x), direction, size)
        assert (seen == expected).all(), f"the view from {(y, x)} facing {direction}:\n{seen}"
        assert seen[-1, size // 2] == cells[y, x], "the agent stands at the bottom centre"


@pytest.mark.parametrize(("name", "height", "width", "size"), SHAPES)
def test_what_a_step_touches_lies_on_the_board(name, height, width, size):
    plan, base = board(height, width, size), ground(name, height, width, size).base
    cells = plan.cells()
    inner = set(cells[1:-1, 1:-1].flat)
    for step, onward in itertools.product(plan.ahead, plan.ahead):
        reached = cells[1:-1, 1:-1] + step + onward
        assert reached.min() >= 0 and reached.max() < plan.size, "a step reaches off the board"
        outside = ~np.isin(reached, cells)
        assert (base[reached[outside]] == EMPTY).all(), "beyond the map nothing lies"
    assert inner <= set(cells.flat), "cells are named once"
    assert len(set(cells.flat)) == height * width, "no two cells share a byte"


def test_the_ground_at_rest():
    plan, cells = ground("R2", 7, 9, 5), board(7, 9, 5).cells()
    assert (plan.base[cells] == plan.layout.base).all(), "the map lies where `cells` says"
    assert (plan.base[plan.floor] == FLOOR).all() and len(plan.floor) == 30
    assert (plan.base[plan.doors] == WALL).all(), "a door is a wall until it is drawn"
    assert np.count_nonzero(plan.base) == 7 * 9, "the margin is empty"


def test_tables_are_made_once():
    assert board(9, 9, 5) is board(9, 9, 5), "tables of one size are shared"
    assert ground("R1", 9, 9, 5) is ground("R1", 9, 9, 5), "tables of one map are shared"
