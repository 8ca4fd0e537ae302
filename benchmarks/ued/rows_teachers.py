"""Rows about teachers who build the levels: PAIRED, its population, and the adversary who only
wants students to fail.

7x7 cells, 15 walls to place, students with a GRU of 32.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from curves import interval
from ued.case import FIGURES, PLAN, STUDENT, Case, Curves, run

from meadow.agents.ppo import PPO
from meadow.curricula.designed import Designed
from meadow.envs.maze.editor import Placing
from meadow.loops.iteration import Experiment, Progress

TINY = Case(size=7, walls=15, lives=32)
PUPIL = dataclasses.replace(STUDENT, plan=dataclasses.replace(PLAN, features=32, memory=32))
TEACHER = PPO(
    dataclasses.replace(PLAN, aside=16),
    learning_rate=2e-3,
    entropy=0.02,
    gamma=0.995,
    epochs=4,
    minibatches=1,
)
UPDATES, EVERY = 300, 50


def designed(worth: str, students: int | None) -> Experiment:
    """Students of a teacher who wants that."""
    editor = Placing(TINY.size, TINY.size, num_walls=TINY.walls, noise_dim=16)
    curriculum = Designed(editor, TEACHER, worth)
    # Three time limits, so that the best and the mean of several episodes are compared.
    return TINY.experiment(curriculum, learner=PUPIL, students=students, length=3 * TINY.horizon)


def levels(what: Experiment) -> Callable[[Progress], Curves]:
    """What the teachers build: how many levels can be solved, how long their ways and how many
    their walls are."""
    space = TINY.space

    @jax.jit
    @jax.vmap
    def built(state: Any) -> tuple:
        tasks = what.curriculum.sample(state, 256, key=jr.key(104)).tasks
        about = jax.vmap(space.features)(tasks)
        can = about["solvable"] > 0
        path = jnp.sum(jnp.where(can, about["path"], 0)) / jnp.maximum(can.sum(), 1)
        return can.mean(), path, about["walls"].mean()

    def watch(progress: Progress) -> Curves:
        names = ("solvable", "path", "walls")
        found = built(progress.curriculum)
        return dict(zip(names, (np.asarray(x) for x in found), strict=True))

    return watch


def lived(worth: str, students: int | None) -> Curves:
    what = designed(worth, students)
    print(f"{worth}, {students or 1} student(s)", flush=True)
    return run(what, UPDATES, EVERY, TINY.look(), watch=levels(what))[0]


def paired() -> None:
    """PAIRED: regret is positive and falls, levels stay solvable and grow, the student learns."""
    curves = lived("relative_regret", 2)
    worth, path, solvable = curves["worth"], curves["path"], curves["solvable"]
    early, late = worth[1:4].mean(0), worth[-3:].mean(0)
    found = {
        "regret early": interval(early),
        "regret late": interval(late),
        "path of a teacher that has learnt nothing": interval(path[0]),
        "path, best look": interval(path[1:].max(0)),
        "path, last": interval(path[-1]),
        "solvable, last": interval(solvable[-1]),
        "random levels solved, last": interval(curves["random"][-1]),
    }
    passes = {
        "regret above 0 and falling": late.mean() > 0 and early.mean() > late.mean(),
        "paths longer than a random teacher's": path[-1].mean() > path[0].mean(),
        "solvable at least .6": solvable[-1].mean() >= 0.6,
        "random levels at least .8": curves["random"][-1].mean() >= 0.8,
    }
    FIGURES.save(
        "paired",
        "PAIRED: a teacher paid by regret builds levels that can be solved",
        {"PAIRED": curves},
        {"regret": ["worth"], "path of solvable levels": ["path"], "solvable": ["solvable"],
         "random levels solved": ["random"]},
        {"found": found, "passes": passes},
    )  # fmt: skip


def adversary() -> None:
    """The minimax adversary degenerates: it builds what cannot be solved."""
    curves = lived("neg_return", None)
    solvable = curves["solvable"][-1]
    FIGURES.save(
        "adversary",
        "A teacher paid when its student fails builds what nobody can solve",
        {"minimax adversary": curves},
        {"solvable": ["solvable"], "walls": ["walls"], "random levels solved": ["random"]},
        {
            "found": {
                "solvable, first": interval(curves["solvable"][0]),
                "solvable, last": interval(solvable),
                "random levels solved, last": interval(curves["random"][-1]),
            },
            "passes": {"solvable below .3": solvable.mean() < 0.3},
        },
    )


def population() -> None:
    """Population PAIRED with four students, beside that with two."""
    four, two = lived("population_regret", 4), lived("population_regret", 2)
    mean = {"four": four["worth"][1:].mean(0), "two": two["worth"][1:].mean(0)}
    FIGURES.save(
        "population",
        "More students, more regret: the best of four against their mean",
        {"4 students": four, "2 students": two},
        {"regret": ["worth"], "solvable": ["solvable"], "random levels solved": ["random"]},
        {
            "found": {f"regret, {name} students": interval(x) for name, x in mean.items()},
            "passes": {"regret at least that of two": mean["four"].mean() >= mean["two"].mean()},
        },
    )
