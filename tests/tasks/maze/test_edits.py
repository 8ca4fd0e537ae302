"""Edits: small, well formed, and what they say they are."""

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.edits import EDITS
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.text import parse

NUM, SPACE = 4000, Blocks(5, 6, num_walls=18, replace=False)


@pytest.fixture(scope="module", params=EDITS)
def edited(request) -> tuple[str, Maze, Maze, Maze]:
    """Which edit; many mazes, the same after one edit, and after five."""

    def one(key):
        def edit(maze, key):
            return (EDITS[request.param](maze, key=key),) * 2

        key_maze, key_edits = jr.split(key)
        maze = SPACE.sample(key=key_maze)
        return maze, jax.lax.scan(edit, maze, jr.split(key_edits, 5))[1]

    before, after = jax.device_get(jax.jit(jax.vmap(one))(jr.split(jr.key(0), NUM)))
    first, last = (jax.tree.map(lambda x, i=i: x[:, i], after) for i in (0, -1))
    return request.param, before, first, last


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Which of many cells differ."""
    return (before != after).any(-1)


def walls_changed(before: Maze, after: Maze) -> np.ndarray:
    """How many walls came or went."""
    return (before.walls != after.walls).sum((1, 2))


def test_every_maze_stays_well_formed(edited):
    _, before, once, often = edited
    for mazes, edits in ((once, 1), (often, 5)):
        assert (walls_changed(before, mazes) <= edits).all(), "at most one wall each"
        who = np.arange(NUM)
        for cell in (mazes.position, mazes.goal):
            assert (cell >= 0).all() and (cell < [5, 6]).all(), "everything stays on the map"
            assert not mazes.walls[who, cell[:, 0], cell[:, 1]].any(), "and out of walls"
        assert moved(mazes.position, mazes.goal).all(), "agent and goal are apart"
        assert (mazes.direction == before.direction).all(), "nobody is turned"


def test_how_often_what_changes(edited):
    name, before, after, _ = edited
    walls, goal = walls_changed(before, after) == 1, moved(before.goal, after.goal)
    agent = moved(before.position, after.position)
    # Of 30 cells 18 are walls, 10 free, one the agent's and one the goal's.
    wanted = {
        "minimax": (1 / 3, 1 / 3, 0.0),
        # A wall becomes one of three others, a free cell a wall; who gives way, or is put there.
        "cells": (
            (18 * 3 / 4 + 12 / 4) / 30,
            (29 / 4 + 3 / 4) / 30,
            (29 / 4 + 3 / 4) / 30,
        ),
    }[name]
    got = walls.mean(), goal.mean(), agent.mean()
    assert np.allclose(got, wanted, atol=0.03), f"walls, goal, agent: {got}, expected {wanted}"


def test_minimax_does_one_thing_at_a_time(edited):
    name, before, after, _ = edited
    if name == "minimax":
        both = (walls_changed(before, after) == 1) & moved(before.goal, after.goal)
        assert not both.any(), "a wall or the goal"


@pytest.mark.parametrize("name", EDITS)
def test_where_nothing_fits_nothing_goes_wrong(name):
    maze = parse(">#\n#G")
    edit = jax.jit(jax.vmap(lambda key: EDITS[name](maze, key=key)))
    mazes = jax.device_get(edit(jr.split(jr.key(0), 200)))
    who = np.arange(200)
    for cell in (mazes.position, mazes.goal):
        assert not mazes.walls[who, cell[:, 0], cell[:, 1]].any(), "still well formed"
    assert moved(mazes.position, mazes.goal).all(), "still apart"
