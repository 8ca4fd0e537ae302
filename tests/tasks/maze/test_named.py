"""The named mazes are those that others published: every fact of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.named import NAMES, Corridor, named, named_many
from meadow.tasks.maze.solve import path, steps
from meadow.tasks.maze.text import check_maze

# Size, walls, start (x, y), direction, goal (x, y), cells and steps to the goal.
FACTS = {
    "SixteenRooms": (13, 46, (1, 1), 0, (11, 11), 20, 26),
    "SixteenRooms2": (13, 53, (1, 1), 0, (11, 11), 22, 28),
    "Labyrinth": (13, 72, (0, 12), 0, (6, 6), 96, 113),
    "LabyrinthFlipped": (13, 72, (12, 12), 2, (6, 6), 96, 113),
    "Labyrinth2": (13, 72, (0, 0), 0, (6, 6), 96, 113),
    "StandardMaze": (13, 73, (6, 0), 0, (6, 12), 40, 54),
    "StandardMaze2": (13, 72, (0, 6), 0, (12, 4), 56, 73),
    "StandardMaze3": (13, 71, (3, 0), 0, (12, 6), 39, 54),
    "NineRooms": (13, 36, (1, 1), 0, (11, 11), 20, 24),
    "NineRoomsFewerDoors": (13, 39, (1, 1), 0, (11, 11), 34, 42),
    "MediumMaze": (8, 25, (4, 0), 0, (2, 7), 17, 25),
    "MiniMaze": (4, 5, (0, 0), 0, (0, 2), 10, 15),
    "TrivialMaze": (3, 2, (0, 2), 0, (2, 2), 6, 9),
    "TrivialMaze2": (5, 3, (0, 4), 0, (4, 4), 10, 13),
    "TrivialMaze3": (7, 4, (0, 6), 0, (6, 6), 14, 17),
}
LARGE, SMALL = Corridor(19), Corridor(13)


@pytest.fixture(scope="module")
def far() -> dict[int, np.ndarray]:
    """Cells and steps by size; of size 13 for every named maze and then for every corridor."""
    measure = jax.jit(jax.vmap(lambda maze: jnp.stack([path(maze), steps(maze)])))
    small = jax.vmap(SMALL.maze)(jnp.arange(SMALL.num))
    small = jax.tree.map(lambda *x: jnp.concatenate(x), named_many(), small)
    large = jax.vmap(LARGE.maze)(jnp.arange(LARGE.num))
    return {13: jax.device_get(measure(small)), 19: jax.device_get(measure(large))}


@pytest.mark.parametrize("name", NAMES)
def test_facts(name, far):
    maze = named(name)
    size, walls, (x, y), direction, (goal_x, goal_y), cells, fewest = FACTS[name]
    assert maze.walls.shape == (size, size), "its size"
    assert int(maze.walls.sum()) == walls, "how many walls"
    assert maze.position.tolist() == [y, x] and int(maze.direction) == direction, "its start"
    assert maze.goal.tolist() == [goal_y, goal_x], "its goal"
    check_maze(maze)
    assert far[13][NAMES.index(name)].tolist() == [cells, fewest], "cells and steps to the goal"


def test_one_labyrinth_is_the_other_in_a_mirror():
    one, other = named("Labyrinth"), named("LabyrinthFlipped")
    assert jnp.array_equal(one.walls[:, ::-1], other.walls)


@pytest.mark.parametrize(
    ("corridor", "walls", "cells", "fewest"),
    [
        (SMALL, 71, range(13, 22, 2), range(16, 25, 2)),
        (LARGE, 161, range(19, 34, 2), range(22, 37, 2)),
    ],
    ids=["small", "large"],
)
def test_corridors(corridor, walls, cells, fewest, far):
    size = corridor.size
    mazes = jax.vmap(corridor.maze)(jnp.arange(corridor.num))
    assert corridor.num == size - 3 and (mazes.walls.sum((1, 2)) == walls).all()
    middle, half = size // 2, corridor.num // 2
    pockets = [[y, x] for y in (middle - 1, middle + 1) for x in range(2, size - 2, 2)]
    assert mazes.goal.tolist() == pockets, "one goal for each pocket"
    assert (mazes.position == jnp.array([middle, 0])).all() and not mazes.direction.any()
    for got, wanted in zip(far[size][-corridor.num :].T, (cells, fewest), strict=True):
        assert got[:half].tolist() == got[half:].tolist() == list(wanted), "upper and lower alike"
    # A pocket has one neighbour, and that away from the middle.
    inner = mazes.walls[0, middle - 1, 1:-1]
    assert inner.tolist() == [True, False] * half + [True], "pockets are apart"


def test_a_corridor_is_as_likely_as_any_other():
    keys = jax.random.split(jax.random.key(0), 2000)
    goals = jax.vmap(lambda key: Corridor(5).sample(key=key).goal)(keys)
    assert abs(float((goals[:, 0] == 1).mean()) - 0.5) < 0.05, "one of two pockets"
    with pytest.raises(TaskError, match="odd and at least 5, got 12"):
        Corridor(12)


def test_names():
    batch = named_many(("MiniMaze", "Labyrinth"))
    assert isinstance(batch, Maze) and batch.walls.shape == (2, 13, 13)
    assert batch.walls[0, 4:].all() and batch.goal.tolist() == [[2, 0], [6, 6]], "in that order"
    with pytest.raises(UnknownNameError, match="Did you mean 'SixteenRooms"):
        named("SixteenRoms")
    with pytest.raises(TaskError, match="does not fit"):
        named_many(("Labyrinth",), 8, 8)
