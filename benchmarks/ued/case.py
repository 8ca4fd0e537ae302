"""Case: a small maze experiment, lived by several seeds side by side and looked at now and then.

A view of 5x5, as many steps as there are cells, a GRU of 64: a CPU core teaches a seed of it to
find its way in a few minutes, so that curricula can be compared with several seeds.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from curves import Figures

from meadow.core.agent import AbstractAgent
from meadow.core.curriculum import AbstractCurriculum, AbstractExaminer
from meadow.envs.maze.environment import MazeWorld
from meadow.evaluation.exam import Exam, judge
from meadow.evaluation.tail import conditional
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment, Progress, spent
from meadow.recipes.presets import MAZE_SMALL
from meadow.rollout.life import Trial
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.perfect import Perfect
from meadow.tasks.maze.solve import path

FIGURES = Figures("ued")
SEEDS = 5
STUDENT = MAZE_SMALL.learner  # of the preset `maze-small`
PLAN = STUDENT.plan

Curves = dict[str, np.ndarray]
"""By name, `[looks, seeds]`."""


@dataclasses.dataclass(frozen=True)
class Case:
    """Mazes of one size, with so many walls at most, lived by so many at once."""

    size: int
    walls: int
    lives: int

    @property
    def horizon(self) -> int:
        """Steps of an episode, and of a life in one iteration."""
        return self.size**2

    @property
    def world(self) -> MazeWorld:
        """Where they are lived."""
        return MazeWorld(self.size, self.size, view_size=5, max_steps=self.horizon)

    @property
    def space(self) -> Blocks:
        """What is drawn: any number of walls up to the most."""
        return Blocks(self.size, self.size, num_walls=self.walls, replace=False, uniform=True)

    def experiment(self, curriculum: AbstractCurriculum, **changes: Any) -> Experiment:
        """Students of these mazes under that curriculum."""
        given = {
            "environment": self.world,
            "learner": STUDENT,
            "trial": Trial(episodes=1),
            "lives": self.lives,
            "length": self.horizon,
            "anew": True,
        }
        return Experiment(curriculum=curriculum, **given | changes)

    def exams(self) -> list[Exam]:
        """What students are judged on; no curriculum has seen it.

        `perfect`: 64 mazes with one way to everything. `random`: 256 levels with as many walls as
        are ever drawn, all of which can be solved. `far`: the 128 of 1,024 such levels whose goal
        is farthest.
        """
        full = Blocks(self.size, self.size, num_walls=self.walls, replace=False)
        drawn = jax.jit(jax.vmap(lambda key: full.sample(key=key)))(jr.split(jr.key(101), 1024))
        lengths = np.asarray(jax.jit(jax.vmap(path))(drawn))
        can = np.flatnonzero(jax.jit(jax.vmap(full.solvable))(drawn))
        far = can[np.argsort(-lengths[can], kind="stable")[:128]]
        tree = Perfect(self.size, self.size, method="search")
        perfect = jax.jit(jax.vmap(lambda key: tree.sample(key=key)))(jr.split(jr.key(102), 64))

        def some(which: np.ndarray) -> Any:
            return jax.tree.map(lambda x: x[which], drawn)

        return [
            Exam("perfect", self.world, perfect, 4),
            Exam("random", self.world, some(can[:256]), 8),
            Exam("far", self.world, some(far), 2),
        ]

    def look(self) -> Callable[[AbstractAgent], dict[str, float]]:
        """Solve rates of one student, and of `random` the mean over the tenth that goes worst,
        which other attempts pick."""
        exams = self.exams()

        def look(agent: AbstractAgent) -> dict[str, float]:
            found = judge(agent, exams, key=jr.key(103))
            rates = {name: float(outcome.success.mean()) for name, outcome in found.items()}
            wins = np.asarray(found["random"].success, float)
            tenth = conditional(wins[:, ::2].mean(1), wins[:, 1::2].mean(1), [10])
            return rates | {"worst tenth": float(tenth[0])}

        return look


SMALL = Case(size=9, walls=40, lives=128)
LARGE = Case(size=11, walls=60, lives=128)


def student(what: Experiment, progress: Progress, seed: int) -> AbstractAgent:
    """The agent of one seed."""
    return what.agent(jax.tree.map(lambda x: x[seed], progress.learner))


def marks(what: Experiment, updates: int, every: int) -> list[int]:
    """After how many iterations the learner has learnt 0, `every`, ... times."""
    curriculum, most = what.curriculum, 8 * updates + 1000
    practises = np.ones(most, bool)
    if isinstance(curriculum, AbstractExaminer):
        practises = np.asarray(jax.vmap(curriculum.due)(jnp.arange(most)).practise)
    done = np.concatenate([[0], np.cumsum(practises)])
    return [int(np.searchsorted(done, n)) for n in range(0, updates + 1, every)]


def run(
    what: Experiment,
    updates: int,
    every: int,
    look: Callable[[AbstractAgent], dict[str, float]],
    *,
    seeds: int = SEEDS,
    watch: Callable[[Progress], Curves] | None = None,
) -> tuple[Curves, Progress]:
    """Curves of all seeds, and what became of them.

    Args:
        updates: of each learner, at a constant learning rate.
        every: updates between two looks.
        look: numbers for one student.
        watch: more numbers, `[seeds]` each.

    Returns:
        The curves hold `updates`, `steps` (in millions and by seed, those of examined tasks
        included) and `seconds` as well; what the placement measures stands under its own names.
    """
    placement = Compiled(what, seeds=seeds)
    progress, _ = placement.run(placement.begin(key=jr.key(0)), 0)  # compiled before it is timed
    rows: list[dict[str, Any]] = []
    seconds, before = 0.0, 0
    for i, done in enumerate(marks(what, updates, every)):
        metrics: dict[str, Any] = {}
        if done:
            begun = time.perf_counter()
            progress, metrics = jax.block_until_ready(placement.run(progress, done - before))
            seconds, before = seconds + time.perf_counter() - begun, done
        found = [look(student(what, progress, seed)) for seed in range(seeds)]
        row = {name: np.array([one[name] for one in found]) for name in found[0]}
        row |= metrics | (watch(progress) if watch else {})
        row |= {"updates": i * every, "steps": spent(what, done) * 1e-6, "seconds": seconds}
        rows.append(row)
        said = "  ".join(f"{name} {np.mean(row[name]):.3f}" for name in found[0])
        print(f"  {i * every:5} {row['steps']:6.2f}M {seconds:6.0f} s  {said}", flush=True)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column(rows, name, seeds) for name in names}, progress


def _column(rows: list[dict[str, Any]], name: str, seeds: int) -> np.ndarray:
    """One name of every look, NaN where it was not told."""
    values = (np.asarray(row.get(name, np.nan), float) for row in rows)
    return np.stack([np.broadcast_to(value, (seeds,)) for value in values])


def within(what: Experiment, budget: float, looks: int) -> tuple[int, int]:
    """How many updates, and every how many to look, so that a run spends about so many steps."""
    done, least = marks(what, 4000, 1), what.steps
    most = int(budget // least) + 1
    updates = next(n for n in range(most, 0, -1) if spent(what, done[n]) <= budget)
    every = max(1, updates // looks)
    return every * looks, every
