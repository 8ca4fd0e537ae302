"""Occlusion: what a view shows when walls and closed doors block sight."""

import jax
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.envs.xland.occlusion import occlude, visible
from meadow.tasks.tiles import EMPTY, FLOOR, OPAQUE, WALL, parse

SEE, HIDE = jax.jit(visible), jax.jit(occlude)
MARKS = {"#": WALL, ".": FLOOR, " ": EMPTY, "+": parse("red closed door")}
MARKS |= {"X": parse("red locked door"), "'": parse("red open door"), "o": parse("blue ball")}


def drawn(*rows: str) -> np.ndarray:
    """A view from marks, one a cell."""
    return np.array([[MARKS[mark] for mark in row] for row in rows], np.uint8)


def lit(*rows: str) -> list[str]:
    """Where a view is seen, in marks."""
    seen = np.asarray(SEE(drawn(*rows)))
    return ["".join("x" if cell else " " for cell in row) for row in seen]


def test_a_wall_is_seen_and_what_is_behind_it_is_not():
    assert lit(".....", ".....", "#####", ".....", ".....") == ["     ", "     "] + ["x" * 5] * 3


@pytest.mark.parametrize("mark, blocks", [("+", True), ("X", True), ("'", False), ("o", False)])
def test_what_blocks_sight(mark: str, blocks: bool):
    seen = lit("...", f"#{mark}#", "#.#")
    assert seen[1:] == ["xxx", "xxx"], "what blocks is seen itself"
    assert seen[0] == ("   " if blocks else "xxx"), f"{mark} blocks sight: {blocks}"


def test_outside_of_the_map_is_clear():
    assert lit("   ", "   ", " . ") == ["xxx"] * 3, "EMPTY blocks nothing"


def test_a_run_of_clear_cells_is_lit_whole_from_any_of_its_cells():
    seen = lit(*["......."] * 4, "#######", "#.....#", "###.###")
    assert seen == ["       "] * 4 + ["xxxxxxx", "xxxxxxx", "  xxx  "]


def test_an_agent_walled_in_sees_what_is_beside_it():
    assert lit("...", "###", "#.#") == ["   ", "xxx", "xxx"]
    assert lit("...", "...", ".#.") == ["   ", "   ", " x "], "from within a wall, only itself"


def test_what_is_not_seen_is_empty():
    view = drawn("ooo", "###", "#.#")
    assert (np.asarray(HIDE(view))[0] == EMPTY).all(), "what is hidden must not be told"
    assert (np.asarray(HIDE(view))[1:] == view[1:]).all(), "the rest stays as it is"


def test_light_stays_inside_a_smaller_view():
    around = drawn("     ", "     ", " .#. ", " #.# ", "  .  ")
    inside = np.zeros((5, 5), bool)
    inside[2:, 1:4] = True
    seen = np.asarray(SEE(around, inside))[2:, 1:4]
    assert (seen == np.asarray(SEE(around[2:, 1:4]))).all(), "a small view is seen as it is alone"


def swept(view: np.ndarray) -> np.ndarray:
    """The two passes a row, cell by cell."""
    size, seen = len(view), np.zeros(view.shape, bool)
    seen[-1, size // 2] = True
    passes = [(1, range(size - 1)), (-1, range(size - 1, 0, -1))]
    for y in reversed(range(size)):
        for side, columns in passes:
            for x in columns:
                if seen[y, x] and not OPAQUE[view[y, x]]:
                    seen[y, x + side] = True
                    if y:
                        seen[y - 1, [x, x + side]] = True
    return seen


@pytest.mark.parametrize("size", [3, 31])
def test_runs_are_what_two_passes_light(size: int):
    rng, num = np.random.default_rng(size), 8 if size > 7 else 64
    opaque = rng.random((num, size, size)) < rng.random((num, 1, 1)) * 0.7
    tiles = np.arange(len(OPAQUE), dtype=np.uint8)
    views = np.where(opaque, rng.choice(tiles[OPAQUE], opaque.shape), rng.choice(tiles[~OPAQUE]))
    expected = np.stack([swept(view) for view in views])
    assert (np.asarray(SEE(views)) == expected).all(), "other cells are seen than MiniGrid lights"


def test_a_view_wider_than_an_integer_is_refused():
    with pytest.raises(TaskError, match="at most 31 cells across, got 33"):
        SEE(np.zeros((33, 33), np.uint8))
