"""Importance weights: how much a window counts, and never what is aimed at."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.sac import SAC
from meadow.agents.td3 import TD3
from meadow.core.spec import Box
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan
from meadow.nn.policy import PolicyPlan

BATCH, NUM, KEY = 3, 2, jr.key(3)
BOX = Box((NUM,), -1.0, 1.0)
POLICY, CRITICS = PolicyPlan((4,)), CriticPlan((4,))
SOFT = SAC(POLICY, CRITICS, target_entropy=-3.0)
CLONING = TD3(POLICY, CRITICS, delay=1, bc=2.5)


def windows() -> Trajectory:
    """Made-up numbers, a row of each window."""
    rng, shape = np.random.default_rng(0), (1, BATCH)

    def step() -> TimeStep:
        reward, seen = rng.normal(size=shape), rng.normal(size=(*shape, 3))
        kind, none = jnp.full(shape, StepType.MID, jnp.uint8), jnp.zeros(shape, jnp.int32)
        numbers = (reward, np.ones(shape), seen)
        reward, discount, seen = (jnp.asarray(x, jnp.float32) for x in numbers)
        return TimeStep(kind, reward, discount, seen, none)

    now, after = step(), step()
    action = jnp.asarray(rng.uniform(-0.9, 0.9, (*shape, NUM)), jnp.float32)
    last = jax.tree.map(lambda x: x[-1], after)
    return Trajectory(now, action, after, jnp.zeros(shape, bool), {}, None, last, None)


WINDOWS = windows()
EXAMPLE = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)


def weighing(learn: Any) -> Any:
    """What comes of windows that count so much; of None for all alike."""

    @jax.jit
    def learnt(weight: Any) -> Any:
        return learn(dataclasses.replace(WINDOWS, weight=weight))

    return learnt


def test_the_temperature_hears_of_a_window_as_much_as_it_counts(key):
    state = SOFT.init(EXAMPLE, BOX, key=key)
    learnt = weighing(lambda lived: SOFT.gradients(state, lived, key=KEY))
    grads, metrics = learnt(None)
    assert float(grads.log_temperature) == pytest.approx(float(metrics["entropy"]) + 3.0)
    alone = [learnt(one) for one in jnp.eye(BATCH)]
    parts = [float(grads.log_temperature) for grads, _ in alone]
    assert sum(parts) == pytest.approx(float(grads.log_temperature), rel=1e-5), "it is their sum"
    for _, told in alone:
        np.testing.assert_allclose(told["entropy"], metrics["entropy"], rtol=1e-6)
    assert learnt(jnp.zeros(BATCH))[0].log_temperature == 0.0, "nothing counts, nothing moves"


def test_the_balance_with_the_data_is_that_of_all_windows(key):
    state = CLONING.init(EXAMPLE, BOX, key=key)

    def learn(lived: Trajectory) -> Any:
        after, _ = CLONING.update(state, lived, key=KEY)
        return after.networks.policy, after.optimisers[0][0].mu

    learnt = weighing(learn)
    # Adam's first step is by signs alone, so that critics are the same with any of these.
    whole, half = (learnt(jnp.full(BATCH, weight))[1] for weight in (1.0, 0.5))
    for one, other in zip(*map(jax.tree.leaves, (whole, half)), strict=True):
        np.testing.assert_allclose(0.5 * one, other, rtol=1e-3, atol=1e-7)
    policy, moment = learnt(jnp.zeros(BATCH))
    for x in jax.tree.leaves(policy):
        assert np.isfinite(x).all(), "windows may all count for nothing"
    assert all((x == 0).all() for x in jax.tree.leaves(moment))
