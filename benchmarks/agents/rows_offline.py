"""Rows: agents that learn from a dataset alone, which SAC left behind when it learnt the pendulum.

Three datasets, each all 15,000 steps of a life of the recipe `sac`; one agent for each of them. For
the ordering nine, of 4,000 steps: some hold a swing that went well, and some do not.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Mapping

import jax
import jax.random as jr
import numpy as np
from agents.case import AFRESH, SEEDS, Claim, Curves, means, reached, recipe, returned, show

from meadow.agents.bc import BC
from meadow.agents.cql import CQL
from meadow.agents.crr import CRR
from meadow.agents.iql import IQL
from meadow.agents.sac import SAC
from meadow.agents.td3 import TD3
from meadow.core.learner import AbstractLearner
from meadow.data.recorded import Recorded
from meadow.loops.compiled import Compiled
from meadow.loops.offline import Offline, recorded
from meadow.nn.critic import CriticPlan
from meadow.recipes.agents import CRITICS, NORMED_POLICY, POLICY
from meadow.replay.replay import Replay

UPDATES, FEWER, LOOKS = 10_000, 6_000, 5
FEW, LIVES = 4_000, 9
NORMED = CriticPlan((64, 64), normed=True)
LAST, ALL = slice(10_000, None), slice(None)
IQL_, CRR_, BC_, TD3_ = (
    IQL(POLICY, CRITICS, gamma=0.97, learning_rate=1e-3, updates=UPDATES),
    CRR(POLICY, CRITICS, gamma=0.97, learning_rate=1e-3),
    BC(POLICY, learning_rate=1e-3),
    TD3(NORMED_POLICY, NORMED, gamma=0.97, learning_rate=1e-3, bc=5.0),  # the paper has 2.5
)
CQL_ = CQL(SAC(POLICY, CRITICS, gamma=0.97, learning_rate=1e-3), warmup=1000, policy_rate=1e-3)
PUBLISHED = {"Pendulum-v1, usual for a tuned agent": -150, "random": -1200}


@functools.cache
def datasets(seeds: int = SEEDS, steps: int = 15_000, shown: int = AFRESH) -> list[Recorded]:
    """What each seed of SAC lived at first."""
    experiment = recipe("sac").experiment()
    placement = Compiled(experiment, seeds=seeds)
    progress, _ = placement.run(placement.begin(key=jr.key(shown)), steps // experiment.steps)
    spec = experiment.environment.action_spec
    stores = (jax.tree.map(lambda x, i=i: x[i], progress.store) for i in range(seeds))
    return [recorded(store, spec) for store in stores]


def learn(learner: AbstractLearner, rows: slice = ALL, shown: int = AFRESH) -> Curves:
    """Learn from some rows of each dataset: updates, greedy returns and seconds at each look."""
    found = datasets(shown=shown)
    return learnt(learner, [data.part(rows.start, rows.stop) for data in found], UPDATES)


def learnt(learner: AbstractLearner, datasets: list[Recorded], updates: int) -> Curves:
    """The same, from all of any datasets."""
    found = [_learnt(learner, data, updates) for data in datasets]
    print(type(learner).__name__, np.round([x[-1, 1] for x in found], 1), flush=True)
    curves = np.stack(found, axis=-1)
    names = ("updates", "return", "core_seconds")
    return {name: curves[:, i] for i, name in enumerate(names)}


def _learnt(learner: AbstractLearner, data: Recorded, updates: int) -> np.ndarray:
    """`[looks, 3]`."""
    experiment, begun = recipe("sac").experiment(), time.process_time()
    placement = Offline(learner, Replay(data.steps), 256, data)
    progress = placement.begin(key=jr.key(AFRESH))

    @jax.jit
    def judge(state, key):
        known = experiment.curriculum.init(key=key)
        return returned(experiment, learner.agent(state), known, key)

    found = []
    for look in range(1, LOOKS + 1):
        progress, _ = placement.run(progress, updates // LOOKS)
        returns = float(judge(progress.learner, jr.key(look)))
        found.append((look * updates // LOOKS, returns, time.process_time() - begun))
    return np.array(found)


def row(
    name: str, text: str, least: float, learner: AbstractLearner, last: int = 1, shown: int = AFRESH
) -> None:
    """Of one learner and the whole datasets."""
    claim = Claim(f"{text} that SAC left behind", least, PUBLISHED, last=last)
    runs = {name.upper().replace("_", "+"): learn(learner, shown=shown)}
    show(name, claim, runs, along="updates")


def bc() -> None:
    """BC: good data it copies, mixed data it had better judge."""
    good, mixed, judged = learn(BC_, LAST), learn(BC_), learn(CRR_)
    claim = Claim("What is copied should be good: the last third of SAC's steps", -200, PUBLISHED)
    runs = {"BC, last 5,000 steps": good, "BC, all 15,000": mixed, "CRR, all 15,000": judged}
    worse = reached(judged, claim) - reached(mixed, claim)
    passes = {"on all of it 100 worse than CRR": bool((worse >= 100).sum() >= SEEDS - 1)}
    show("bc", claim, runs, along="updates", **passes)


def td3_bc() -> None:
    """TD3+BC: a pendulum from 15,000 steps of SAC's."""
    learner = dataclasses.replace(TD3_, bc=10.0)  # chosen when the datasets of AFRESH had been seen
    row("td3_bc", "TD3+BC swings a pendulum up from 15,000 steps", -260, learner, shown=AFRESH + 1)


def crr() -> None:
    """CRR: the same."""
    row("crr", "CRR swings a pendulum up from 15,000 steps", -220, CRR_)


def iql() -> None:
    """IQL: the same."""
    row("iql", "IQL swings a pendulum up from 15,000 steps", -220, IQL_)


def cql() -> None:
    """CQL: the same; the better of the last two looks."""
    row("cql", "CQL swings a pendulum up from 15,000 steps", -300, CQL_, last=2)


def offline_ordering() -> None:
    """From SAC's first 4,000 steps, who judges what was done does better than who copies it."""
    few = datasets(LIVES, FEW)
    runs = {name: learnt(learner, few, FEWER) for name, learner in ORDER.items()}
    claim = Claim("From SAC's first 4,000 steps judging beats copying", -350, PUBLISHED)
    ordered = all(a > b for a, b in itertools.pairwise(means(runs, claim)))
    show("offline_ordering", claim, runs, along="updates", **{" > ".join(runs): ordered})


# Networks that are normed overfit so few steps less, and so do fewer updates. Most steps are bad:
# IQL learns from the best of them, with what its paper has for mazes, where that is so, too.
ORDER: Mapping[str, AbstractLearner] = {
    "IQL": dataclasses.replace(
        IQL_,
        policy=NORMED_POLICY,
        critics=NORMED,
        expectile=0.9,
        sharpness=10.0,
        updates=FEWER,
    ),
    "CRR": dataclasses.replace(CRR_, policy=NORMED_POLICY, critics=NORMED),
    "TD3+BC": TD3_,
    "BC": dataclasses.replace(BC_, policy=NORMED_POLICY),
}
