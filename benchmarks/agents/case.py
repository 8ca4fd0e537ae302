"""Case: an agent learns something small; several seeds, judged on the way without its luck.

What learns is a recipe of `meadow train`. Its settings were chosen on other seeds than those shown.
A row passes when all seeds but one reach the threshold; beside it stands what was published.
"""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np
from curves import Figures, interval

from meadow.core.agent import AbstractAgent
from meadow.evaluation.greedy import greedy
from meadow.evaluation.trials import lived
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment, Progress
from meadow.recipes.agents import AGENTS
from meadow.recipes.recipe import Recipe

FIGURES = Figures("agents")
SEEDS, EPISODES = 3, 100
SHOWN = 1  # the key of all seeds; settings were chosen on those of key 0 and others
AFRESH = 100  # of rows that were settled when those of SHOWN had been seen: never used before

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


def recipe(name: str, **changes: Any) -> Recipe:
    """Of `meadow train`, by name; fields of its learner may be changed, or all of it."""
    found = AGENTS[name][1]
    if "learner" in changes:
        return dataclasses.replace(found, **changes)
    return dataclasses.replace(found, learner=dataclasses.replace(found.learner, **changes))


def learn(
    recipe: Recipe, *, looks: int = 10, paid: float = 1.0, seeds: int = SEEDS, shown: int = SHOWN
) -> Curves:
    """Live the recipe with each seed: steps, greedy returns and seconds at each look.

    Args:
        shown: the key of the seeds.
        paid: what the environment's rewards are multiplied with before they are written down.
    """
    experiment = recipe.experiment()
    placement, begun = Compiled(experiment, seeds=seeds), time.process_time()
    progress = placement.begin(key=jr.key(shown))
    judge, found = judged(experiment), []
    ends = np.linspace(0, recipe.iterations, looks + 1).astype(int)
    for look, end in enumerate(ends):
        if look:
            progress, _ = placement.run(progress, int(end - ends[look - 1]))
        returns = paid * np.asarray(judge(progress, jr.key(look)))
        done, spent = end * experiment.steps, time.process_time() - begun
        found.append((np.full(seeds, done), returns, np.full(seeds, spent / seeds)))
        print(f"{done:9,} {np.round(returns, 2)} {spent:6.0f} core-s", flush=True)
    return {
        name: np.array([row[i] for row in found])
        for i, name in enumerate(("steps", "return", "core_seconds"))
    }


def judged(experiment: Experiment) -> Any:
    """The mean return of some episodes of every seed's greedy agent, as a compiled function."""

    def one(progress: Progress, key: jax.Array) -> jax.Array:
        agent = experiment.agent(progress.learner)
        return returned(experiment, agent, progress.curriculum, key)

    def all_seeds(progress: Progress, key: jax.Array) -> jax.Array:
        held = progress.learner, progress.curriculum
        return jax.lax.map(
            lambda x: one(progress._replace(learner=x[0], curriculum=x[1]), key), held
        )

    return jax.jit(all_seeds)


def returned(
    experiment: Experiment, agent: AbstractAgent, curriculum: Any, key: jax.Array
) -> jax.Array:
    """The mean return of some episodes of an agent without its luck.

    Args:
        curriculum: what the experiment's curriculum knows.
    """
    tasks = experiment.curriculum.sample(curriculum, EPISODES, key=key).tasks
    return lived(experiment.environment, greedy(agent), tasks, 1, key=key).returns.mean()


def reached(curves: Curves, claim: Claim) -> np.ndarray:
    """What each seed reached."""
    late = curves["return"][-claim.last :]
    return late.mean(axis=0) if claim.mean else late.max(axis=0)


def means(runs: Mapping[str, Curves], claim: Claim) -> list[float]:
    """What each run's seeds reached on average."""
    return [float(reached(curves, claim).mean()) for curves in runs.values()]


def show(
    name: str, claim: Claim, runs: Mapping[str, Curves], *, along: str = "steps", **others: bool
) -> None:
    """Write and draw a row.

    Args:
        runs: the first is the one the claim is about.
        along: the curve that is the horizontal axis.
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
                "core_seconds_a_seed": float(curves["core_seconds"][-1].mean()),
            }
            for which, curves in runs.items()
        },
        "published": dict(claim.published),
        "passes": {f"all seeds but one >= {claim.least:g}": most >= len(returns) - 1} | others,
    }
    FIGURES.save(name, claim.text, runs, {"return": ["return"]}, verdict, along=along)
