"""Blocks: as likely as published, always well formed, told apart and measured."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.text import parse

NUM = 20_000
measure = jax.jit(jax.vmap(Blocks().features))


@functools.cache
def many(space: Blocks) -> tuple[Maze, dict]:
    """Many mazes of a space of 13x13, and their features."""
    draw = jax.jit(jax.vmap(lambda key: space.sample(key=key)))
    mazes = draw(jr.split(jr.key(1), NUM))
    return jax.device_get((mazes, measure(mazes)))


# Of 400,000 mazes.
@pytest.mark.parametrize(
    ("draws", "walls", "solvable", "cells"), [(60, 50.62, 0.848, 10.65), (25, 23.31, 0.9955, 9.07)]
)
def test_published_statistics(draws, walls, solvable, cells):
    _, features = many(Blocks(num_walls=draws))
    reached = features["solvable"] == 1
    assert abs(features["walls"].mean() - walls) < 0.1, "walls"
    assert abs(reached.mean() - solvable) < 0.005, "how many can be solved"
    assert abs(features["path"][reached].mean() - cells) < 0.1, "cells to the goal"
    assert (features["path"][~reached] == 0).all(), "and 0 where no way leads there"


SPACES = [
    Blocks(),
    Blocks(replace=False),
    Blocks(uniform=True, replace=False),
]


@pytest.mark.parametrize("space", SPACES, ids=["published", "exact", "uniform"])
def test_every_maze_is_well_formed_and_every_place_as_likely(space):
    mazes, features = many(space)
    who, size = np.arange(NUM), space.height * space.width
    for cell in (mazes.position, mazes.goal):
        assert not mazes.walls[who, cell[:, 0], cell[:, 1]].any(), "nobody stands in a wall"
        counts = np.bincount(cell @ [space.width, 1], minlength=size)
        # Sum of squares of `size` nearly normal numbers; its standard deviation is 18.
        spread = ((counts - NUM / size) ** 2).sum() * size / NUM
        assert len(counts) == size and abs(spread - size) < 80, "any cell is as likely"
    assert (mazes.position != mazes.goal).any(-1).all(), "agent and goal are apart"
    assert (abs(np.bincount(mazes.direction) / NUM - 0.25) < 0.02).all(), "so is any direction"
    assert (features["walls"] == mazes.walls.sum((1, 2))).all()
    assert (abs(mazes.walls.mean(0) - mazes.walls.mean()) < 0.02).all(), "walls are anywhere"


def test_as_many_walls_as_asked():
    assert (many(Blocks(replace=False))[1]["walls"] == 60).all(), "exactly, without replacement"
    counts = np.bincount(many(Blocks(uniform=True, replace=False))[1]["walls"].astype(int))
    assert len(counts) == 61, "any number from 0 to 60"
    assert (abs(counts / NUM * 61 - 1) < 0.25).all(), "as likely"


def test_the_simplest_have_no_walls(key):
    space = Blocks()
    mazes = jax.vmap(lambda key: space.empty(key=key))(jr.split(key, 64))
    assert not mazes.walls.any() and mazes.walls.shape == (64, 13, 13)
    assert len(np.unique(mazes.goal @ jnp.array([13, 1]))) > 40, "their goals are anywhere"
    assert len(np.unique(mazes.direction)) == 4


def test_features_and_solvable_agree():
    space = Blocks(2, 4, 2)
    say = jax.jit(lambda maze: (space.features(maze), space.solvable(maze)))
    for text, path in ((">#.G\n....", 5), (">#.G\n.#..", 0)):
        features, solvable = say(parse(text))
        features = {name: float(x) for name, x in features.items()}
        assert features == {"walls": text.count("#"), "path": path, "solvable": path > 0}
        assert bool(solvable) == (path > 0)


def test_a_fingerprint_is_of_the_problem():
    mazes, _ = many(Blocks())
    prints = np.asarray(jax.jit(jax.vmap(Blocks().fingerprint))(mazes))
    assert len(np.unique(prints, axis=0)) == NUM, "no two mazes share one"
    space = Blocks(2, 3, 2)
    fingerprint = jax.jit(space.fingerprint)
    one = fingerprint(parse(">#.\n.#G"))
    assert (one == fingerprint(parse("v#.\n.#G"))).all(), "however the agent is turned"
    for other in (".#.\n>#G", ">#G\n.#.", ">#.\n..G", "G#.\n.#>"):
        assert (one != fingerprint(parse(other))).any(), f"this is another problem:\n{other}"


def test_what_cannot_be_is_refused():
    with pytest.raises(TaskError, match="room for 0 to 10 walls .* got num_walls=11"):
        Blocks(3, 4, num_walls=11)
    with pytest.raises(UnknownNameError, match="Did you mean 'minimax'"):
        Blocks(mutation="minmax")
    full = Blocks(3, 4, num_walls=10, replace=False).sample(key=jr.key(0))
    assert int(full.walls.sum()) == 10, "as many as there is room for"
