"""gymnax's environments as ours: lived as gymnax lives them, with parameters as tasks."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import UnknownNameError
from meadow.core.spec import Box, Discrete
from meadow.interop.from_gymnax import FromGymnax, Parameters
from meadow.recipes.agents import AGENTS
from meadow.testing import check_environment

gymnax = pytest.importorskip("gymnax", reason="gymnax is not installed (extra `gymnax`)")
POLE = FromGymnax("CartPole-v1")
STANDARD = Parameters("CartPole-v1").sample(key=jr.key(0))


@jax.jit
def lived(task, keys):
    """The time steps of one life that always goes right, begun anew by nobody."""
    state, first = POLE.reset(task, key=keys[0])
    step = lambda state, key: POLE.step(state, task, jnp.int32(1), key=key)  # noqa: E731
    return first, jax.lax.scan(step, state, keys[1:])[1]


def test_it_is_lived_as_gymnax_lives_it():
    theirs, parameters = gymnax.make("CartPole-v1")
    keys = jr.split(jr.key(1), 9)
    first, rest = lived(STANDARD, keys)
    observation, state = theirs.reset_env(keys[0], parameters)
    np.testing.assert_allclose(first.observation, observation, rtol=1e-6)
    for t, key in enumerate(keys[1:]):
        observation, state, reward, *_ = theirs.step_env(key, state, 1, parameters)
        np.testing.assert_allclose(rest.observation[t], observation, rtol=1e-5)
        assert rest.reward[t] == reward


def test_a_fall_terminates_and_a_time_limit_truncates():
    fallen = lived(STANDARD, jr.split(jr.key(1), 30))[1]
    end = int(np.argmax(np.asarray(fallen.last())))
    assert fallen.discount[end] == 0.0, "the pole fell"
    short = STANDARD.replace(max_steps_in_episode=jnp.int32(4))
    cut = lived(short, jr.split(jr.key(1), 6))[1]
    assert cut.last().tolist()[:4] == [False, False, False, True]
    assert cut.discount[3] == 1.0, "a time limit is no end"


def test_parameters_are_tasks_and_a_batch_may_have_several():
    tasks = jax.tree.map(lambda x: jnp.stack([x, x]), STANDARD)
    tasks = tasks.replace(gravity=jnp.array([9.8, 98.0]))
    keys = jnp.stack([jr.split(jr.key(1), 9)] * 2)
    seen = jax.vmap(lived)(tasks, keys)[1].observation
    assert np.abs(seen[0] - seen[1]).max() > 0.1, "gravity is in what falls"


@pytest.mark.parametrize(
    ("name", "spec"),
    [("Pendulum-v1", Box((1,), -2.0, 2.0)), ("Catch-bsuite", Discrete(3))],
)
def test_it_keeps_the_laws(name: str, spec):
    environment = FromGymnax(name)
    assert environment.action_spec == spec
    check_environment(environment, Parameters(name), key=jr.key(0))


def test_a_recipe_goes_there_by_name():
    recipe = AGENTS["ppo"][1].elsewhere("gymnax:CartPole-v1")
    assert recipe.environment == POLE and recipe.tasks == Parameters("CartPole-v1")
    with pytest.raises(UnknownNameError, match="CartPole-v1"):
        AGENTS["ppo"][1].elsewhere("gymnax:CartPole")
