"""Recall: the end that matches the clue is right, the other ends without a reward."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.envs.minigrid.environment import MiniGrid
from meadow.tasks.minigrid.recall import Recall
from meadow.tasks.tiles import parse

WORLD = MiniGrid(17, 17, view_size=5, max_steps=250, actions=(0, 1, 2))
MOVE, RIGHT, LEFT = 0, 1, 2
RED, GREEN = parse("red goal"), parse("green goal")


@pytest.fixture(scope="module")
def levels():
    """One with a red clue, one with a green one."""
    drawn = jax.jit(jax.vmap(lambda key: Recall().sample(key=key)))(jr.split(jr.key(0), 256))
    clue = np.asarray(drawn.map[:, 7, 1])
    assert set(clue.tolist()) == {RED, GREEN}, "the clue has one of two colours"
    assert abs((clue == RED).mean() - 0.5) < 0.1, "either as likely"
    which = [np.argmax(clue == tile) for tile in (RED, GREEN)]
    return [jax.tree.map(lambda x, i=i: x[i], drawn) for i in which]


@pytest.fixture(scope="module")
def live():
    """What is said after each of the actions."""

    @eqx.filter_jit
    def steps(level, actions):
        state, first = WORLD.reset(level, key=jr.key(0))

        def step(state, action):
            return WORLD.step(state, level, action, key=jr.key(0))

        return first, jax.lax.scan(step, state, actions)[1]

    return steps


def test_the_end_of_the_clues_colour_is_right(levels, live):
    ways = [[MOVE] * 9 + [turn] + [MOVE] * 2 for turn in (LEFT, RIGHT)]
    for clue, level in zip((RED, GREEN), levels, strict=True):
        for end, way in zip((RED, GREEN), ways, strict=True):
            said = live(level, jnp.array(way))[1]
            assert not said.last()[:-1].any() and said.terminated()[-1], "it ends there, not before"
            wanted = 1 - 0.9 * 12 / 250 if clue == end else 0.0
            assert np.isclose(said.reward[-1], wanted), f"clue {clue}, went to {end}"


def test_the_clue_is_seen_at_the_start_alone(levels, live):
    way = jnp.array([MOVE] * 9)
    (red, along_red), (green, along_green) = (live(level, way) for level in levels)
    first = [np.asarray(said.observation["view"]) for said in (red, green)]
    assert (first[0] == RED).sum() == (first[1] == GREEN).sum() == 1, "it is in sight"
    same = (along_red.observation["view"] == along_green.observation["view"]).all((1, 2))
    assert same.tolist() == [True] * 9, "behind the agent nothing differs"


def test_the_two_levels_differ_in_the_clue_alone(levels):
    red, green = levels
    assert np.argwhere(red.map != green.map).tolist() == [[7, 1]], "on the map"
    assert (red.goal == green.failure).all() and (red.failure == green.goal).all()
