"""How far the goal is, against a search that walks."""

from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.maze import FORWARD, LEFT, RIGHT, STEPS, Maze
from meadow.tasks.maze.solve import best_action, distances, optimum, path, remaining, steps
from meadow.tasks.maze.text import parse

# Small, and one of more columns than a word has bits.
SPACES = [Blocks(6, 7, num_walls=14), Blocks(3, 40, num_walls=20)]


def walked(maze: Maze) -> np.ndarray:
    """Fewest steps from every direction and cell, by a search from each goal pose backwards."""
    height, width = maze.walls.shape
    goal = tuple(map(int, maze.goal))
    away = np.full((4, height, width), np.inf)
    away[:, goal[0], goal[1]] = 0
    queue = deque((d, *goal) for d in range(4))
    while queue:
        d, y, x = queue.popleft()
        before = [(d, y - STEPS[d][0], x - STEPS[d][1])]
        if (y, x) != goal:  # nobody turns there
            before += [((d + 1) % 4, y, x), ((d - 1) % 4, y, x)]
        for e, v, u in before:
            inside = 0 <= v < height and 0 <= u < width
            if inside and not maze.walls[v, u] and np.isinf(away[e, v, u]):
                away[e, v, u] = away[d, y, x] + 1
                queue.append((e, v, u))
    return away


@pytest.fixture(scope="module", params=SPACES, ids=["narrow", "wide"])
def solved(request, drawn):
    """Twelve mazes, and everything the solver says of them."""
    mazes = drawn(request.param, 12)
    every = (path, distances, steps, remaining)
    said = jax.jit(jax.vmap(lambda maze: [solve(maze) for solve in every]))(mazes)
    return mazes, jax.device_get(said)


def test_every_distance_is_that_of_a_search(solved, distances):
    mazes, (cells, cells_from, _, _) = solved
    wanted = distances(mazes.walls, mazes.goal).astype(float)
    wanted[wanted < 0] = np.inf
    assert (cells_from == wanted).all(), "cells from everywhere"
    who = np.arange(len(wanted))
    assert (cells == wanted[who, mazes.position[:, 0], mazes.position[:, 1]]).all(), "and from here"
    assert 0 < np.isinf(cells).sum() < len(cells), "some goals are shut off, some are not"


def test_every_number_of_steps_is_that_of_a_search(solved):
    mazes, (_, _, fewest, fewest_from) = solved
    for i in range(len(mazes.walls)):
        maze = jax.tree.map(lambda x, i=i: x[i], mazes)
        wanted = walked(maze)
        assert (fewest_from[i] == wanted).all(), f"maze {i}: steps from everywhere"
        assert fewest[i] == wanted[maze.direction, *maze.position], f"maze {i}: and from here"


def test_the_best_action_takes_one_step_off(solved):
    mazes, (*_, tables) = solved
    act = jax.jit(best_action)
    for i in range(4):
        for d, y, x in np.argwhere(np.isfinite(tables[i]) & (tables[i] > 0))[::5]:
            action = int(act(tables[i], jnp.array([y, x]), jnp.int32(d)))
            after = {
                LEFT: ((d - 1) % 4, y, x),
                RIGHT: ((d + 1) % 4, y, x),
                FORWARD: (d, y + STEPS[d][0], x + STEPS[d][1]),
            }[action]
            assert tables[i][after] == tables[i][d, y, x] - 1, f"maze {i}, {(d, y, x)}: {action}"


def test_the_best_return():
    near, shut = parse("^.G\n..."), parse(">#G\n.##")
    best = jax.jit(optimum, static_argnums=(1, 2))
    assert np.isclose(best(near, 10, True), 1 - 0.9 * 3 / 10), "a turn, a step, the goal"
    assert best(near, 10, False) == 1, "where time is not penalised"
    assert best(near, 2, True) == 0, "when there is no time"
    assert best(shut, 10, True) == 0, "where there is no way"
