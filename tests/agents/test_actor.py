"""Actors whose actions are vectors: whoever learns from what they lived keeps the laws."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.impala import IMPALA
from meadow.agents.normalised import Normalised
from meadow.agents.ppo import PPO
from meadow.core.learner import AbstractLearner
from meadow.core.trajectory import Trajectory
from meadow.envs.pendulum import STANDARD, Pendulum
from meadow.nn.plan import Plan
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing import check_learner

ENVIRONMENT, LENGTH, LIVES = Pendulum(max_steps=2), 6, 4
SMALL = Plan(features=4, aside=4, memory=8, heads=0)
GLANCE = Plan(features=4, memory=8, heads=0, core="none", recalls=False)
SLOW = [
    PPO(SMALL, gamma=0.5, value_clip=None, minibatches=2),
    Normalised(IMPALA(SMALL, learning_rate=1e-3)),
]


def lived(learner: AbstractLearner) -> Trajectory:
    """What its first agent lives in a few trials of two episodes."""
    tasks = jnp.tile(jnp.array(STANDARD), (LIVES, 1))
    living = Living(ENVIRONMENT, Trial(episodes=2))

    @jax.jit
    def live(key: jax.Array) -> Trajectory:
        example = ENVIRONMENT.reset(tasks[0], key=key)[1]
        agent = learner.agent(learner.init(example, ENVIRONMENT.action_spec, key=key))
        return living.collect(agent, unborn(ENVIRONMENT, agent, tasks), tasks, LENGTH, key=key)[1]

    return live(jr.key(0))


@pytest.mark.parametrize(
    "learner",
    [
        Normalised(PPO(GLANCE, minibatches=2), returns=0.9),
        *(pytest.param(learner, marks=pytest.mark.slow) for learner in SLOW),
    ],
)
def test_the_laws_of_actions_that_are_vectors(learner, key):
    trajectory = lived(learner)
    np.testing.assert_array_equal(
        trajectory.action, np.clip(trajectory.record["drawn"], -2, 2), "done within the box"
    )
    check_learner(learner, trajectory, ENVIRONMENT.action_spec, key=key)
