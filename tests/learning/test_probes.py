"""PPO, run as people run it, finds the exact answer of every probe, on every seed.

The probes of values state what each observation is worth, those of actions what the best agent is
paid; beside that one stand the agents that could do without what the probe asks for. Judged agents
take their likeliest action and live every task equally often, so what they are paid is exact.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ppo import PPO, Actor
from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.curricula.uniform import Uniform
from meadow.evaluation.trials import Forgetful, lived
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.nn.plan import Plan
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import (
    Choice,
    ConstantReward,
    DelayedReward,
    HiddenArm,
    Matching,
    ObservedReward,
    TimeLimit,
    TMaze,
)

GAMMA, LIMIT, SEEDS = 0.7, 6, 3
LEARNER = PPO(
    Plan(channels=(), features=16, aside=4, memory=16, heads=0),
    gamma=GAMMA,
    learning_rate=5e-3,
    value_clip=None,
    minibatches=2,
)


class Probe(NamedTuple):
    """An environment, how many tasks it has, and how long learning it takes."""

    environment: AbstractEnvironment
    num_tasks: int
    episodes: int = 1
    iterations: int = 300


class Amnesiac(AbstractAgent):
    """An agent whose memory is cleared at every step."""

    agent: AbstractAgent

    def init_memory(self) -> tuple[()]:
        return ()

    def act(self, memory: tuple[()], timestep: Any, *, key: Any) -> tuple:
        return memory, *self.agent.act(self.agent.init_memory(), timestep, key=key)[1:]


def learnt(probe: Probe) -> Any:
    """The learner's state after training, one for each seed."""
    experiment = Experiment(
        environment=probe.environment,
        curriculum=Uniform(Choice(probe.num_tasks)),
        learner=dataclasses.replace(LEARNER, updates=probe.iterations),
        trial=Trial(episodes=probe.episodes),
        lives=64,
        length=12,
    )
    run = Compiled(experiment, seeds=SEEDS)
    return run.run(run.begin(key=jr.key(0)), probe.iterations)[0].learner


def values(probe: Probe, state: Any, steps: int) -> np.ndarray:
    """What each step of an episode is worth in each task, `[seeds, steps, tasks]`."""
    living, tasks = Living(probe.environment, Trial(episodes=1)), jnp.arange(probe.num_tasks)

    @jax.jit
    @jax.vmap
    def look(state: Any) -> jax.Array:
        agent = LEARNER.agent(state)
        life = unborn(probe.environment, agent, tasks)
        return living.collect(agent, life, tasks, steps, key=jr.key(1))[1].record["value"]

    return np.asarray(look(state))


def paid(probe: Probe, state: Any, *others: Callable[[Actor], AbstractAgent]) -> list[np.ndarray]:
    """Mean return of each episode, `[seeds, episodes]`: of the agent, and of what `others` make
    of it.
    """
    tasks = jnp.repeat(jnp.arange(probe.num_tasks), 4)

    @jax.jit
    @jax.vmap
    def judge(state: Any) -> list[jax.Array]:
        agent = dataclasses.replace(LEARNER.agent(state), greedy=True)
        agents = [agent, *(make(agent) for make in others)]
        trials = [
            lived(probe.environment, one, tasks, probe.episodes, key=jr.key(1)) for one in agents
        ]
        return [trial.returns.mean(axis=0) for trial in trials]

    return [np.asarray(returns) for returns in judge(state)]


def same(got: np.ndarray, expected: Any, law: str, tolerance: float = 1e-6) -> None:
    """On every seed."""
    for seed, row in enumerate(got):
        np.testing.assert_allclose(row, expected, atol=tolerance, err_msg=f"{law} (seed {seed})")


@pytest.mark.slow
def test_it_learns_at_all():
    probe = Probe(ConstantReward(), 1, iterations=100)
    same(values(probe, learnt(probe), 1), [[1]], "the value of a constant reward", 0.05)


def test_the_value_looks_at_the_observation():
    probe = Probe(ObservedReward(), 2, iterations=100)
    same(values(probe, learnt(probe), 1), [[-1, 1]], "the value of x is x", 0.05)


@pytest.mark.slow
def test_the_future_is_discounted():
    probe = Probe(DelayedReward(), 1)
    expected = [[GAMMA**2], [GAMMA], [1]]
    same(values(probe, learnt(probe), 3), expected, "values are g^2, g and 1", 0.05)


def test_a_cut_is_bootstrapped_and_an_end_is_not():
    probe = Probe(TimeLimit(limit=LIMIT), 2)
    left = LIMIT - np.arange(LIMIT)
    ends, cut = (1 - GAMMA**left) / (1 - GAMMA), np.full(LIMIT, 1 / (1 - GAMMA))
    got = values(probe, learnt(probe), LIMIT)
    # Taking an end for a cut, or a cut for an end, is an error of 2.3 in the last step.
    same(got, np.stack([ends, cut], axis=1), "values up to an end, and to a cut", 0.2)


@pytest.mark.slow
def test_the_action_looks_at_the_observation():
    probe = Probe(Matching(num=3), 3)
    same(paid(probe, learnt(probe))[0], [1], "every match is paid")


def test_something_is_remembered():
    probe = Probe(TMaze(length=3), 2)
    agent, forgetful = paid(probe, learnt(probe), Amnesiac)
    same(agent, [1], "the cue is remembered to the junction")
    same(forgetful, [1 / 2], "without memory the cue is gone")


def test_the_hidden_rule_is_inferred():
    probe = Probe(HiddenArm(num=2, length=4), 2)
    agent, forgetful = paid(probe, learnt(probe), Amnesiac)
    same(agent, [4 - 1 / 2], "the arms are tried in turn until one pays")
    assert (forgetful <= 3).all(), "no agent that sees only the last reward is paid more"


def test_the_second_episode_beats_the_first():
    probe = Probe(HiddenArm(num=2, length=1), 2, episodes=4)
    agent, forgetful = paid(probe, learnt(probe), Forgetful)
    same(agent, [1 / 2, 1, 1, 1], "what the first episode taught is used in the others")
    same(forgetful, [1 / 2] * 4, "and is lost where memory is cleared between episodes")
