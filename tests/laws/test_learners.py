"""Every learner keeps the laws: add yours, small and with an environment it can learn, to the list.

Its agent is examined too.
"""

import dataclasses

import jax
import jax.random as jr
import pytest
from jaxtyping import Array, Key

from meadow.agents.dqn import DQN
from meadow.agents.impala import IMPALA
from meadow.agents.lagged import Lagged
from meadow.agents.ppo import PPO
from meadow.agents.r2d2 import R2D2
from meadow.core.learner import AbstractLearner
from meadow.core.trajectory import Trajectory
from meadow.nn.plan import Plan
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
    *(PPO(dataclasses.replace(SMALL, core=core), minibatches=2) for core in ("lstm", "none")),
]


def lived(learner: AbstractLearner, environment: HiddenArm, *, key: Key[Array, ""]) -> Trajectory:
    """What the learner's first agent lives in a few trials of two episodes."""
    tasks = jax.vmap(lambda key: Choice(2).sample(key=key))(jr.split(key, NUM_LIVES))
    living = Living(environment, Trial(episodes=2))

    @jax.jit
    def live(key: Key[Array, ""]) -> Trajectory:
        example = environment.reset(Choice(2).sample(key=key), key=key)[1]
        agent = learner.agent(learner.init(example, environment.action_spec, key=key))
        life = unborn(environment, agent, tasks)
        return living.collect(agent, life, tasks, LENGTH, key=key)[1]

    return live(key)


@pytest.mark.parametrize(
    "learner", [*LEARNERS, *(pytest.param(x, marks=pytest.mark.slow) for x in SLOW)]
)
def test_learner(learner, key):
    environment = HiddenArm(length=2)
    trajectory = lived(learner, environment, key=key)
    check_learner(learner, trajectory, environment.action_spec, key=key)
