"""Case: an agent learns something small; several seeds, judged on the way by what is likeliest.

A row passes when all seeds but one reach the threshold, as the specification of these rows has it;
beside it stands what was published for that budget.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np
from curves import Figures, interval

from meadow.evaluation.greedy import greedy
from meadow.evaluation.trials import lived
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment, Progress

FIGURES = Figures("agents")
SEEDS, EPISODES = 3, 20

Curves = dict[str, np.ndarray]
"""By name, `[looks, seeds]`."""


class Claim(NamedTuple):
    """What a row shows.

    Attributes:
        text: in a sentence.
        least: return that all seeds but one must reach.
        published: where, and what was reached there.
        last: so many last looks count.
        mean: by their mean; otherwise by the best of them.
    """

    text: str
    least: float
    published: Mapping[str, Any]
    last: int = 1
    mean: bool = False


def learn(
    experiment: Experiment, steps: int, *, looks: int = 10, seeds: int = SEEDS, paid: float = 1.0
) -> Curves:
    """Live `steps` steps of each seed: steps, greedy returns and seconds at each look.

    Args:
        paid: what the environment's rewards are multiplied with before they are written down.
    """
    placement, begun = Compiled(experiment, seeds=seeds), time.process_time()
    progress = placement.begin(key=jr.key(0))
    each = steps // looks // experiment.steps
    judge = judged(experiment)
    found: list[tuple] = []
    for look in range(looks + 1):
        if look:
            progress, _ = placement.run(progress, each)
        returns = paid * np.asarray(judge(progress, jr.key(look)))
        done = look * each * experiment.steps
        found.append((np.full(seeds, done), returns, np.full(seeds, time.process_time() - begun)))
        print(f"{done:9,} {np.round(returns, 1)} {found[-1][2][0]:6.0f} core-s", flush=True)
    return {
        name: np.array([row[i] for row in found])
        for i, name in enumerate(("steps", "return", "core_seconds"))
    }


def judged(experiment: Experiment) -> Any:
    """The mean return of some episodes of every seed's greedy agent, as a compiled function."""

    def one(progress: Progress, key: jax.Array) -> jax.Array:
        agent = greedy(experiment.agent(progress.learner))
        tasks = experiment.curriculum.sample(progress.curriculum, EPISODES, key=key).tasks
        return lived(experiment.environment, agent, tasks, 1, key=key).returns.mean()

    def all_seeds(progress: Progress, key: jax.Array) -> jax.Array:
        held = progress.learner, progress.curriculum
        return jax.lax.map(
            lambda x: one(progress._replace(learner=x[0], curriculum=x[1]), key), held
        )

    return jax.jit(all_seeds)


def reached(curves: Curves, claim: Claim) -> np.ndarray:
    """What each seed reached."""
    late = curves["return"][-claim.last :]
    return late.mean(axis=0) if claim.mean else late.max(axis=0)


def show(name: str, claim: Claim, runs: Mapping[str, Curves], **others: bool) -> None:
    """Write and draw a row.

    Args:
        runs: the first is the one the claim is about.
        others: what else must hold.
    """
    first = next(iter(runs.values()))
    returns = reached(first, claim)
    most = int((returns >= claim.least).sum())
    verdict = {
        "found": {
            which: {
                "return": interval(reached(curves, claim)),
                "seeds": np.round(reached(curves, claim), 3).tolist(),
                "core_seconds_a_seed": float(curves["core_seconds"][-1, 0] / len(returns)),
            }
            for which, curves in runs.items()
        },
        "published": dict(claim.published),
        "passes": {f"all seeds but one >= {claim.least:g}": most >= len(returns) - 1} | others,
    }
    FIGURES.save(name, claim.text, runs, {"return": ["return"]}, verdict, along="steps")
