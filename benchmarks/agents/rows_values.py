"""Rows: agents that learn what actions are worth."""

import dataclasses

from agents.case import Claim, learn, reached, show

from meadow.agents.dqn import DQN
from meadow.agents.r2d2 import R2D2
from meadow.agents.rnd import RND
from meadow.core.learner import AbstractLearner
from meadow.curricula.uniform import Uniform
from meadow.envs import cartpole
from meadow.loops.iteration import Experiment
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.plan import Plan
from meadow.nn.worth import Categorical, Quantiles, Scalar
from meadow.recipes.agents import FLAT, still
from meadow.replay.limiter import Limiter
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial
from meadow.testing.probes import Choice, DeepSea, TMaze

SIZE = 14  # of the deep sea
POINTS = 500  # a step of the cart-pole is paid 1/500, and errors of worths are as small
PLAIN = DQN(
    FLAT,
    Scalar(huber=0.02),
    learning_rate=5e-4,
    adam_epsilon=1e-5,
    epsilon=(1.0, 0.05, 5_000),
)
SOLVED = {"CartPole-v1, solved at": 475, "best possible": 500}


def cart(learner: DQN, store: Replay) -> Experiment:
    """One cart, an update from 64 windows for every step."""
    return Experiment(
        environment=cartpole.CartPole(),
        curriculum=Uniform(still(cartpole.NAMES, cartpole.STANDARD)),
        learner=learner,
        trial=Trial(episodes=1),
        lives=1,
        length=64,
        rehearsal=Rehearsal(store, 64, Limiter.ratio_of(64.0, 1000)),
    )


def carts(name: str, text: str, least: float, steps: int, learner: DQN, store: Replay) -> None:
    """A row of carts."""
    curves = learn(cart(learner, store), steps, paid=POINTS)
    show(name, Claim(text, least, SOLVED, last=3), {name.upper(): curves})


def dqn() -> None:
    """DQN, double, three steps: a cart-pole in 50,000 steps."""
    text = "DQN balances a cart-pole within 50,000 steps"
    carts("dqn", text, 400, 50_000, PLAIN, Replay(50_000, length=3))


def dqn_prioritised() -> None:
    """DQN with priorities and five steps: a cart-pole in 30,000 steps."""
    text = "DQN with priorities balances a cart-pole within 30,000 steps"
    store = Replay(50_000, length=5, selector=Prioritised(0.6, 0.4))
    carts("dqn_prioritised", text, 450, 30_000, PLAIN, store)


def c51() -> None:
    """C51: a cart-pole in 50,000 steps."""
    learner = DQN(FLAT, Categorical(0.0, 0.25), learning_rate=5e-4, epsilon=(1.0, 0.05, 10_000))
    text = "C51 balances a cart-pole within 50,000 steps"
    carts("c51", text, 400, 50_000, learner, Replay(50_000))


def qr_dqn() -> None:
    """Quantile regression: a cart-pole in 50,000 steps."""
    learner = dataclasses.replace(PLAIN, worth=Quantiles(32, 0.02))
    text = "QR-DQN balances a cart-pole within 50,000 steps"
    carts("qr_dqn", text, 400, 50_000, learner, Replay(50_000, length=3))


def munchausen() -> None:
    """Munchausen DQN: a cart-pole in 50,000 steps."""
    learner = dataclasses.replace(PLAIN, munchausen=(0.0003, 0.9, -0.002))
    text = "Munchausen DQN balances a cart-pole within 50,000 steps"
    carts("munchausen", text, 400, 50_000, learner, Replay(50_000, length=3))


def r2d2() -> None:
    """R2D2 remembers a cue for ten steps; without a memory it cannot."""

    def maze(core: str) -> Experiment:
        plan = Plan(features=32, aside=8, memory=32, heads=0, core=core)
        learner = R2D2(
            plan,
            gamma=0.99,
            epsilon=(0.05, 1.0),
            burn_in=10,
            target_period=50,
            learning_rate=3e-3,
            adam_epsilon=1e-5,
            max_norm=10.0,
        )
        store = Replay(20_000, length=30, period=10, memory=True, selector=Prioritised(0.9, 0.6))
        return Experiment(
            environment=TMaze(length=10),
            curriculum=Uniform(Choice(2)),
            learner=learner,
            trial=Trial(episodes=1),
            lives=16,
            length=10,
            rehearsal=Rehearsal(store, 32, Limiter.ratio_of(1.0, 1000)),
        )

    runs = {"R2D2": learn(maze("lstm"), 64_000), "without a memory": learn(maze("none"), 64_000)}
    claim = Claim(
        "R2D2 remembers a cue for ten steps",
        0.95,
        {"best possible": 1.0, "best without a memory": 0.5},
    )
    control = runs["without a memory"]["return"][-1].max()
    show("r2d2", claim, runs, **{"without a memory at most .6": bool(control <= 0.6)})


def rnd() -> None:
    """A bonus for what is new finds a treasure that chance does not."""

    def sea(learner: AbstractLearner) -> Experiment:
        return Experiment(
            environment=DeepSea(SIZE),
            curriculum=Uniform(Choice(1)),
            learner=learner,
            trial=Trial(episodes=1),
            lives=1,
            length=50,
            rehearsal=Rehearsal(Replay(50_000), 32, Limiter.ratio_of(32.0, 200)),
        )

    plain = DQN(FLAT, learning_rate=1e-3, target_period=100, epsilon=(1.0, 0.05, 1000))
    runs = {
        "DQN with RND": learn(sea(RND(plain)), 1400 * SIZE, looks=14),
        "DQN": learn(sea(plain), 1400 * SIZE, looks=14),
    }
    claim = Claim(
        f"A bonus for what is new finds the treasure of a deep sea of {SIZE}",
        0.95,
        {"best possible": 0.99},
        last=2,
    )
    failed = reached(runs["DQN"], claim).max() <= 0.05
    show("rnd", claim, runs, **{"without it nobody does": bool(failed)})
