"""Rows: agents whose actions are numbers, learning from a store."""

import dataclasses

from agents.case import Claim, learn, show

from meadow.agents.d4pg import D4PG
from meadow.agents.mpo import MPO
from meadow.agents.sac import SAC
from meadow.agents.td3 import TD3
from meadow.core.learner import AbstractLearner
from meadow.curricula.uniform import Uniform
from meadow.envs import pendulum
from meadow.loops.iteration import Experiment
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.critic import CriticPlan
from meadow.nn.policy import PolicyPlan
from meadow.nn.worth import Categorical
from meadow.recipes.agents import still
from meadow.replay.limiter import Limiter
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial

POLICY, CRITICS = PolicyPlan((64, 64)), CriticPlan((64, 64))
PUBLISHED = {"Pendulum-v1, usual for a tuned agent": -150, "random": -1200}


def rod(learner: AbstractLearner, ratio: float = 128.0, chunk: int = 10) -> Experiment:
    """One pendulum; 128 windows of a step to an update."""
    return Experiment(
        environment=pendulum.Pendulum(),
        curriculum=Uniform(still(pendulum.NAMES, pendulum.STANDARD)),
        learner=learner,
        trial=Trial(episodes=1),
        lives=1,
        length=chunk,
        rehearsal=Rehearsal(Replay(20_000), 128, Limiter.ratio_of(ratio, 1000)),
    )


def row(name: str, text: str, claim: Claim, experiment: Experiment, steps: int) -> None:
    """A row of pendulums, looked at every thousand steps."""
    curves = learn(experiment, steps, looks=steps // 1000)
    show(name, claim._replace(text=text), {name.upper(): curves})


def sac() -> None:
    """SAC: a pendulum in 15,000 steps."""
    claim = Claim("", -180, PUBLISHED, last=8, mean=True)
    learner = SAC(POLICY, CRITICS, learning_rate=1e-3)
    row("sac", "SAC swings a pendulum up within 8,000 steps", claim, rod(learner), 15_000)


def td3() -> None:
    """TD3: a pendulum in 15,000 steps."""
    claim = Claim("", -180, PUBLISHED, last=8, mean=True)
    learner = TD3(POLICY, CRITICS, learning_rate=1e-3, gamma=0.97, noise=0.2)
    row("td3", "TD3 swings a pendulum up within 8,000 steps", claim, rod(learner), 15_000)


def d4pg() -> None:
    """D4PG: a pendulum in 10,000 steps, half as many updates."""
    claim = Claim("", -230, PUBLISHED, last=6, mean=True)
    learner = D4PG(
        POLICY, CriticPlan((64, 64), num=1), Categorical(-1500.0, 0.0), learning_rate=1e-3
    )
    text = "D4PG swings a pendulum up within 5,000 steps"
    row("d4pg", text, claim, rod(learner, 64.0), 10_000)


def mpo() -> None:
    """MPO: a pendulum in 20,000 steps."""
    claim = Claim("", -200, PUBLISHED, last=3, mean=True)
    text = "MPO swings a pendulum up within 20,000 steps"
    row("mpo", text, claim, rod(MPO_SMALL, chunk=50), 20_000)


def dmpo() -> None:
    """DMPO: the same with a distribution of returns."""
    learner = dataclasses.replace(MPO_SMALL, worth=Categorical(-600.0, 0.0, 61))
    claim = Claim("", -200, PUBLISHED, last=3, mean=True)
    text = "DMPO swings a pendulum up within 20,000 steps"
    row("dmpo", text, claim, rod(learner, chunk=50), 20_000)


MPO_SMALL = MPO(
    PolicyPlan((64, 64), normed=True),
    CriticPlan((64, 64), num=1, normed=True),
    learning_rate=5e-4,
    epsilon_mean=0.01,
    epsilon_spread=1e-4,
)
