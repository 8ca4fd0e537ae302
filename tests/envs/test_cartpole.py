"""CartPole: Gymnasium's motion, our rewards, and physics that matters."""

import gymnasium
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.envs.cartpole import NAMES, STANDARD, CartPole, CartPoleState, physics

ENVIRONMENT = CartPole()


@jax.jit
def step(state, task, action):
    return ENVIRONMENT.step(state, task, action, key=jr.key(0))


def beginning(motion) -> CartPoleState:
    return CartPoleState(jnp.asarray(motion, jnp.float32), jnp.zeros((), jnp.int32))


# What their attributes are called, in the order of ours.
THEIRS = ("gravity", "masscart", "masspole", "length", "force_mag")
HEAVY = (12.0, 1.5, 0.6, 1.1, 7.0)


@pytest.mark.parametrize("task", [STANDARD, HEAVY], ids=("standard", "heavy"))
def test_motion_and_ends_are_gymnasiums(task):
    peer = gymnasium.make("CartPole-v1").unwrapped
    for name, value in zip(THEIRS, task, strict=True):
        setattr(peer, name, value)
    peer.total_mass = peer.masspole + peer.masscart
    peer.polemass_length = peer.masspole * peer.length
    rng, falls = np.random.default_rng(0), 0
    shown, _ = peer.reset(seed=0)
    state = beginning(shown)
    for _ in range(400):
        action = int(rng.integers(2))
        shown, _, fell, _, _ = peer.step(action)
        state, timestep = step(state, jnp.asarray(task), action)
        np.testing.assert_allclose(timestep.observation, shown, rtol=1e-5, atol=1e-5)
        assert bool(timestep.terminated()) == fell, "a fall in the same step"
        assert float(timestep.reward) == pytest.approx(0 if fell else 1 / 500), "a fall earns none"
        if fell:
            falls += 1
            shown, _ = peer.reset()
            state = beginning(shown)
    assert falls > 5, "several episodes are compared"


def test_a_survivor_earns_one_and_is_cut():
    environment = CartPole(max_steps=6)

    @jax.jit
    def lived(task):
        def body(state, i):
            return environment.step(state, task, i % 2, key=jr.key(0))

        return jax.lax.scan(body, beginning([0.0, 0, 0, 0]), jnp.arange(6))[1]

    steps = lived(jnp.asarray(STANDARD))
    assert float(steps.reward.sum()) == pytest.approx(1), "the return is the share survived"
    assert steps.last().tolist() == [False] * 5 + [True], "the time limit ends it"
    assert bool(steps.truncated()[-1]), "and does not terminate it"


def test_physics_is_felt_but_not_seen():
    state, shown = ENVIRONMENT.reset(jnp.asarray(STANDARD), key=jr.key(0))
    for i, name in enumerate(NAMES):
        other = jnp.asarray(STANDARD).at[i].mul(1.5)
        _, same = ENVIRONMENT.reset(other, key=jr.key(0))
        np.testing.assert_array_equal(shown.observation, same.observation, "nothing is shown")
        tilted = beginning([0.0, 0, 0.1, 0.5])
        ours, theirs = (step(tilted, task, 1)[0] for task in (jnp.asarray(STANDARD), other))
        assert bool((ours.motion != theirs.motion).any()), f"{name} changes the motion"
    assert state.steps == 0


def test_the_space_of_physics_begins_with_the_standard():
    np.testing.assert_allclose(physics().empty(key=jr.key(0)), STANDARD, rtol=1e-6)


def test_an_episode_without_steps_is_refused():
    with pytest.raises(SpecError, match="at least 1"):
        CartPole(max_steps=0)
