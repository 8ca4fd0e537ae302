"""Rows: agents that nobody pays, who are shown how the pendulum is swung up.

Shown are the last ten episodes of each life of the recipe `sac`; one agent for each of them.
"""

import numpy as np
from agents.case import Claim, Curves, learn, means, recipe, show
from agents.rows_offline import BC_, PUBLISHED, datasets, learnt

from meadow.agents.ail import AIL
from meadow.data.recorded import Recorded
from meadow.recipes.agents import CRITICS

LAST = 2_000  # steps, ten episodes


def ail() -> None:
    """AIL around SAC: a pendulum from ten episodes of another SAC, and BC from the same ten."""
    shown = [data.part(-LAST, None) for data in datasets()]
    curves = [imitate(data) for data in shown]
    joined = {name: np.concatenate([x[name] for x in curves], axis=1) for name in curves[0]}
    runs = {"AIL with SAC": joined, "BC": learnt(BC_, shown)}
    text = "Shown ten episodes and told no reward, AIL swings a pendulum up within 15,000 steps"
    claim = Claim(text, -300, PUBLISHED)
    better = {"as well as BC or better": bool(np.greater_equal(*means(runs, claim)))}
    show("ail", claim, runs, along="updates", **better)


def imitate(data: Recorded) -> Curves:
    """One seed: its updates, greedy returns by the environment's reward, and seconds."""
    sac = recipe("sac").learner
    chosen = recipe("sac", learner=AIL(sac, data.trajectory, CRITICS, learning_rate=1e-3))
    curves = learn(chosen, looks=15, seeds=1)
    updates = [[chosen.rehearsal.updates(int(steps))] for (steps,) in curves.pop("steps")]
    return {"updates": np.array(updates), **curves}
