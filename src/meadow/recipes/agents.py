"""Agents: recipes of one agent in one environment, each minutes on a processor core.

What they reach is measured with these very numbers (`make figures-agents`, benchmarks/results). In
an environment of another library the same recipe acts and learns: `meadow train sac --env
gymnasium:Pendulum-v1`.
"""

import dataclasses
from typing import Any

from meadow.agents.d4pg import D4PG
from meadow.agents.dqn import DQN
from meadow.agents.framed import Framed
from meadow.agents.impala import IMPALA
from meadow.agents.mpo import MPO
from meadow.agents.normalised import Normalised
from meadow.agents.ppo import PPO
from meadow.agents.r2d2 import R2D2
from meadow.agents.rnd import RND
from meadow.agents.sac import SAC
from meadow.agents.td3 import TD3
from meadow.core.environment import AbstractEnvironment
from meadow.core.learner import AbstractLearner
from meadow.core.task import AbstractTaskSpace
from meadow.envs import cartpole, pendulum
from meadow.envs.catch import Catch
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.critic import CriticPlan
from meadow.nn.plan import Plan
from meadow.nn.policy import PolicyPlan
from meadow.nn.worth import Categorical, Quantiles, Scalar
from meadow.recipes.outside import Outside
from meadow.recipes.recipe import Recipe
from meadow.replay.limiter import Limiter
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial
from meadow.tasks.box import Parameters
from meadow.testing.probes import Choice, DeepSea, TMaze

FLAT = Plan(features=64, memory=64, heads=0, core="none", recalls=False)
POLICY, NORMED_POLICY = PolicyPlan((64, 64)), PolicyPlan((64, 64), normed=True)
CRITICS, CRITIC = CriticPlan((64, 64)), CriticPlan((64, 64), num=1)
NORMED_CRITIC = CriticPlan((64, 64), num=1, normed=True)
LARGE = (256, 256, 256)
SEA = 18  # rows of the deep sea


def still(names: tuple[str, ...], standard: tuple[float, ...]) -> Parameters:
    """The standard physics, and no other."""
    return Parameters(names=names, low=standard, high=standard)


def alone(
    environment: AbstractEnvironment,
    tasks: AbstractTaskSpace,
    learner: AbstractLearner,
    steps: int,
    **changes: Any,
) -> Recipe:
    """So many steps of lives that an episode fills, judged ten times on the way."""
    each = changes.get("lives", 1) * changes["length"]
    given: dict[str, Any] = {"lives": 1, "held_out": 0.0, "episodes": 1, "looks": 10}
    given |= {"iterations": steps // each, "chunk": max(1, steps // 50 // each)}
    return Recipe(environment, tasks, learner, Trial(episodes=1), **given | changes)


def rehearsed(num: int, ratio: float, least: int, store: Replay) -> Rehearsal:
    """`ratio` updates for each step, from `num` windows each."""
    return Rehearsal(store, num, Limiter.ratio_of(ratio * num, least))


def cart(learner: AbstractLearner, steps: int, **changes: Any) -> Recipe:
    """A cart-pole."""
    tasks = still(cartpole.NAMES, cartpole.STANDARD)
    return alone(cartpole.CartPole(), tasks, learner, steps, **changes)


def rod(learner: AbstractLearner, steps: int, **changes: Any) -> Recipe:
    """A pendulum; where nothing else is said, an update from 128 transitions for every step."""
    tasks = still(pendulum.NAMES, pendulum.STANDARD)
    given = {"length": 10, "rehearsal": rehearsed(128, 1.0, 1000, Replay(50_000))}
    return alone(pendulum.Pendulum(), tasks, learner, steps, **given | changes)


def practised(learner: AbstractLearner, steps: int, store: Replay) -> Recipe:
    """A cart-pole, and an update from 64 windows for every step."""
    return cart(learner, steps, length=16, rehearsal=rehearsed(64, 1.0, 1000, store))


DQN_SMALL = DQN(
    FLAT, Scalar(huber=1.0), learning_rate=5e-4, adam_epsilon=1e-5, epsilon=(1.0, 0.05, 5_000)
)


def controlled(name: str, learner: AbstractLearner, steps: int, rehearsal: Rehearsal) -> Recipe:
    """Bodies of other libraries."""
    return alone(Outside(name), Choice(1), learner, steps, length=8, rehearsal=rehearsal)


# The reward of a cart-pole's step is 1/500: temperatures and errors are as small.
MUNCHAUSEN = dataclasses.replace(
    DQN_SMALL, worth=Scalar(huber=0.02), munchausen=(0.0003, 0.9, -0.002)
)
DQN_ATARI = alone(
    Outside("ale:Pong"),
    Choice(1),
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
    10_000_000,
    length=4,
    chunk=250,
    rehearsal=rehearsed(32, 0.25, 20_000, Replay(1_000_000, length=4, ends=50_000)),
)
R2D2_SMALL = R2D2(
    Plan(features=32, aside=8, memory=32, heads=0, core="lstm"),
    gamma=0.99,
    epsilon=(0.05, 1.0),
    burn_in=10,
    target_period=50,
    learning_rate=3e-3,
    adam_epsilon=1e-5,
    max_norm=10.0,
)
SEQUENCES = Replay(20_000, length=30, period=10, memory=True, selector=Prioritised(0.9, 0.6))
CURIOUS = RND(DQN(FLAT, learning_rate=1e-3, target_period=100, epsilon=(1.0, 0.05, 1000)))
PPO_SMALL = PPO(FLAT, learning_rate=2.5e-3, epochs=4, minibatches=4, value_clip=None)
PPO_CONTINUOUS = PPO(
    FLAT,
    gamma=0.97,
    learning_rate=1e-3,
    epochs=10,
    minibatches=8,
    entropy=0.0,
    value_clip=None,
)
MPO_SMALL = MPO(
    NORMED_POLICY, NORMED_CRITIC, learning_rate=5e-4, epsilon_mean=0.01, epsilon_spread=1e-4
)

AGENTS: dict[str, tuple[str, Recipe]] = {
    "dqn": (
        "DQN on a cart-pole: double, Huber, three steps.",
        practised(DQN_SMALL, 50_000, Replay(50_000, length=3)),
    ),
    "dqn-prioritised": (
        "DQN on a cart-pole: priorities and five steps.",
        practised(
            dataclasses.replace(DQN_SMALL, learning_rate=1e-3),
            30_000,
            Replay(50_000, length=5, selector=Prioritised(0.6, 0.4)),
        ),
    ),
    "c51": (
        "C51 on a cart-pole: a distribution over 51 returns.",
        practised(
            DQN(FLAT, Categorical(0.0, 0.25), learning_rate=5e-4, epsilon=(1.0, 0.05, 10_000)),
            50_000,
            Replay(50_000),
        ),
    ),
    "qr-dqn": (
        "QR-DQN on a cart-pole: 32 quantiles of the return.",
        practised(
            dataclasses.replace(DQN_SMALL, worth=Quantiles(32, 0.02)),
            50_000,
            Replay(50_000, length=3),
        ),
    ),
    "munchausen": (
        "Munchausen DQN on a cart-pole.",
        practised(
            MUNCHAUSEN,
            50_000,
            Replay(50_000, length=3),
        ),
    ),
    "dqn-atari": ("DQN on Pong as published: 10 million steps, made for a GPU.", DQN_ATARI),
    "r2d2": (
        "R2D2 in a T-maze: a cue to remember for ten steps.",
        alone(
            TMaze(length=10),
            Choice(2),
            R2D2_SMALL,
            64_000,
            lives=16,
            length=10,
            rehearsal=rehearsed(32, 1 / 32, 1000, SEQUENCES),
        ),
    ),
    "rnd": (
        "DQN with RND in a deep sea: a treasure that chance does not find.",
        alone(
            DeepSea(SEA),
            Choice(1),
            CURIOUS,
            1400 * SEA,
            length=50,
            rehearsal=rehearsed(32, 1.0, 200, Replay(50_000)),
        ),
    ),
    "ppo": ("PPO on a cart-pole, as people run it.", cart(PPO_SMALL, 99_840, lives=8, length=64)),
    "ppo-continuous": (
        "PPO on a pendulum, with observations and rewards normalised.",
        rod(
            Normalised(PPO_CONTINUOUS, returns=0.95),
            399_360,
            lives=16,
            length=128,
            rehearsal=None,
        ),
    ),
    "impala": (
        "IMPALA at catch.",
        alone(Catch(), Choice(5), IMPALA(learning_rate=3e-3), 99_840, lives=8, length=20),
    ),
    "sac": ("SAC on a pendulum.", rod(SAC(POLICY, CRITICS, learning_rate=1e-3), 15_000)),
    "td3": (
        "TD3 on a pendulum.",
        rod(TD3(POLICY, CRITICS, learning_rate=1e-3, gamma=0.97, noise=0.2), 15_000),
    ),
    "d4pg": (
        "D4PG on a pendulum: a distribution of returns, an update for two steps.",
        rod(
            D4PG(
                POLICY, CriticPlan((64, 64), num=1), Categorical(-1500.0, 0.0), learning_rate=1e-3
            ),
            10_000,
            rehearsal=rehearsed(128, 0.5, 1000, Replay(50_000)),
        ),
    ),
    "d4pg-control": (
        "D4PG in the Control Suite: 51 atoms, five steps, an update for eight steps.",
        controlled(
            "dm_control:cartpole-swingup",
            D4PG(
                PolicyPlan(LARGE, normed=True),
                CriticPlan(LARGE, num=1, normed=True),
                Categorical(-150.0, 150.0),
                noise=0.3,
            ),
            200_000,
            rehearsed(256, 1 / 8, 1000, Replay(1_000_000, length=5)),
        ),
    ),
    "sac-control": (
        "SAC in MuJoCo or the Control Suite: an update for every step.",
        controlled(
            "gymnasium:HalfCheetah-v5",
            SAC(learning_rate=1e-3),
            60_000,
            rehearsed(256, 1.0, 5000, Replay(1_000_000)),
        ),
    ),
    "mpo": ("MPO on a pendulum.", rod(MPO_SMALL, 20_000, length=50)),
    "dmpo": (
        "MPO with a distribution of returns, on a pendulum.",
        rod(dataclasses.replace(MPO_SMALL, worth=Categorical(-600.0, 0.0, 61)), 20_000, length=50),
    ),
}
