"""Random beyond the laws of agents: every action alike."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from meadow.agents.random import Random
from meadow.core.spec import Discrete
from meadow.core.timestep import restart


def test_actions_come_alike(key):
    agent, timestep = Random(Discrete(4)), restart(jnp.zeros(1))
    _, actions, record = jax.vmap(lambda k: agent.act((), timestep, key=k))(jr.split(key, 4_000))
    # Five standard deviations of a binomial count: 5 * sqrt(4000 * 0.25 * 0.75) = 137.
    drawn = np.bincount(actions, minlength=4)
    assert abs(drawn - 1000).max() < 137, f"actions are not drawn alike: {drawn}"
    assert record == {}, "there is nothing to record"
