"""Looks: an agent judged now and then while it learns, and its best kept as a policy.

It acts without its luck, in environments and with keys of their own, so that looking changes
nothing of the run.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.random as jr
import numpy as np

from meadow.agents.random import Random
from meadow.core.agent import AbstractAgent
from meadow.core.errors import MeadowError
from meadow.evaluation.greedy import greedy
from meadow.evaluation.hosted import returns
from meadow.evaluation.interval import Estimate
from meadow.evaluation.robust import aggregate
from meadow.evaluation.trials import lived
from meadow.loops.iteration import Experiment, Progress, example
from meadow.recipes.outside import Outside
from meadow.recipes.recipe import Recipe
from meadow.rollout.host import AbstractHost
from meadow.runs import atomic, policy
from meadow.runs.folder import Run

JUDGED = "judged"
EPISODES, PROGRAMS = 20, 5
_APART = 7919  # seeds of judging lie so far from those of training


class Looks:
    """Judges `recipe.looks` times over a run: the mean return of some episodes.

    Args:
        start: iterations done before, in a run that goes on.

    Leaves `best.safetensors` and `last.safetensors`, which act by themselves
    (`meadow.runs.policy`). Close it in the end: it opens environments of its own.
    """

    def __init__(self, recipe: Recipe, experiment: Experiment, run: Run, start: int = 0):
        self._recipe, self._experiment, self._run = recipe, experiment, run
        self._between = max(1, recipe.iterations // recipe.looks) if recipe.looks else math.inf
        self._host: AbstractHost | None = None
        self._best_path = run.path / "best.safetensors"
        # A run that goes on knows when it was judged, and what its best was worth.
        self._done = int(start // self._between)
        known = self._done and self._best_path.exists()
        self._best = float(policy.about(self._best_path)["return"]) if known else -math.inf

    def __call__(self, iteration: int, progress: Progress) -> dict[str, Any]:
        """The metric `judged`, if it is time."""
        look = int(iteration // self._between)
        if look <= self._done:
            return {}
        self._done = look
        agent = greedy(self._experiment.agent(progress.learner))
        score = float(self._judge(agent, progress, look))
        self._keep(agent, score, progress)
        return {JUDGED: np.float32(score)}

    def close(self) -> None:
        """End what it opened."""
        if self._host is not None:
            self._host.close()
            self._host = None

    def _judge(self, agent: AbstractAgent, progress: Progress, look: int) -> float:
        seed = self._recipe.seed + _APART
        key = jr.fold_in(jr.key(seed), look)
        if isinstance(self._recipe.environment, Outside):
            if self._host is None:
                self._host = self._recipe.environment.open(PROGRAMS, seed)
            return float(returns(self._host, agent, EPISODES, seed=look, key=key).mean())
        curriculum = self._experiment.curriculum
        tasks = curriculum.sample(progress.curriculum, EPISODES, key=key).tasks
        outcome = lived(self._experiment.environment, agent, tasks, 1, key=key)
        return float(outcome.returns.mean())

    def _keep(self, agent: AbstractAgent, score: float, progress: Progress) -> None:
        """As the last, and where it is so as the best."""
        last = self._run.path / "last.safetensors"
        tasks = self._experiment.curriculum.sample(progress.curriculum, 1, key=jr.key(0)).tasks
        task = jax.tree.map(lambda x: x[0], tasks)
        shown = example(self._experiment.environment, task).observation
        about = {"return": repr(score), "seed": str(self._recipe.seed)}
        policy.save(last, agent, shown, about)
        if score > self._best:
            self._best = score
            atomic.write(self._best_path, last.read_bytes())


def visited(
    recipe: Recipe, agents: Sequence[AbstractAgent], *, episodes: int = EPISODES, seed: int = 0
) -> dict[str, Estimate]:
    """Mean returns in an environment outside, with intervals, over agents where there are several:
    without their luck, as they act while they learn, and of one that acts at random.

    Raises:
        MeadowError: the environment is not there.
    """
    if not isinstance(recipe.environment, Outside):
        raise MeadowError(f"{type(recipe.environment).__name__} is not outside.")
    seed, found = seed + _APART, {}
    with recipe.environment.open(PROGRAMS, seed) as programs:
        random = Random(programs.environment.action_spec)
        kinds = {"agent": [greedy(x) for x in agents], "sampling": agents}
        for name, those in (kinds | {"random": [random]}).items():
            got = [
                returns(programs, agent, episodes, seed=i, key=jr.fold_in(jr.key(seed), i))
                for i, agent in enumerate(those)
            ]
            found[name] = aggregate(np.stack(got), "mean")
    return found
