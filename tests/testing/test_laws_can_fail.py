"""Every law can fail: for each there is a definition that breaks it and nothing before it.

A sound definition is altered at one place. That a sound one passes is shown in tests/laws.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from meadow.agents.random import Random
from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE, AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import Discrete
from meadow.core.task import AbstractDesignSpace
from meadow.core.timestep import StepType, restart
from meadow.core.trajectory import Trajectory
from meadow.testing import (
    check_agent,
    check_environment,
    check_learner,
    check_task_space,
)
from meadow.testing.laws import agent, environment, learner, task_space
from meadow.testing.probes import Choice, Matching, TMaze

COUNTER = itertools.count(1)
SPEC = Discrete(2)
Alteration = Callable[..., Any]


def unaltered() -> Any:
    """A field for a function from what a sound definition says to what the altered one says."""
    return eqx.field(static=True, default=lambda said, *_: said)


def put(timestep: Any, **fields: Any) -> Any:
    """The same time step with other fields, each in the dtype it had."""
    return dataclasses.replace(
        timestep, **{k: jnp.full_like(getattr(timestep, k), v) for k, v in fields.items()}
    )


@jax.custom_batching.custom_vmap
def alone(x):
    """Zero for one example, one under `vmap`: what no lawful function does."""
    return jnp.zeros_like(x)


@alone.def_vmap
def _(size, batched, x):
    return jnp.ones_like(x), batched[0]


# --- environments ---------------------------------------------------------------------------------


class AlteredEnvironment(AbstractEnvironment):
    on_reset: Alteration = unaltered()
    on_step: Alteration = unaltered()
    inner: AbstractEnvironment = TMaze(length=1)
    options: dict = eqx.field(static=True, default_factory=dict)

    @property
    def action_spec(self):
        return SPEC

    def reset(self, task, *, key):
        return self.on_reset(self.inner.reset(task, key=key), task, key)

    def step(self, state, task, action, *, key):
        plain = state[0] if isinstance(state, tuple) else state
        return self.on_step(self.inner.step(plain, task, action, key=key), task, key)


def _steps(**fields: Any) -> list[AlteredEnvironment]:
    return [AlteredEnvironment(on_step=lambda said, *_: (said[0], put(said[1], **fields)))]


def _options(inner: AbstractEnvironment, *options: dict) -> list[AlteredEnvironment]:
    return [AlteredEnvironment(inner=inner, options=option) for option in options]


def _with_key(said, task, key):
    return (said[0], key), said[1]


def _with_raw_key(said, task, key):
    return (said[0], jr.key_data(key)), said[1]


ENVIRONMENTS = {
    "reset and step work under jit": [
        AlteredEnvironment(on_step=lambda said, task, _: said if task > 0 else said),
        AlteredEnvironment(on_reset=lambda said, *_: (said[0], said[1].observation)),
    ],
    "reset is a function of task and key": [
        AlteredEnvironment(
            on_reset=lambda said, *_: (said[0] + next(COUNTER), said[1]),
        )
    ],
    "structure, shapes and dtypes never change": [
        AlteredEnvironment(on_step=lambda said, *_: (said[0].astype(jnp.int16), said[1])),
        AlteredEnvironment(on_step=lambda said, *_: (said[0][None], said[1])),
        AlteredEnvironment(on_step=lambda said, *_: ((said[0], said[0]), said[1])),
    ],
    "the state holds no key": [
        AlteredEnvironment(_with_key, _with_key),
        AlteredEnvironment(_with_raw_key, _with_raw_key),
    ],
    "reset and step are traced once": [
        AlteredEnvironment(
            on_reset=lambda said, *_: (0, said[1]),
            on_step=lambda said, *_: (said[0].astype(jnp.int32), said[1]),
        )
    ],
    "reset gives FIRST with reward 0 and discount 1": [
        AlteredEnvironment(on_reset=lambda said, *_, f=field: (said[0], put(said[1], **f)))
        for field in ({"step_type": StepType.MID}, {"reward": 1}, {"discount": 0})
    ],
    "step never gives FIRST": [
        AlteredEnvironment(on_step=lambda said, *_: (said[0], restart(said[1].observation)))
    ],
    "the environment counts no episodes": _steps(episode=1),
    "rewards are finite": _steps(reward=jnp.nan) + _steps(reward=jnp.inf),
    "discounts lie in [0, 1]": _steps(discount=1.5) + _steps(discount=jnp.nan),
    "an episode ends": _steps(step_type=StepType.MID) + _options(TMaze(9), {"max_steps": 5}),
    "a time limit truncates": _options(
        TMaze(1), {"time_limit": 2}, {"time_limit": 1}, {"time_limit": 3}
    ),
    "vmap equals one at a time": [
        AlteredEnvironment(on_reset=lambda said, task, _: (said[0] + alone(task), said[1])),
        AlteredEnvironment(
            on_step=lambda said, *_: (said[0], put(said[1], reward=1.0 * alone(said[0])))
        ),
    ],
    "hidden stays hidden": _options(
        Matching(), {"hidden": lambda task, _: 1 - task}, {"hidden": lambda task, _: task}
    ),
}


@pytest.mark.parametrize("law", environment.LAWS)
def test_environment(law, key, all_fail):
    all_fail(
        environment.LAWS,
        ENVIRONMENTS,
        law,
        lambda broken: check_environment(
            broken, Choice(2), **{"max_steps": 8, **broken.options}, key=key
        ),
    )


# --- task spaces ----------------------------------------------------------------------------------


class AlteredSpace(AbstractDesignSpace):
    altered: Alteration = unaltered()
    on_mutate: Alteration = unaltered()
    on_mark: Alteration = unaltered()

    def empty(self, *, key):
        return jnp.zeros((), jnp.int32)

    def mutate(self, task, *, key):
        return self.on_mutate((task + 1) % 10)

    def fingerprint(self, task):
        return self.on_mark(jnp.full(2, task, jnp.uint32))

    def features(self, task):
        return {"size": task.astype(jnp.float32)}

    def solvable(self, task):
        return task >= 0

    def sample(self, *, key):
        return self.altered(jr.randint(key, (), 0, 9))


SPACES = {
    "sample works under jit": [AlteredSpace(lambda task: task if task > 4 else -task)],
    "tasks have one structure": [AlteredSpace(lambda task: jnp.full(next(COUNTER), task))],
    "sample is a function of the key": [AlteredSpace(lambda task: task + next(COUNTER))],
    "tasks hold no NaN": [AlteredSpace(lambda task: task * jnp.nan)],
    "vmap equals one at a time": [AlteredSpace(lambda task: task + alone(task))],
    "an edited task is a task of the space": [AlteredSpace(on_mutate=lambda task: task * 1.0)],
    "tasks are told apart and measured": [
        AlteredSpace(on_mark=lambda mark: mark[0]),
        AlteredSpace(on_mark=lambda mark: mark + next(COUNTER)),
    ],
}


@pytest.mark.parametrize("law", task_space.LAWS)
def test_task_space(law, key, all_fail):
    all_fail(task_space.LAWS, SPACES, law, lambda broken: check_task_space(broken, key=key))


# --- agents ---------------------------------------------------------------------------------------


class AlteredAgent(AbstractAgent):
    """Counts the steps of a trial and acts at random."""

    altered: Alteration = unaltered()
    memory: Any = eqx.field(static=True, default=None)

    def init_memory(self):
        return jnp.zeros((), jnp.int32) if self.memory is None else self.memory

    def act(self, memory, timestep, *, key):
        count = jnp.where(timestep.begins_trial(), 0, memory).astype(jnp.int32) + 1
        answer = count, SPEC.sample(key=key), {"count": count}
        return self.altered(answer, memory, timestep)


def _remembering(answer, memory, timestep):
    """Begins each trial alike, but keeps an older memory for later."""
    return memory + 1, answer[1], {"count": jnp.where(timestep.begins_trial(), 1, memory)}


AGENTS = {
    "acting works under jit": [AlteredAgent(lambda a, m, t: a if t.reward > 0 else a)],
    "memory keeps its structure": [AlteredAgent(lambda a, *_: (a[0][None], *a[1:]))],
    "acting is traced once": [AlteredAgent(memory=0)],
    "the record keeps its structure": [
        AlteredAgent(lambda a, *_: (*a[:2], {f"count {next(COUNTER)}": a[0]}))
    ],
    "acting is a function of memory, timestep and key": [
        AlteredAgent(lambda a, *_: (*a[:2], {"count": a[0] + next(COUNTER)}))
    ],
    "actions lie within the spec": [
        AlteredAgent(lambda a, *_: (a[0], a[1] + 2, a[2])),
        AlteredAgent(lambda a, *_: (a[0], a[1][None], a[2])),
        AlteredAgent(lambda a, *_: (a[0], a[1].astype(jnp.float32), a[2])),
    ],
    "vmap equals one at a time": [AlteredAgent(lambda a, *_: (a[0] + alone(a[0]), *a[1:]))],
    "a new trial forgets": [
        AlteredAgent(lambda a, m, _: (m + 1, a[1], {"count": m})),
        AlteredAgent(_remembering),
    ],
}
TIMESTEP = restart(jnp.zeros(2))


@pytest.mark.parametrize("law", agent.LAWS)
def test_agent(law, key, all_fail):
    all_fail(agent.LAWS, AGENTS, law, lambda broken: check_agent(broken, TIMESTEP, SPEC, key=key))


def test_sound_agent_passes(key):
    check_agent(AlteredAgent(), TIMESTEP, SPEC, key=key)


def test_agent_is_examined_on_one_time_step(key):
    batch = jax.tree.map(lambda x: x[None], TIMESTEP)
    with pytest.raises(SpecError, match="without batch axes"):
        check_agent(Random(SPEC), batch, SPEC, key=key)


# --- learners -------------------------------------------------------------------------------------


class AlteredLearner(AbstractLearner):
    """Learns the mean reward; its agent acts at random."""

    on_update: Alteration = unaltered()
    on_score: Alteration = unaltered()
    mean: Any = eqx.field(static=True, default=None)
    makes: AbstractAgent = Random(SPEC)
    options: dict = eqx.field(static=True, default_factory=dict)

    def init(self, timestep, action_spec, *, key):
        return jnp.zeros((), jnp.float32) if self.mean is None else self.mean

    def update(self, state, trajectory, *, key):
        error = trajectory.next.reward.mean() - state
        answer = jnp.asarray(state + 0.1 * error, jnp.float32), {"loss": error**2}
        return self.on_update(answer, state)

    def agent(self, state):
        return self.makes

    def score(self, state, trajectory):
        return self.on_score(Report.nothing(trajectory.next.reward.shape[1]))


LEARNERS = {
    "init and update work under jit": [
        AlteredLearner(lambda answer, state: answer if state > 0 else answer),
        AlteredLearner(lambda answer, state: answer[0]),
    ],
    "update keeps the state's structure": [AlteredLearner(lambda answer, _: (answer, answer[1]))],
    "update is traced once": [
        AlteredLearner(lambda answer, _: (answer[0].astype(jnp.float32), answer[1]), mean=0.0)
    ],
    "update is a function of state, trajectory and key": [
        AlteredLearner(lambda answer, _: (answer[0] + next(COUNTER), answer[1]))
    ],
    "metrics are finite scalars, but for surprise": [
        AlteredLearner(lambda answer, _: (answer[0], {"loss": answer[0] / 0})),
        AlteredLearner(lambda answer, _: (answer[0], {"loss": answer[0][None]})),
        AlteredLearner(lambda answer, _: (answer[0], answer[1] | {SURPRISE: answer[0]})),
    ],
    "the agent keeps its laws": [AlteredLearner(makes=AGENTS["actions lie within the spec"][0])],
    "score reports on every column": [
        AlteredLearner(on_score=lambda report: report.value),
        AlteredLearner(on_score=lambda report: jax.tree.map(jnp.sum, report)),
        AlteredLearner(on_score=lambda report: jax.tree.map(lambda x: x * jnp.nan, report)),
    ],
    "the same batch lowers its loss": [
        AlteredLearner(lambda answer, state: (state - 1.0, answer[1])),
        AlteredLearner(lambda answer, state: (state, answer[1])),
        AlteredLearner(options={"loss": "no such metric"}),
    ],
}


def trajectory() -> Trajectory:
    """Two steps of three lives, each paid 1."""
    zero = jnp.zeros((2, 3))
    timestep = jax.vmap(jax.vmap(restart))(jnp.zeros((2, 3, 2)))
    return Trajectory(
        timestep=timestep,
        action=jnp.zeros((2, 3), jnp.int32),
        next=put(timestep, reward=1, step_type=StepType.MID),
        trial_ended=zero > 0,
        record={},
        memory=(),
        after=jax.tree.map(lambda x: x[-1], timestep),
        final_memory=(),
    )


@pytest.mark.parametrize("law", learner.LAWS)
def test_learner(law, key, all_fail):
    all_fail(
        learner.LAWS,
        LEARNERS,
        law,
        lambda broken: check_learner(broken, trajectory(), SPEC, **broken.options, key=key),
    )


def test_sound_learner_passes(key):
    check_learner(AlteredLearner(), trajectory(), SPEC, key=key)


def test_learner_without_a_loss_passes(key):
    silent = AlteredLearner(lambda answer, _: (answer[0], {}))
    check_learner(silent, trajectory(), SPEC, loss=None, key=key)
