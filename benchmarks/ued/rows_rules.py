"""The headline row: curricula over hidden rules, judged on tasks that nobody ever practised.

It is the preset `rules`: task trees from trivial to hopeless, of which the student sees neither
goal nor rules. A quarter of all tasks is held out, by goal and rules; edits that would lead there
are not made.
"""

import dataclasses
from collections.abc import Callable
from typing import cast

import jax
import jax.random as jr
import numpy as np
from curves import interval
from ued.case import FIGURES, SEEDS, Curves, run, within

from meadow.core.agent import AbstractAgent
from meadow.core.curriculum import AbstractCurriculum
from meadow.curricula.accel import ACCEL
from meadow.curricula.buffer import Buffer
from meadow.curricula.plr import PLR
from meadow.curricula.sfl import SFL
from meadow.curricula.uniform import Uniform
from meadow.evaluation.robust import compare
from meadow.evaluation.trials import lived
from meadow.loops.iteration import Experiment
from meadow.recipes.presets import RULES
from meadow.tasks.rulesets import Rulesets, Within
from meadow.tasks.trees import Trees

WORLD = RULES.environment
SPACE = Within(Rulesets(cast(Trees, RULES.tasks)), fraction=RULES.held_out)
BUDGET, LOOKS = 4.0e6, 8  # steps of each seed, those of examined tasks included


def experiment(curriculum: AbstractCurriculum) -> Experiment:
    """The preset `rules` with that curriculum."""
    return dataclasses.replace(RULES.experiment(), curriculum=curriculum)


def look() -> Callable[[AbstractAgent], dict[str, float]]:
    """Of 512 held-out tasks, episodes solved; in a trial of four, all together and the last."""
    other = dataclasses.replace(SPACE, held_out=True)
    tasks = jax.jit(jax.vmap(lambda key: other.sample(key=key)))(jr.split(jr.key(111), 512))

    def look(agent: AbstractAgent) -> dict[str, float]:
        found = np.asarray(lived(WORLD, agent, tasks, RULES.episodes, key=jr.key(112)).success)
        return {"held out": float(found.mean()), "last episode": float(found[:, -1].mean())}

    return look


def along_steps(curves: Curves) -> np.ndarray:
    """The mean height of a curve over the budget, by seed, whenever it was looked at."""
    steps, values = curves["steps"][:, 0], curves["held out"]
    grid = np.linspace(0, BUDGET * 1e-6, 101)
    return np.array([np.interp(grid, steps, row).mean() for row in values.T])


def rules() -> None:
    """Hidden rules: SFL, PLR and ACCEL beside uniform sampling, on held-out tasks, equal steps."""
    buffer = Buffer(1024, temperature=1.0, staleness=0.3)
    plr = PLR(SPACE, buffer, "learnability", candidates=RULES.lives)
    curricula = {
        "uniform": Uniform(SPACE),
        "SFL": SFL(SPACE, capacity=256, candidates=1024, period=20, share=0.7),
        "robust PLR": plr,
        "ACCEL": ACCEL(dataclasses.replace(plr, replay=0.8), edits=2, empty=True),
    }
    judged = look()
    runs: dict[str, Curves] = {}
    for name, curriculum in curricula.items():
        print(name, flush=True)
        what = experiment(curriculum)
        runs[name] = run(what, *within(what, BUDGET, LOOKS), judged, seeds=SEEDS)[0]
    areas = {name: along_steps(curves) for name, curves in runs.items()}
    last = {name: curves["held out"][-1] for name, curves in runs.items()}
    others = [name for name in runs if name != "uniform"]
    ends = {name: interval(x) for name, x in last.items()}
    apart = [name for name in others if ends[name].low > ends["uniform"].high]
    FIGURES.save(
        "rules",
        "Curricula over hidden rules, judged on held-out tasks (all steps counted)",
        runs,
        {"held-out episodes solved": ["held out"], "fourth episode": ["last episode"],
         "rules of a replayed task": ["task_rules"], "their depth": ["task_depth"]},
        {
            "found": {
                "held out, last": ends,
                "held out, above uniform": {n: compare(last[n], last["uniform"]) for n in others},
                "area over steps": {name: interval(x) for name, x in areas.items()},
                "area, above uniform": {n: compare(areas[n], areas["uniform"]) for n in others},
                "solvable of what is replayed": {
                    n: interval(runs[n]["task_solvable"][-1]) for n in others},
                "updates": {name: curves["updates"][-1, 0] for name, curves in runs.items()},
            },
            "passes": {
                "above uniform, intervals apart": apart,
                "SFL or PLR among them": bool({"SFL", "robust PLR"} & set(apart)),
                "all that ACCEL replays can be solved, by closure":
                    runs["ACCEL"]["task_solvable"][-1].min() >= 1.0 - 1e-6,
            },
        },
        along="steps",
    )  # fmt: skip
