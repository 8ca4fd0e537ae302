"""Pendulum: Gymnasium's motion and rewards, and physics that matters."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.envs.pendulum import NAMES, STANDARD, Pendulum, PendulumState, physics

ENVIRONMENT = Pendulum()
# What their attributes are called, in the order of ours.
THEIRS = ("g", "m", "l")
HEAVY = (12.0, 1.7, 0.6)


@jax.jit
def step(state, task, action):
    return ENVIRONMENT.step(state, task, action, key=jr.key(0))


def beginning(angle, spin) -> PendulumState:
    return PendulumState(jnp.float32(angle), jnp.float32(spin), jnp.zeros((), jnp.int32))


@pytest.mark.parametrize("task", [STANDARD, HEAVY], ids=("standard", "heavy"))
def test_motion_and_rewards_are_gymnasiums(task):
    peer: Any = gymnasium.make("Pendulum-v1").unwrapped
    peer.reset(seed=0)
    for name, value in zip(THEIRS, task, strict=True):
        setattr(peer, name, value)
    rng = np.random.default_rng(0)
    for _ in range(300):
        # From the same place every time, so that rounding does not add up; torques that are too
        # strong are cut by both.
        peer.state = rng.uniform((-10, -8), (10, 8)).astype(np.float32)
        action = rng.uniform(-3, 3, 1).astype(np.float32)
        state = beginning(*peer.state)
        shown, reward, *_ = peer.step(action)
        state, timestep = step(state, jnp.asarray(task), action)
        np.testing.assert_allclose(timestep.observation, shown, rtol=1e-5, atol=1e-5)
        assert float(timestep.reward) == pytest.approx(reward, rel=1e-4, abs=1e-5), "the same cost"
        assert timestep.observation.dtype == np.float32


def test_the_specs_are_gymnasiums():
    peer: Any = gymnasium.make("Pendulum-v1")
    box = ENVIRONMENT.action_spec
    assert (box.shape, box.low, box.high) == (
        *(peer.action_space.shape, peer.action_space.low.item(), peer.action_space.high.item()),
    )
    assert ENVIRONMENT.max_steps == peer.spec.max_episode_steps


def test_it_begins_anywhere_and_slowly():
    keys = jr.split(jr.key(0), 1000)
    state, shown = jax.jit(jax.vmap(lambda k: ENVIRONMENT.reset(jnp.asarray(STANDARD), key=k)))(
        keys
    )
    for x, most in ((state.angle, np.pi), (state.spin, 1.0)):
        assert abs(x).max() <= most and x.min() < -0.98 * most and x.max() > 0.98 * most
    np.testing.assert_allclose(shown.observation[:, 0], np.cos(state.angle), rtol=1e-5, atol=1e-6)


def test_a_time_limit_cuts_and_does_not_end():
    environment = Pendulum(max_steps=3)

    @jax.jit
    def lived(task):
        def body(state, _):
            return environment.step(state, task, jnp.zeros(1), key=jr.key(0))

        return jax.lax.scan(body, beginning(1.0, 0.0), None, length=3)[1]

    steps = lived(jnp.asarray(STANDARD))
    assert steps.last().tolist() == [False, False, True], "the time limit ends it"
    assert bool(steps.truncated()[-1]), "and does not terminate it"


def test_physics_is_felt_but_not_seen():
    _, shown = ENVIRONMENT.reset(jnp.asarray(STANDARD), key=jr.key(0))
    for i, name in enumerate(NAMES):
        other = jnp.asarray(STANDARD).at[i].mul(1.5)
        _, same = ENVIRONMENT.reset(other, key=jr.key(0))
        np.testing.assert_array_equal(shown.observation, same.observation, "nothing is shown")
        tilted = beginning(0.5, 0.5)
        ours, theirs = (step(tilted, t, jnp.ones(1))[0] for t in (jnp.asarray(STANDARD), other))
        assert bool(ours.spin != theirs.spin), f"{name} changes the motion"


def test_the_space_of_physics_begins_with_the_standard():
    np.testing.assert_allclose(physics().empty(key=jr.key(0)), STANDARD, rtol=1e-6)


def test_an_episode_without_steps_is_refused():
    with pytest.raises(SpecError, match="at least 1"):
        Pendulum(max_steps=0)
