"""The gymnax door: its verbs under jit, vmap and scan, and resets that touch only who ended."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.interop.gymnax import Box, Dict, Discrete, Gymnax
from meadow.rollout.life import Trial
from meadow.tasks.table import Table
from meadow.testing.laws.compare import value_difference
from meadow.testing.probes import Choice, Matching, TMaze

NUM, TIME = 3, 7


@pytest.fixture(scope="module")
def maze() -> Gymnax:
    """Episodes of two steps; a task is kept for two of them."""
    return Gymnax(TMaze(length=1), Choice(2), Trial(episodes=2))


def live(env, key, params=None, length=TIME):
    """What a life that always goes left is told, time-major, from the reset on."""
    key, key_reset = jr.split(key)
    shown, state = env.reset(key_reset, params)

    def step(carry, key):
        shown, state, reward, done, info = env.step(key, carry, jnp.int32(0), params)
        return state, (shown, reward, done, info)

    _, told = jax.lax.scan(step, state, jr.split(key, length))
    return shown, told


def test_one_life_ends_and_begins_by_itself(maze):
    first, (shown, reward, done, info) = jax.jit(live, static_argnums=0)(maze, jr.key(0))
    cues = jnp.concatenate([first[None], shown])[::2, :2]
    assert done.tolist() == [False, True] * 3 + [False], "two steps an episode"
    assert info["trial_over"].tolist() == [False, False, False, True] + [False] * 3
    assert (cues.sum(axis=1) == 1).all(), "the step that ends an episode shows the next one's cue"
    np.testing.assert_array_equal(cues[0], cues[1], "the second episode has the task of the first")
    np.testing.assert_array_equal(reward[1::2], cues[:3, 0], "left is right where the cue says so")
    assert (info["discount"] == 1 - done).all() and not info["truncated"].any()


def test_a_batch_and_a_batch_of_batches_are_lives_one_by_one(maze):
    keys = jr.split(jr.key(1), (2, NUM))
    alone = jax.jit(lambda key: live(maze, key))
    nested = jax.jit(jax.vmap(jax.vmap(lambda key: live(maze, key))))(keys)
    for i in range(2):
        for j in range(NUM):
            got = jax.tree.map(lambda x: x[i, j], nested)  # noqa: B023
            different = value_difference(alone(keys[i, j]), got)
            assert different is None, f"life {i}, {j} depends on its batch: {different}"


def test_parameters_say_where_tasks_come_from():
    env = Gymnax(Matching(num=4), Choice(4))
    keys = jr.split(jr.key(0), 8)

    def shown(params, key):
        first, (rest, *_) = live(env, key, params, length=3)
        return jnp.concatenate([first[None], rest]).argmax(-1)

    given = jax.jit(jax.vmap(shown))(jnp.arange(8) % 4, keys)
    assert (given == jnp.arange(8)[:, None] % 4).all(), "one task for each life"
    spaces = Table(jnp.array([[0, 1], [2, 3]]))
    drawn = np.asarray(jax.jit(jax.vmap(jax.vmap(shown, (None, 0))))(spaces, keys.reshape(2, 4)))
    assert set(drawn[0].flat) == {0, 1} and set(drawn[1].flat) == {2, 3}, "a space for each half"


def test_old_keys_are_taken_too(maze):
    reset = jax.jit(lambda key: maze.reset(key)[0])
    new, old = reset(jr.key(3)), reset(jr.PRNGKey(3))
    np.testing.assert_array_equal(new, old)


def test_the_last_observation_is_there_for_who_asks():
    env = Gymnax(TMaze(length=1), Choice(2))

    newer = Gymnax(TMaze(length=1), Choice(2), version=1)

    @jax.jit
    def lived(key):
        _, state = env.reset(key)
        _, state, *_ = env.step_env(key, state, jnp.int32(0))
        shown, _, _, done, _ = env.step_env(key, state, jnp.int32(0))
        return shown, done, newer.step(key, state, jnp.int32(0))

    shown, done, (begun, _, _, terminated, truncated, info) = lived(jr.key(0))
    np.testing.assert_array_equal(info["final_observation"], shown)
    assert terminated and not truncated and begun[:2].any(), "version 1 tells how it ended"
    assert done and not shown[:2].any(), "the end shows no cue: nothing has begun yet"


def test_spaces_are_those_of_the_environment(room, tasks):
    env = Gymnax(room, tasks)
    assert (env.name, env.num_actions) == ("XLand", 6)
    assert env.action_space(env.default_params) == Discrete(6)
    space = env.observation_space(env.default_params)
    assert isinstance(space, Dict) and space.spaces["direction"] == Box(0.0, 1.0, (4,), "float32")
    sample = space.sample(jr.key(0))
    assert sample["view"].shape == (3, 3) and sample["view"].dtype == jnp.uint8
    assert space.contains(sample) and env.action_space().contains(jnp.int32(5))
    assert not env.action_space().contains(jnp.int32(6))
