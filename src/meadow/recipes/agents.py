"""Agents: recipes of one agent in one environment, each small enough for a laptop.

In an environment of another library the same recipe acts and learns: `meadow train sac --env
gymnasium:Pendulum-v1`. Numbers are those of the papers where these fit a small task; what each
reaches here is measured in benchmarks/results/agents.
"""

import dataclasses
from typing import Any

from meadow.agents.d4pg import D4PG
from meadow.agents.dqn import DQN
from meadow.agents.framed import Framed
from meadow.agents.impala import IMPALA
from meadow.agents.mpo import MPO
from meadow.agents.ppo import PPO
from meadow.agents.r2d2 import R2D2
from meadow.agents.sac import SAC
from meadow.agents.td3 import TD3
from meadow.core.environment import AbstractEnvironment
from meadow.core.learner import AbstractLearner
from meadow.envs import cartpole, pendulum
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.critic import CriticPlan
from meadow.nn.plan import Plan
from meadow.nn.policy import PolicyPlan
from meadow.nn.worth import Categorical, Scalar
from meadow.recipes.outside import Outside
from meadow.recipes.recipe import Recipe
from meadow.replay.limiter import Limiter
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial
from meadow.tasks.box import Parameters
from meadow.testing.probes import Choice

FLAT = Plan(features=64, memory=64, heads=0, core="none", recalls=False)
RECURRENT = dataclasses.replace(FLAT, core="lstm", recalls=True, aside=4)
SMALL = (64, 64)


def still(names: tuple[str, ...], standard: tuple[float, ...]) -> Parameters:
    """The standard physics, and no other."""
    return Parameters(names=names, low=standard, high=standard)


def alone(environment: AbstractEnvironment, learner: AbstractLearner, **changes: Any) -> Recipe:
    """One life in one environment, cut into chunks of a step."""
    tasks = {
        cartpole.CartPole: still(cartpole.NAMES, cartpole.STANDARD),
        pendulum.Pendulum: still(pendulum.NAMES, pendulum.STANDARD),
    }
    given: dict[str, Any] = {
        "tasks": tasks.get(type(environment), Choice(1)),
        "trial": Trial(episodes=1),
        "lives": 1,
        "length": 1,
        "iterations": 20_000,
        "held_out": 0.0,
        "episodes": 1,
        "chunk": 500,
        "looks": 10,
    }
    return Recipe(environment=environment, learner=learner, **given | changes)


def rehearsed(num: int, ratio: float, least: int, store: Replay) -> Rehearsal:
    """`ratio` updates for each step, from `num` windows each."""
    return Rehearsal(store, num, Limiter.ratio_of(ratio * num, least))


DQN_SMALL = alone(
    cartpole.CartPole(),
    # The reward of a step is 1/500, and errors are as small.
    DQN(FLAT, Scalar(huber=0.02), epsilon=(1.0, 0.05, 10_000)),
    iterations=50_000,
    rehearsal=rehearsed(64, 1.0, 1000, Replay(50_000)),
)
DQN_ATARI = alone(
    Outside("ale:Pong"),
    Framed(
        DQN(
            dataclasses.replace(FLAT, memory=512),
            Scalar(huber=1.0),
            epsilon=(1.0, 0.01, 62_500),
            target_period=2000,
            clip_reward=True,
            learning_rate=5e-5,
        )
    ),
    length=4,
    iterations=2_500_000,
    chunk=250,
    rehearsal=rehearsed(32, 0.25, 20_000, Replay(1_000_000, length=4, ends=50_000)),
)
R2D2_SMALL = alone(
    cartpole.CartPole(),
    R2D2(RECURRENT, Scalar(), gamma=0.99, burn_in=8, target_period=200),
    lives=4,
    length=8,
    iterations=3_000,
    rehearsal=Rehearsal(
        Replay(50_000, length=24, period=8, memory=True, selector=Prioritised(0.9, 0.6)),
        32,
        Limiter.ratio_of(4.0, 2000),
    ),
)
IMPALA_SMALL = alone(
    cartpole.CartPole(), IMPALA(learning_rate=3e-3), lives=8, length=20, iterations=1_500, chunk=50
)
SAC_SMALL = alone(
    pendulum.Pendulum(),
    SAC(PolicyPlan(SMALL), CriticPlan(SMALL), learning_rate=1e-3),
    iterations=15_000,
    rehearsal=rehearsed(128, 1.0, 1000, Replay(50_000)),
)
TD3_SMALL = dataclasses.replace(
    SAC_SMALL, learner=TD3(PolicyPlan(SMALL), CriticPlan(SMALL), learning_rate=1e-3)
)
D4PG_SMALL = dataclasses.replace(
    SAC_SMALL,
    learner=D4PG(
        PolicyPlan(SMALL, normed=True),
        CriticPlan(SMALL, num=1, normed=True),
        Categorical(-1500.0, 0.0),
        learning_rate=1e-3,
    ),
    rehearsal=rehearsed(128, 0.5, 1000, Replay(50_000, length=3)),
)
MPO_SMALL = dataclasses.replace(
    SAC_SMALL,
    learner=MPO(
        PolicyPlan((128, 128), normed=True), CriticPlan((128, 128), 1, True), learning_rate=1e-3
    ),
    iterations=20_000,
    rehearsal=rehearsed(128, 0.5, 1000, Replay(50_000, length=3)),
)
PPO_SMALL = alone(
    cartpole.CartPole(),
    PPO(FLAT, gamma=0.99, learning_rate=2.5e-3, epochs=4, minibatches=4, max_norm=0.5),
    lives=8,
    length=64,
    iterations=200,
    chunk=10,
)

AGENTS: dict[str, tuple[str, Recipe]] = {
    "dqn": ("DQN on a cart-pole: double, Huber, a ring of 50,000 steps.", DQN_SMALL),
    "dqn-atari": ("DQN on Pong as published: 10 million steps, made for a GPU.", DQN_ATARI),
    "r2d2": ("R2D2 on a cart-pole: an LSTM, sequences, priorities.", R2D2_SMALL),
    "ppo": ("PPO on a cart-pole, as people run it.", PPO_SMALL),
    "impala": ("IMPALA on a cart-pole.", IMPALA_SMALL),
    "sac": ("SAC on a pendulum.", SAC_SMALL),
    "td3": ("TD3 on a pendulum.", TD3_SMALL),
    "d4pg": ("D4PG on a pendulum: C51, three steps.", D4PG_SMALL),
    "mpo": ("MPO on a pendulum.", MPO_SMALL),
}
