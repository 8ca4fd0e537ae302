"""Perfect mazes are trees, as long as those that were measured."""

import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks.maze.perfect import METHODS, Perfect

NUM = 1024


def at(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """For every maze the value of one of its cells."""
    return values[np.arange(len(values)), cells[:, 0], cells[:, 1]]


@pytest.mark.parametrize("method", METHODS)
def test_every_maze_is_a_tree(drawn, distances, method):
    mazes = drawn(Perfect(7, 11, method), NUM)
    free = ~mazes.walls
    edges = (free[:, 1:] & free[:, :-1]).sum((1, 2)) + (free[:, :, 1:] & free[:, :, :-1]).sum(
        (1, 2)
    )
    assert (free.sum((1, 2)) - edges == 1).all(), "cells less edges are one in a tree"
    away = distances(mazes.walls, mazes.position)
    assert ((away >= 0) == free).all(), "all that is free can be reached, so it is one tree"
    assert free[:, ::2, ::2].all() and mazes.walls[:, 1::2, 1::2].all(), "cells, and what is never"
    assert len(np.unique(mazes.walls, axis=0)) > NUM * 0.99, "nearly all of them differ"


def test_kruskal_goes_from_corner_to_corner(drawn):
    mazes = drawn(Perfect(7, 11), NUM)
    ends = np.concatenate([mazes.position, mazes.goal], 1)
    corners = [(y, x) for y in (0, 6) for x in (0, 10)]
    wanted = sorted((*a, *b) for a in corners for b in corners if a != b)
    found, counts = np.unique(ends, axis=0, return_counts=True)
    assert found.tolist() == [list(pair) for pair in wanted], "two different corners, any two"
    assert abs(counts - NUM / 12).max() < 45, f"all pairs are as likely: {counts}"
    assert (mazes.direction == 0).all(), "the agent looks right"


def test_search_goes_from_anywhere_to_anywhere(drawn):
    mazes = drawn(Perfect(7, 11, "search"), NUM)
    assert not at(mazes.walls, mazes.position).any(), "the agent begins on a free cell"
    assert not at(mazes.walls, mazes.goal).any(), "the goal is on a free cell"
    assert (mazes.position != mazes.goal).any(1).all(), "the goal is elsewhere"
    assert (abs(np.bincount(mazes.direction) - NUM / 4) < 70).all(), "it looks any way"
    between = (mazes.position % 2).any(1).mean(), (mazes.goal % 2).any(1).mean()
    # 24 cells and 23 passages between them.
    assert np.allclose(between, 23 / 47, atol=0.06), f"passages are as likely as cells: {between}"


def test_the_methods_draw_different_trees(drawn):
    ends = {}
    for method in METHODS:
        free = np.pad(~drawn(Perfect(13, 13, method), 128).walls, ((0, 0), (1, 1), (1, 1)))
        ways = free[:, :-2, 1:-1] * 1 + free[:, 2:, 1:-1] + free[:, 1:-1, :-2] + free[:, 1:-1, 2:]
        ends[method] = (ways[:, ::2, ::2] == 1).mean()
    # Known of large mazes: three cells in ten, and one in ten; more at the border of small ones.
    assert 0.28 < ends["kruskal"] < 0.36 and 0.08 < ends["search"] < 0.15, f"dead ends: {ends}"


# Size, mean path between any two free cells, and between opposite corners: of 8192 mazes that a
# search in plain Python drew, to within 0.4.
PATHS = [(9, 14.1, 21.5), (13, 25.4, 38.5)]
SLOW = [(11, 19.5, 29.6), (19, 47.8, 70.8)]


@pytest.mark.parametrize(
    ("size", "anywhere", "corners"),
    [*PATHS, *(pytest.param(*row, marks=pytest.mark.slow) for row in SLOW)],
)
def test_paths_of_the_search_are_as_long_as_measured(drawn, distances, size, anywhere, corners):
    mazes = drawn(Perfect(size, size, "search"), NUM)
    path = at(distances(mazes.walls, mazes.position), mazes.goal)
    first = np.zeros((NUM, 2), int)
    across = at(distances(mazes.walls, first), first + size - 1)
    for got, wanted in ((path, anywhere), (across, corners)):
        slack = 0.4 + 3 * got.std() / np.sqrt(NUM)
        assert abs(got.mean() - wanted) < slack, f"expected {wanted} cells, got {got.mean():.1f}"


def test_horizons_are_the_published_ones():
    assert Perfect().horizon == 450 and Perfect(19, 19).horizon == 882


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Perfect(12, 13), TaskError, "odd height and width of at least 3, got 12 by 13"),
        (lambda: Perfect(1, 13), TaskError, "at least 3, got 1 by 13"),
        (lambda: Perfect(13, 13, "kruskl"), UnknownNameError, "Did you mean 'kruskal'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()
