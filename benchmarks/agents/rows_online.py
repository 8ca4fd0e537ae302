"""Rows: agents that live what they learn from; each is a recipe of the same name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents.case import AFRESH, Claim, learn, reached, recipe, show

from meadow.agents.lagged import Lagged
from meadow.recipes.agents import CURIOUS, R2D2_SMALL

CART = {"CartPole-v1, solved at": 475, "best possible": 500}
ROD = {"Pendulum-v1, usual for a tuned agent": -150, "random": -1200}
POINTS = 500  # a step of the cart-pole is paid 1/500


def row(name: str, text: str, least: float, published: Mapping[str, Any], **others: Any) -> None:
    """Of one recipe. `others` are `paid` and `looks` of `learn`, `last` and `mean` of a claim."""
    how = {which: others.pop(which) for which in ("paid", "looks") if which in others}
    chosen = recipe(name.replace("_", "-"))
    claim = Claim(f"{text} within {chosen.steps:,} steps", least, published, **others)
    show(name, claim, {name.replace("_", " ").upper(): learn(chosen, **how)})


def cart(name: str, who: str, least: float = 400) -> None:
    """Of agents that balance; the best of the last three looks counts."""
    row(name, f"{who} balances a cart-pole", least, CART, last=3, paid=POINTS)


def rod(name: str, who: str, least: float, last: int) -> None:
    """Of agents that swing up; the mean of the last looks counts, one every thousand steps."""
    looks = recipe(name).steps // 1000
    row(name, f"{who} swings a pendulum up", least, ROD, last=last, mean=True, looks=looks)


def dqn() -> None:
    """DQN, double, three steps: a cart-pole in 50,000 steps."""
    cart("dqn", "DQN")


def dqn_prioritised() -> None:
    """DQN with priorities and five steps: a cart-pole in 30,000 steps."""
    cart("dqn_prioritised", "DQN with priorities", 450)


def c51() -> None:
    """C51: a cart-pole in 50,000 steps."""
    cart("c51", "C51")


def qr_dqn() -> None:
    """Quantile regression: a cart-pole in 50,000 steps."""
    cart("qr_dqn", "QR-DQN")


def munchausen() -> None:
    """Munchausen DQN: a cart-pole in 50,000 steps."""
    cart("munchausen", "Munchausen DQN")


def r2d2() -> None:
    """R2D2 remembers a cue for ten steps; without a memory it cannot."""
    without = dataclasses.replace(R2D2_SMALL.plan, core="none")
    runs = {"R2D2": learn(recipe("r2d2")), "no memory": learn(recipe("r2d2", plan=without))}
    published = {"best possible": 1.0, "best without a memory": 0.5}
    claim = Claim("R2D2 remembers a cue for ten steps", 0.95, published)
    control = runs["no memory"]["return"][-1].max()
    show("r2d2", claim, runs, **{"without a memory at most .6": bool(control <= 0.6)})


def rnd() -> None:
    """A bonus for what is new finds a treasure that chance does not."""
    without = recipe("rnd", learner=CURIOUS.learner)
    sea = {"looks": 14, "shown": AFRESH}
    runs = {"DQN with RND": learn(recipe("rnd"), **sea), "DQN": learn(without, **sea)}
    text = "A bonus for what is new finds the treasure of a deep sea of 18"
    claim = Claim(text, 0.95, {"best possible": 0.99}, last=2)
    failed = reached(runs["DQN"], claim).max() <= 0.05
    show("rnd", claim, runs, **{"without it nobody does": bool(failed)})


def ppo() -> None:
    """PPO: a cart-pole in 100,000 steps."""
    row("ppo", "PPO balances a cart-pole", 475, CART, looks=13, paid=POINTS)


def ppo_continuous() -> None:
    """PPO with actions that are numbers: a pendulum in 400,000 steps."""
    row("ppo_continuous", "PPO swings a pendulum up", -250, ROD)


def impala() -> None:
    """IMPALA: a policy eight updates old costs next to nothing."""
    learner = recipe("impala").learner
    runs = {
        f"lag {lag}": learn(recipe("impala", learner=Lagged(learner, lag)), looks=12)
        for lag in (8, 1)
    }
    gap = abs(runs["lag 8"]["return"][-1].mean() - runs["lag 1"]["return"][-1].mean())
    text = "V-trace makes up for a policy that is eight updates old"
    claim = Claim(text, 0.7, {"best possible": 1.0})
    show("impala", claim, runs, **{"within .1 of lag 1": bool(gap <= 0.1)})


def sac() -> None:
    """SAC: a pendulum in 15,000 steps, from 8,000 on."""
    rod("sac", "SAC", -180, 8)


def td3() -> None:
    """TD3: a pendulum in 15,000 steps."""
    rod("td3", "TD3", -180, 1)


def d4pg() -> None:
    """D4PG: a pendulum in 10,000 steps, half as many updates; from 5,000 on."""
    rod("d4pg", "D4PG", -230, 6)


def mpo() -> None:
    """MPO: a pendulum in 20,000 steps."""
    rod("mpo", "MPO", -200, 1)


def dmpo() -> None:
    """DMPO: the same with a distribution of returns."""
    rod("dmpo", "DMPO", -200, 1)
