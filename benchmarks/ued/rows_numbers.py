"""The row about numbers: a cart-pole whose gravity, masses, length and force are the task.

It is the preset `cartpole`. What the physics is, the student is not told. Some are easy, some hard,
a few beyond anybody; an episode's return is the share of 200 steps survived.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.random as jr
import numpy as np
from curves import area, interval
from ued.case import FIGURES, SEEDS, Curves, run

from meadow.core.agent import AbstractAgent
from meadow.core.curriculum import AbstractCurriculum
from meadow.curricula.buffer import Buffer
from meadow.curricula.plr import PLR
from meadow.curricula.sfl import SFL
from meadow.curricula.uniform import Uniform
from meadow.evaluation.exam import Exam, judge
from meadow.evaluation.robust import compare
from meadow.evaluation.tail import conditional
from meadow.loops.iteration import Experiment
from meadow.recipes.presets import CARTPOLE

WORLD, SPACE = CARTPOLE.environment, CARTPOLE.tasks
UPDATES, EVERY = CARTPOLE.iterations, 25


def experiment(curriculum: AbstractCurriculum) -> Experiment:
    """The preset `cartpole` with that curriculum."""
    return dataclasses.replace(CARTPOLE.experiment(), curriculum=curriculum)


def look() -> Callable[[AbstractAgent], dict[str, float]]:
    """The return over 512 carts, and over the tenth of them that goes worst."""
    carts = jax.jit(jax.vmap(lambda key: SPACE.sample(key=key)))(jr.split(jr.key(121), 512))
    exam = Exam("carts", WORLD, carts, 8)

    def look(agent: AbstractAgent) -> dict[str, float]:
        found = np.asarray(judge(agent, [exam], key=jr.key(122))["carts"].returns)
        tenth = conditional(found[:, ::2].mean(1), found[:, 1::2].mean(1), [10])
        return {"return": float(found.mean()), "worst tenth": float(tenth[0])}

    return look


def numbers() -> None:
    """Continuous parameters: PLR and SFL beside DR, on carts that go worst."""
    score = "generalised_learnability"
    curricula = {
        "DR": Uniform(SPACE),
        "robust PLR": PLR(SPACE, Buffer(512), score, candidates=CARTPOLE.lives),
        "SFL": SFL(SPACE, capacity=128, candidates=1024, period=25, score=score),
    }
    judged, runs = look(), dict[str, Curves]()
    for name, curriculum in curricula.items():
        print(name, flush=True)
        runs[name] = run(experiment(curriculum), UPDATES, EVERY, judged, seeds=SEEDS)[0]
    areas = {name: area(curves["worst tenth"]) for name, curves in runs.items()}
    last = {name: curves["worst tenth"][-1] for name, curves in runs.items()}
    gaps = {name: compare(areas[name], areas["DR"]) for name in ("robust PLR", "SFL")}
    FIGURES.save(
        "numbers",
        "Curricula over continuous parameters: a cart-pole of unknown physics",
        runs,
        {"return, all carts": ["return"], "worst tenth": ["worst tenth"]},
        {
            "found": {
                "worst tenth, last": {name: interval(x) for name, x in last.items()},
                "area under it, above DR": gaps,
                "million steps": {n: curves["steps"][-1, 0] for n, curves in runs.items()},
            },
            "passes": {
                "one of them above DR": max(gap.value for gap in gaps.values()) > 0,
                "with an interval above 0": max(gap.low for gap in gaps.values()) > 0,
            },
        },
    )
