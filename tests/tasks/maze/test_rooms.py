"""Four rooms: one door in each half of a wall, agent and goal anywhere free."""

import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks.maze.rooms import FourRooms

NUM = 2048


def test_minimax_11_rooms_doors_and_ends(drawn, distances):
    mazes = drawn(FourRooms(), NUM)
    doors = ~mazes.walls
    middle = np.concatenate([doors[:, 8, :], doors[:, :, 8]], 1)
    halves = np.delete(middle, [8, 25], 1).reshape(NUM, 4, 8)
    assert not middle[:, [8, 25]].any() and (halves.sum(-1) == 1).all(), "one door in each half"
    assert abs(halves.mean(0) - 1 / 8).max() < 0.03, "anywhere in it"
    rooms = np.delete(np.delete(doors, 8, 1), 8, 2)
    assert rooms.all(), "elsewhere it is free"

    everyone = np.arange(NUM)
    away = distances(mazes.walls, mazes.position)[everyone, mazes.goal[:, 0], mazes.goal[:, 1]]
    assert (away > 0).all(), "the goal is elsewhere and can be reached"
    for ends in (mazes.position, mazes.goal):
        assert abs(np.bincount(ends[:, 0], minlength=17) / NUM - 1 / 17).max() < 0.07
        assert (ends.max(0) == 16).all() and (ends.min(0) == 0).all(), "from wall to wall"
    assert (abs(np.bincount(mazes.direction) / NUM - 1 / 4) < 0.05).all(), "it looks any way"
    assert FourRooms().horizon == 250


@pytest.mark.parametrize("size", [1, 16])
def test_other_sizes_are_refused(size):
    with pytest.raises(TaskError, match=f"an odd size of at least 3, got {size}"):
        FourRooms(size)
