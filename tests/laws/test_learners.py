"""Every learner keeps the laws: add yours, small and with an environment it can learn, to the list.

Its agent is examined too.
"""

import dataclasses

import jax
import jax.random as jr
import pytest
from jaxtyping import Array, Key

from meadow.agents.bc import BC
from meadow.agents.cql import CQL
from meadow.agents.crr import CRR
from meadow.agents.d4pg import D4PG
from meadow.agents.dqn import DQN
from meadow.agents.impala import IMPALA
from meadow.agents.iql import IQL
from meadow.agents.lagged import Lagged
from meadow.agents.ppo import PPO
from meadow.agents.r2d2 import R2D2
from meadow.agents.sac import SAC
from meadow.agents.td3 import TD3
from meadow.core.environment import AbstractEnvironment
from meadow.core.learner import AbstractLearner
from meadow.core.task import AbstractTaskSpace
from meadow.core.trajectory import Trajectory
from meadow.envs.pendulum import Pendulum, physics
from meadow.nn.critic import CriticPlan
from meadow.nn.plan import Plan
from meadow.nn.policy import PolicyPlan
from meadow.nn.worth import Categorical, Quantiles
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing import check_learner
from meadow.testing.probes import Choice, HiddenArm

LENGTH, NUM_LIVES = 6, 4
SMALL = Plan(channels=(), features=4, aside=4, memory=8, heads=0)
OTHER = dataclasses.replace(SMALL, core="linear", layers=1, values=2, recalls=False)
GLANCE = dataclasses.replace(SMALL, core="none", recalls=False)
SEQUENCES = R2D2(dataclasses.replace(SMALL, core="lstm"), burn_in=2, steps=2)
LEARNERS = [
    DQN(GLANCE),
    BC(plan=GLANCE, learning_rate=1e-2),
    PPO(SMALL, minibatches=2),
    Lagged(IMPALA(SMALL, learning_rate=1e-3), 2),
]
SLOW = [
    SEQUENCES,
    DQN(GLANCE, Categorical(-1.0, 2.0, 11), duelling=True),
    DQN(GLANCE, Quantiles(5), double=False),
    DQN(GLANCE, munchausen=(0.03, 0.9, -1.0)),
    dataclasses.replace(SEQUENCES, worth=Categorical(-1.0, 2.0, 11), double=False),
    PPO(OTHER, minibatches=2, bootstrap=False),
    *(
        PPO(dataclasses.replace(SMALL, core=core), minibatches=2)
        for core in ("lstm", "transformer", "none")
    ),
]

# Of actions that are vectors.
POLICY, CRITICS, RATE = PolicyPlan((8,)), CriticPlan((8,)), 1e-2
VECTORS = [TD3(POLICY, CRITICS, learning_rate=RATE)]
SLOW_VECTORS = [
    BC(POLICY, learning_rate=RATE),
    BC(POLICY, loss="square", learning_rate=RATE),
    IQL(dataclasses.replace(POLICY, parts=2), CRITICS, learning_rate=RATE),
    CRR(POLICY, CRITICS, learning_rate=RATE),
    CRR(POLICY, CRITICS, prefers="indicator", learning_rate=RATE),
    CQL(SAC(POLICY, CRITICS, learning_rate=RATE), samples=2, warmup=5),
    CQL(SAC(POLICY, CRITICS, learning_rate=RATE), threshold=1.0, samples=2),
    TD3(POLICY, CRITICS, bc=2.5, learning_rate=RATE),
    SAC(POLICY, CRITICS, learning_rate=RATE),
    SAC(POLICY, CRITICS, Quantiles(5), adaptive=False, learning_rate=RATE),
    D4PG(POLICY, CRITICS, Quantiles(5), learning_rate=RATE),
    D4PG(
        POLICY,
        CriticPlan((8,), num=1, normed=True),
        Categorical(-50.0, 0.0, 11),
        learning_rate=RATE,
    ),
]


def slow(learners: list) -> list:
    return [pytest.param(learner, marks=pytest.mark.slow) for learner in learners]


def lived(
    learner: AbstractLearner,
    environment: AbstractEnvironment,
    space: AbstractTaskSpace,
    *,
    key: Key[Array, ""],
) -> Trajectory:
    """What the learner's first agent lives in a few trials of two episodes."""
    tasks = jax.vmap(lambda key: space.sample(key=key))(jr.split(key, NUM_LIVES))
    living = Living(environment, Trial(episodes=2))

    @jax.jit
    def live(key: Key[Array, ""]) -> Trajectory:
        example = environment.reset(space.sample(key=key), key=key)[1]
        agent = learner.agent(learner.init(example, environment.action_spec, key=key))
        life = unborn(environment, agent, tasks)
        return living.collect(agent, life, tasks, LENGTH, key=key)[1]

    return live(key)


@pytest.mark.parametrize("learner", [*LEARNERS, *slow(SLOW)])
def test_learner(learner, key):
    environment = HiddenArm(length=2)
    trajectory = lived(learner, environment, Choice(2), key=key)
    check_learner(learner, trajectory, environment.action_spec, key=key)


@pytest.mark.parametrize("learner", [*VECTORS, *slow(SLOW_VECTORS)])
def test_learner_of_vectors(learner, key):
    environment = Pendulum(max_steps=2)
    trajectory = lived(learner, environment, physics(), key=key)
    check_learner(learner, trajectory, environment.action_spec, key=key)
