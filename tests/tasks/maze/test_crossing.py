"""Crossing: whole walls, one opening in each, and a way right and down through all of them."""

import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks.maze.crossing import SimpleCrossing

NUM = 1024


def test_minimax_11_crossings_have_walls_openings_and_a_way(drawn, distances):
    mazes = drawn(SimpleCrossing(), NUM)
    # A wall has one opening, and where others cross it there is none.
    lines = np.stack([mazes.walls.sum(2), mazes.walls.sum(1)])
    is_wall = lines == 8
    assert (is_wall.sum((0, 2)) == 5).all(), "five walls with one opening each"
    assert not is_wall[..., ::2].any(), "on odd rows and columns"
    on = is_wall[0][:, :, None] | is_wall[1][:, None, :]
    assert not (mazes.walls & ~on).any() and (on & ~mazes.walls).sum() == 5 * NUM, "nothing else"
    assert len(np.unique(is_wall[:, :, 1::2].swapaxes(0, 1).reshape(NUM, 8), axis=0)) == 56

    assert (mazes.position == 0).all() and (mazes.goal == 8).all() and (mazes.direction == 0).all()
    away = distances(mazes.walls, mazes.position)
    assert (away[:, 8, 8] >= 16).all(), "every goal can be reached, from corner to corner"
    assert (away[:, 8, 8] == 16).mean() > 0.4, "most often without a step back"
    assert SimpleCrossing().horizon == 484


@pytest.mark.parametrize(("size", "walls"), [(8, 2), (9, 9), (9, 0), (1, 1)])
def test_what_cannot_be_drawn_is_refused(size, walls):
    with pytest.raises(TaskError, match=f"self.size={size}, self.walls={walls}"):
        SimpleCrossing(size, walls)
