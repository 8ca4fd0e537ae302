"""DQN and R2D2, run as people run them, find the exact answer of every probe, on every seed.

Worths of actions are asked for, so a probe's values are those of its best actions. Everybody learns
from a store.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.dqn import DQN
from meadow.agents.r2d2 import R2D2
from meadow.core.environment import AbstractEnvironment
from meadow.core.learner import AbstractLearner
from meadow.curricula.uniform import Uniform
from meadow.evaluation.trials import lived
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.plan import Plan
from meadow.nn.worth import Categorical, Quantiles, Scalar
from meadow.replay.limiter import Limiter
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import Choice, DelayedReward, Matching, TimeLimit, TMaze

GAMMA, LIMIT, SEEDS, NUM = 0.7, 6, 2, 32
GLANCE = Plan(channels=(), features=16, memory=16, heads=0, core="none", recalls=False)
LEARNER = DQN(
    GLANCE, gamma=GAMMA, learning_rate=5e-3, target_period=20, epsilon=(1.0, 0.2, 200)
)  # fmt: skip
REMEMBERS = R2D2(
    dataclasses.replace(GLANCE, core="lstm", recalls=True, aside=4),
    gamma=GAMMA,
    burn_in=4,
    epsilon=(0.1, 1.0),
    target_period=20,
    learning_rate=5e-3,
    adam_epsilon=1e-8,
)
STORE = Replay(2000, record=())


class Probe(NamedTuple):
    """An environment, how many tasks it has, and how long learning it takes."""

    environment: AbstractEnvironment
    num_tasks: int
    updates: int = 400


def learnt(probe: Probe, learner: AbstractLearner, store: Replay) -> Any:
    """The learner's state after training, one for each seed: an update for every eight steps."""
    experiment = Experiment(
        environment=probe.environment,
        curriculum=Uniform(Choice(probe.num_tasks)),
        learner=learner,
        trial=Trial(episodes=1),
        lives=8,
        length=4,
        rehearsal=Rehearsal(store, NUM, Limiter.ratio_of(NUM / 8, 100)),
    )
    run = Compiled(experiment, seeds=SEEDS)
    return run.run(run.begin(key=jr.key(0)), probe.updates // 4)[0].learner


def values(probe: Probe, learner: AbstractLearner, state: Any, steps: int) -> np.ndarray:
    """What each step of an episode is worth in each task, `[seeds, steps, tasks]`."""
    living, tasks = Living(probe.environment, Trial(episodes=1)), jnp.arange(probe.num_tasks)

    @jax.jit
    @jax.vmap
    def look(state: Any) -> jax.Array:
        agent = learner.agent(state)
        life = unborn(probe.environment, agent, tasks)
        return living.collect(agent, life, tasks, steps, key=jr.key(1))[1].record["value"]

    return np.asarray(look(state))


def paid(probe: Probe, learner: AbstractLearner, state: Any) -> np.ndarray:
    """Mean return of the greedy agent, `[seeds]`."""
    tasks = jnp.repeat(jnp.arange(probe.num_tasks), 4)

    @jax.jit
    @jax.vmap
    def judge(state: Any) -> jax.Array:
        agent: Any = learner.agent(state)
        agent = dataclasses.replace(agent, greedy=True)
        return lived(probe.environment, agent, tasks, 1, key=jr.key(1)).returns.mean()

    return np.asarray(judge(state))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "worth",
    [Scalar(), Categorical(0.0, 1.0, 11), Quantiles(5, huber=0.1)],
    ids=["scalar", "categorical", "quantiles"],
)
def test_the_future_is_discounted(worth, steps):
    probe = Probe(DelayedReward(), 1)
    learner = dataclasses.replace(LEARNER, worth=worth)
    state = learnt(probe, learner, dataclasses.replace(STORE, length=steps))
    got = values(probe, learner, state, 3)[..., 0]
    expected = np.tile([GAMMA**2, GAMMA, 1], (SEEDS, 1))
    np.testing.assert_allclose(got, expected, atol=0.05, err_msg="values are g^2, g and 1")


def test_a_cut_is_bootstrapped_and_an_end_is_not():
    probe = Probe(TimeLimit(limit=LIMIT), 2)
    store = dataclasses.replace(STORE, length=2, selector=Prioritised())
    got = values(probe, LEARNER, learnt(probe, LEARNER, store), LIMIT)
    left = LIMIT - np.arange(LIMIT)
    ends, cut = (1 - GAMMA**left) / (1 - GAMMA), np.full(LIMIT, 1 / (1 - GAMMA))
    # Taking an end for a cut, or a cut for an end, is an error of 2.3 in the last step.
    expected = np.tile(np.stack([ends, cut], axis=1), (SEEDS, 1, 1))
    np.testing.assert_allclose(got, expected, atol=0.3, err_msg="values up to an end, and to a cut")


@pytest.mark.slow
@pytest.mark.parametrize("munchausen", [None, (0.03, 0.9, -1.0)], ids=["plain", "munchausen"])
def test_the_action_looks_at_the_observation(munchausen):
    probe = Probe(Matching(num=3), 3)
    learner = dataclasses.replace(LEARNER, munchausen=munchausen)
    got = paid(probe, learner, learnt(probe, learner, STORE))
    np.testing.assert_array_equal(got, 1, "every match is paid")


@pytest.mark.slow
@pytest.mark.parametrize(("core", "best"), [("lstm", 1.0), ("none", 0.5)])
def test_something_is_remembered(core, best):
    probe = Probe(TMaze(length=8), 2, 1200)
    learner = dataclasses.replace(REMEMBERS, plan=dataclasses.replace(REMEMBERS.plan, core=core))
    store = Replay(8000, length=16, period=4, memory=True, selector=Prioritised(0.9, 0.6))
    got = paid(probe, learner, learnt(probe, learner, store))
    np.testing.assert_array_equal(got, best, f"what an agent with core={core} may know")


@pytest.mark.slow
def test_a_recurrent_agent_tells_a_cut_from_an_end():
    probe = Probe(TimeLimit(limit=LIMIT), 2)
    store = Replay(2000, length=12, period=4, memory=True)
    got = values(probe, REMEMBERS, learnt(probe, REMEMBERS, store), LIMIT)
    # It may count the steps of the endless task, but is shown that none of them is the last.
    np.testing.assert_allclose(got[..., 1], 1 / (1 - GAMMA), atol=0.3, err_msg="up to a cut")
    ends = (1 - GAMMA ** (LIMIT - np.arange(LIMIT))) / (1 - GAMMA)
    np.testing.assert_allclose(
        got[..., 0], np.tile(ends, (SEEDS, 1)), atol=0.3, err_msg="to an end"
    )
