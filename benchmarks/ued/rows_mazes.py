"""Rows about mazes: what DR, PLR, SFL, ACCEL and NCC make of them, and of what their scores say.

Curves are along updates of the learner; the steps, those of examined tasks included, are in the
files of numbers.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.random as jr
import numpy as np
from curves import area, interval
from ued.case import FIGURES, LARGE, SEEDS, SMALL, Case, Curves, run, student

from meadow.core.curriculum import AbstractCurriculum
from meadow.curricula.accel import ACCEL
from meadow.curricula.buffer import Buffer
from meadow.curricula.ncc import NCC
from meadow.curricula.plr import PLR
from meadow.curricula.sfl import SFL
from meadow.curricula.uniform import Uniform
from meadow.envs.fresh import Fresh
from meadow.evaluation.exam import Exam, judge
from meadow.evaluation.robust import compare
from meadow.loops.iteration import Experiment, Progress
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.solve import optimum

KEPT = Buffer(512, temperature=1.0, staleness=0.3)
RATES = {"random levels": ["random"], "perfect mazes": ["perfect"], "worst tenth": ["worst tenth"]}


def plr(case: Case, **changes: Any) -> PLR:
    """Robust PLR of a case, as every row has it unless it says otherwise."""
    given = {"buffer": KEPT, "candidates": case.lives, "replay": 0.5}
    return PLR(**{"space": case.space} | given | changes)


def accel(case: Case, *, empty: bool = True, **changes: Any) -> ACCEL:
    """ACCEL with twenty edits, from the simplest levels or from those of the case."""
    return ACCEL(plr(case, **{"replay": 0.8} | changes), edits=20, empty=empty)


@functools.cache
def lived(
    case: Case,
    curriculum: AbstractCurriculum,
    updates: int,
    every: int,
    watch: Callable[[Experiment], Callable[[Progress], Curves]] | None = None,
    look: int | None = None,
) -> Curves:
    """Curves of an experiment, the same for every row that asks for it."""
    what = case.experiment(curriculum, look=look)
    print(f"{type(curriculum).__name__}, {case}", flush=True)
    return run(what, updates, every, _looks(case), watch=watch and watch(what))[0]


@functools.cache
def _looks(case: Case) -> Callable:
    return case.look()


def dr_of(case: Case, updates: int, every: int) -> Curves:
    """Domain randomisation."""
    return lived(case, Uniform(case.space), updates, every)


@functools.cache
def fresh_of(case: Case, updates: int, every: int) -> Curves:
    """Domain randomisation of the other kind: lives go on, every episode is of a new level."""
    world = Fresh(case.world, case.space)
    what = case.experiment(Uniform(world.nothing), environment=world, anew=False)
    print(f"DR, a new level for every episode, {case}", flush=True)
    return run(what, updates, every, _looks(case))[0]


def dr() -> None:
    """DR learns: random levels and perfect mazes are solved after 300 updates."""
    fresh, curves = fresh_of(LARGE, 300, 50), dr_of(LARGE, 300, 50)
    ends = {name: fresh[name][-1] for name in ("random", "perfect")}
    FIGURES.save(
        "dr",
        "Domain randomisation learns to find its way",
        {"a new level every episode": fresh, "one level for 121 steps": curves},
        RATES | {"far goals": ["far"]},
        {
            "found": {
                "every episode": {name: interval(x) for name, x in ends.items()},
                "one level": {name: interval(curves[name][-1]) for name in ends},
            },
            "passes": {
                "random >= .90": ends["random"].mean() >= 0.9,
                "perfect >= .45": ends["perfect"].mean() >= 0.45,
            },
        },
    )


def replayed(what: Experiment) -> Callable[[Progress], Curves]:
    """The regret, known exactly, of the levels that are replayed, beside that of random ones."""
    curriculum = what.curriculum
    space, horizon = what.curriculum.space, what.environment.max_steps
    tickets = jax.jit(jax.vmap(lambda state: curriculum.sample(state, 128, key=jr.key(105)).tasks))
    fresh = jax.jit(jax.vmap(lambda key: space.sample(key=key)))(jr.split(jr.key(106), 128))
    best = jax.jit(jax.vmap(lambda task: optimum(task, horizon)))

    def regret(agent: Any, tasks: Any) -> float:
        found = judge(agent, [Exam("regret", what.environment, tasks, 4)], key=jr.key(107))
        return float(np.mean(np.asarray(best(tasks)) - found["regret"].returns.mean(1)))

    def watch(progress: Progress) -> Curves:
        drawn = tickets(progress.curriculum)
        agents = [student(what, progress, seed) for seed in range(SEEDS)]
        kept = [regret(a, jax.tree.map(lambda x, i=i: x[i], drawn)) for i, a in enumerate(agents)]
        return {
            "regret replayed": np.array(kept),
            "regret random": np.array([regret(agent, fresh) for agent in agents]),
        }

    return watch


def plr_machinery() -> None:
    """The machinery of robust PLR is sound: as good as DR, replayed levels have more regret."""
    base = dr_of(SMALL, 300, 50)
    curves = lived(SMALL, plr(SMALL), 300, 50, replayed)
    gap = compare(curves["random"][-1], base["random"][-1])
    ratio = curves["regret replayed"][1:].mean(0) / curves["regret random"][1:].mean(0)
    solvable = float(curves["task_solvable"][2:].min())
    FIGURES.save(
        "plr_machinery",
        "Robust PLR keeps up with DR, and replays levels with more regret",
        {"PLR": curves, "DR": base},
        RATES | {"regret of replayed levels": ["regret replayed"],
                 "regret of random levels": ["regret random"], "solvable": ["task_solvable"]},
        {
            "found": {
                "random levels, above DR": gap,
                "regret of replayed to random levels": interval(ratio),
                "solvable share of replay from 100 updates on, least": solvable,
            },
            "passes": {
                "random levels within .03 of DR": gap.value >= -0.03,
                "regret at least 1.5 times": ratio.mean() >= 1.5,
                "all solvable after 100 updates": solvable >= 1.0 - 1e-5,
            },
        },
    )  # fmt: skip


def sfl() -> None:
    """SFL helps the tail: more area under the worst tenth than DR at equal updates."""
    base = dr_of(SMALL, 300, 50)
    chosen = SFL(SMALL.space, capacity=128, candidates=1024, period=40)
    curves = lived(SMALL, chosen, 300, 50, look=4 * SMALL.horizon)
    gap = compare(area(curves["worst tenth"]), area(base["worst tenth"]))
    FIGURES.save(
        "sfl",
        "Sampling for learnability helps where students are worst",
        {"SFL": curves, "DR": base},
        RATES | {"far goals": ["far"]},
        {
            "found": {
                "area under the worst tenth, above DR": gap,
                "SFL": interval(area(curves["worst tenth"])),
                "DR": interval(area(base["worst tenth"])),
                "million steps of SFL and DR": [curves["steps"][-1, 0], base["steps"][-1, 0]],
            },
            "passes": {"above 0": gap.value > 0, "interval above 0": gap.low > 0},
        },
    )


def accel_grows() -> None:
    """ACCEL grows complexity: from empty rooms to walls, and past DR on empty rooms."""
    curves = lived(LARGE, accel(LARGE), 160, 40)
    bare = Blocks(LARGE.size, LARGE.size, num_walls=0)
    base = lived(LARGE, Uniform(bare), 160, 40)
    gap = compare(curves["perfect"][-1], base["perfect"][-1])
    walls, path = curves["task_walls"][-1], curves["task_path"][-1]
    FIGURES.save(
        "accel_grows",
        "ACCEL grows mazes out of empty rooms",
        {"ACCEL": curves, "DR on empty rooms": base},
        {"perfect mazes": ["perfect"], "random levels": ["random"], "walls": ["task_walls"],
         "path": ["task_path"], "generation": ["generation"]},
        {
            "found": {"walls": interval(walls), "path": interval(path), "above DR on empty": gap,
                      "perfect mazes": interval(curves["perfect"][-1])},
            "passes": {"walls >= 20": walls.mean() >= 20, "path >= 7": path.mean() >= 7,
                       "perfect >= .40": curves["perfect"][-1].mean() >= 0.4,
                       "above DR by .2": gap.value >= 0.2},
        },
    )  # fmt: skip


def accel_weak() -> None:
    """ACCEL beats PLR where the generator is weak: five walls at most."""
    weak = Blocks(SMALL.size, SMALL.size, num_walls=5, replace=False, uniform=True)
    edited = lived(SMALL, accel(SMALL, empty=False, space=weak, replay=0.5), 250, 50)
    drawn = lived(SMALL, plr(SMALL, space=weak), 250, 50)
    gap = compare(edited["perfect"][-1], drawn["perfect"][-1])
    FIGURES.save(
        "accel_weak",
        "With a generator of five walls, edits reach what draws do not",
        {"ACCEL": edited, "robust PLR": drawn},
        RATES | {"walls": ["task_walls"]},
        {"found": {"perfect mazes, above PLR": gap}, "passes": {"by .15": gap.value >= 0.15}},
    )


def parallel() -> None:
    """Parallel PLR beside taking turns: the same updates, no iteration without one."""
    serial = lived(SMALL, plr(SMALL), 200, 50)
    at_once = lived(SMALL, plr(SMALL, parallel=True), 200, 50)
    ratio = float(serial["seconds"][-1, 0] / at_once["seconds"][-1, 0])
    gap = compare(at_once["random"][-1], serial["random"][-1])
    FIGURES.save(
        "parallel",
        "Parallel PLR and taking turns: the same updates",
        {"parallel": at_once, "serial": serial},
        RATES,
        {
            "found": {
                "wall time of serial to parallel": ratio,
                "seconds": [serial["seconds"][-1, 0], at_once["seconds"][-1, 0]],
                "random levels, above serial": gap,
            },
            "passes": {"1.3 times": ratio >= 1.3, "same score": gap.low <= 0 <= gap.high},
        },
    )


def replacement() -> None:
    """Drawing without replacement: no level twice in a batch, and no worse."""
    greedy = Buffer(512, temperature=0.3, staleness=0.3)
    twice = dataclasses.replace(greedy, replace=True)
    once = lived(SMALL, plr(SMALL, buffer=greedy), 200, 50)
    often = lived(SMALL, plr(SMALL, buffer=twice), 200, 50)
    gap = compare(area(once["random"]), area(often["random"]))
    distinct = {"without": once["distinct"][1:].mean(0), "with": often["distinct"][1:].mean(0)}
    FIGURES.save(
        "replacement",
        "Replay at T = 0.3, drawn without and with replacement",
        {"without": once, "with": often},
        RATES | {"distinct levels in a batch": ["distinct"]},
        {
            "found": {f"distinct, {name}": interval(x) for name, x in distinct.items()}
            | {"area under random levels, above with": gap},
            "passes": {
                "all distinct": distinct["without"].min() >= 1,
                "with replacement fewer than 60 %": distinct["with"].mean() < 0.6,
                "no worse": gap.high >= 0,
            },
        },
    )


def ncc() -> None:
    """NCC: y concentrates, then stays; its mass lies where there is something to learn."""
    case = SMALL
    curriculum = NCC(case.space, capacity=256, candidates=case.lives)
    curves = lived(case, curriculum, 200, 25, correlated, look=2 * case.horizon)
    base = dr_of(case, 200, 50)
    entropy, related = curves["entropy"], curves["mass and learnability"][1:]
    late = np.abs(np.diff(entropy[-4:], axis=0)).mean()
    FIGURES.save(
        "ncc",
        "NCC: chances climb towards learnability and settle",
        {"NCC": curves, "DR": base},
        RATES | {"entropy of y": ["entropy"], "rank correlation": ["mass and learnability"]},
        {
            "found": {
                "entropy, first": interval(entropy[1]),
                "entropy, last": interval(entropy[-1]),
                "change of the last looks": float(late),
                "correlation of mass and learnability": interval(related.mean(0)),
            },
            "passes": {
                "entropy falls": entropy[-1].mean() < np.log(256),
                "and settles": late < 0.1 * np.abs(entropy[-1].mean()),
                "correlation above 0": interval(related.mean(0)).low > 0,
            },
        },
    )


def correlated(what: Experiment) -> Callable[[Progress], Curves]:
    """The rank correlation of y with the learnability of kept levels."""

    def watch(progress: Progress) -> Curves:
        state = progress.curriculum
        pairs = zip(np.asarray(state.chances), np.asarray(state.kept.entries.score), strict=True)
        return {"mass and learnability": np.array([spearman(y, s) for y, s in pairs])}

    return watch


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """The rank correlation, of what is known of both; ties share their rank."""
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3:
        return np.nan
    ranks = [_ranks(values[known]) for values in (x, y)]
    if min(rank.std() for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, which, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[which]
