"""Nature and frames: sizes as published, and stacks that never look into another episode."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.nn.frames import blank, pushed, stacked
from meadow.nn.nature import Nature
from meadow.nn.plan import Plan
from meadow.nn.q_network import q_network

NUM, TIME, BATCH = 4, 9, 3


def test_sizes_are_the_published_ones():
    encoder = jax.eval_shape(lambda key: Nature((84, 84, 4), key=key), jr.key(0))
    assert encoder.width == 7 * 7 * 64
    plan = Plan(memory=512, heads=0, core="none", recalls=False)
    network = jax.eval_shape(
        lambda key: q_network(plan, jnp.zeros((84, 84, 4), jnp.uint8), Discrete(6), key=key),
        jr.key(0),
    )
    assert sum(x.size for x in jax.tree.leaves(network)) == 1_687_206, "DQN of Pong"
    with pytest.raises(SpecError, match="84x84"):
        Nature((20, 84, 4), key=jr.key(0))


def test_stacks_are_what_an_agent_would_have_pushed():
    shown = jr.randint(jr.key(0), (TIME, BATCH, 2, 1), 1, 255).astype(jnp.uint8)
    first = jr.bernoulli(jr.key(1), 0.3, (TIME, BATCH)).at[0].set(True)
    assert first[1:].any() and not first.all()
    frames, expected = jnp.zeros((BATCH, *blank(shown[0, 0], NUM).shape), jnp.uint8), []
    for row in range(TIME):
        frames = pushed(frames, shown[row], first[row])
        expected.append(frames)
    got = stacked(shown, first, NUM)
    np.testing.assert_array_equal(got, np.stack(expected)[NUM - 1 :])
    assert (np.asarray(got)[..., -1] == np.asarray(shown)[NUM - 1 :, ..., 0]).all(), "the newest"
