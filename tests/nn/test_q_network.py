"""The network of worths: what duelling means, and what it refuses."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.core.spec import Box, Discrete
from meadow.nn.plan import Plan
from meadow.nn.q_network import QNetwork, q_network
from meadow.nn.trunk import Senses

PLAN = Plan(channels=(), features=3, aside=2, memory=4, heads=3, core="none")
TIME, BATCH, SEEN = 5, 2, 3


def network(plan: Plan = PLAN, **options: Any) -> QNetwork:
    return q_network(plan, jnp.zeros(SEEN), Discrete(4), key=jr.key(0), **options)


def senses() -> Senses:
    shape, nothing = (TIME, BATCH), jnp.zeros((TIME, BATCH), bool)
    seen = jr.normal(jr.key(1), (*shape, SEEN))
    return Senses(seen, jnp.zeros(shape, jnp.int32), jnp.zeros(shape), nothing, nothing)


@eqx.filter_jit
def lived(network: QNetwork, senses: Senses) -> tuple:
    memory = jax.tree.map(lambda x: jnp.zeros((BATCH, *x.shape)), network.init_memory())
    return network(memory, senses)


@pytest.mark.parametrize("duelling", [False, True])
def test_every_action_is_told_in_so_many_numbers(duelling):
    net = network(size=7, duelling=duelling)
    assert eqx.filter_eval_shape(lived, net, senses())[1].shape == (TIME, BATCH, 4, 7)


def test_duelling_adds_a_value_to_advantages_of_mean_0():
    apart = network(size=2, duelling=True)
    _, worth = lived(apart, senses())
    nothing = jnp.zeros((BATCH, 0))

    @eqx.filter_jit
    def heads(net: QNetwork, senses: Senses) -> tuple:
        outputs = net.trunk(nothing, senses)[1]
        return net.state(outputs), net.actions(outputs).reshape(TIME, BATCH, 4, 2)

    value, advantage = heads(apart, senses())
    np.testing.assert_allclose(worth.mean(axis=2), value, atol=1e-5)
    gaps = np.diff(np.asarray(worth), axis=2)
    np.testing.assert_allclose(gaps, np.diff(np.asarray(advantage), axis=2), atol=1e-5)


def test_it_remembers_unless_it_is_told_not_to():
    changed = senses()
    changed = dataclasses.replace(changed, observation=changed.observation.at[0].add(1.0))
    for core, remembers in (("gru", True), ("none", False)):
        net = network(dataclasses.replace(PLAN, core=core))
        same = lived(net, senses())[1][-1] == lived(net, changed)[1][-1]
        assert same.all() != remembers, f"the last worths and the first observation, core={core}"


def test_actions_that_are_vectors_are_refused():
    with pytest.raises(SpecError, match="judges discrete actions, got Box"):
        q_network(PLAN, jnp.zeros(SEEN), Box((2,), -1.0, 1.0), key=jr.key(0))
