"""Trials are counted exactly, episode by episode, and whoever should forget does."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.spec import Discrete
from meadow.core.timestep import StepType, TimeStep, restart, transition
from meadow.evaluation.trials import Forgetful, lived

EPISODES, TASKS = 4, 12


class Script(NamedTuple):
    """A task: how each episode of its trial goes."""

    length: Int[Array, "episodes"]
    reward: Float[Array, "episodes"]
    terminates: Bool[Array, "episodes"]


class Stage(AbstractEnvironment[Script, Int[Array, ""]]):
    """Plays the part of the script that the action names, the same reward at every step."""

    @property
    def action_spec(self) -> Discrete:
        return Discrete(EPISODES)

    def reset(self, task: Script, *, key: Key[Array, ""]) -> tuple[Int[Array, ""], TimeStep]:
        return jnp.int32(0), restart(jnp.zeros(1))

    def step(
        self, state: Int[Array, ""], task: Script, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], TimeStep]:
        state = state + 1
        over, done = state == task.length[action], task.terminates[action]
        return state, transition(
            task.reward[action], jnp.zeros(1), terminated=over & done, truncated=over & ~done
        )


class Prompter(AbstractAgent[Int[Array, ""]]):
    """Acts the number of the episode; writes down what it was told, and counts its steps."""

    def init_memory(self) -> Int[Array, ""]:
        return jnp.int32(0)

    def act(self, memory: Int[Array, ""], timestep: TimeStep, *, key: Any) -> tuple:
        memory = jnp.where(timestep.begins_trial(), 0, memory) + 1
        return memory, timestep.episode, {"memory": memory, "told": timestep}


@pytest.fixture(scope="module")
def scripts() -> Script:
    """Trials of very different length, with every kind of end."""
    rng = np.random.default_rng(0)
    shape = (TASKS, EPISODES)
    return Script(
        length=jnp.asarray(rng.integers(1, 9, shape), jnp.int32),
        reward=jnp.asarray(rng.choice([-1.0, 0.0, 0.5, 1.0], shape), jnp.float32),
        terminates=jnp.asarray(rng.random(shape) < 0.6),
    )


def test_every_episode_is_counted_exactly(scripts):
    outcome = lived(Stage(), Prompter(), scripts, EPISODES, key=jr.key(0))
    np.testing.assert_array_equal(outcome.lengths, scripts.length, "steps of each episode")
    expected = scripts.length * scripts.reward
    np.testing.assert_array_equal(outcome.returns, expected, "undiscounted rewards of each")
    done = scripts.terminates & (scripts.reward > 0)
    np.testing.assert_array_equal(outcome.success, done, "done, and paid for it")
    assert done.any() and not done.all()


def test_a_trial_alone_goes_as_beside_others(scripts):
    together = lived(Stage(), Prompter(), scripts, EPISODES, key=jr.key(0))
    one = jax.tree.map(lambda x: x[3:4], scripts)
    alone = lived(Stage(), Prompter(), one, EPISODES, key=jr.key(0))
    same = jax.tree.map(lambda x: x[3:4], together)
    assert eqx.tree_equal(alone, same), "others that live longer must add nothing"


def test_a_forgetful_agent_begins_every_episode_like_the_first():
    agent = Forgetful(Prompter())
    timestep = TimeStep(
        step_type=jnp.uint8(StepType.FIRST),
        reward=jnp.float32(0.7),
        discount=jnp.float32(1),
        observation=jnp.ones(1),
        episode=jnp.int32(2),
    )
    memory, _, record = agent.act(jnp.int32(5), timestep, key=jr.key(0))
    told = record["told"]
    assert told.begins_trial() and told.reward == 0, "no episode before, and no reward of it"
    assert memory == 1, "so the agent clears its memory itself"
    assert (told.observation == timestep.observation).all(), "it sees what there is to see"

    middle = eqx.tree_at(lambda t: t.step_type, timestep, jnp.uint8(StepType.MID))
    memory, _, record = agent.act(jnp.int32(5), middle, key=jr.key(0))
    assert memory == 6, "within an episode it remembers"
    assert record["told"].reward == middle.reward, "and hears of its rewards"
    assert agent.init_memory() == Prompter().init_memory()


def test_a_forgetful_agent_lives_one_episode_again_and_again(scripts):
    outcome = lived(Stage(), Forgetful(Prompter()), scripts, EPISODES, key=jr.key(0))
    first = np.repeat(np.asarray(scripts.length[:, :1]), EPISODES, axis=1)
    np.testing.assert_array_equal(outcome.lengths, first, "it never learns which episode this is")
