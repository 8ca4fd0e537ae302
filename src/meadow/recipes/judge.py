"""Judge: what maze agents make of mazes they never chose, as a table, a file, a picture and a line.

One run or several of the same recipe with different seeds. Of several the runs are drawn anew for
the intervals, each with all it did; of a single one the mazes are, or of one maze its attempts.
"""

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import Float
from rich.box import SIMPLE_HEAD
from rich.table import Table

from meadow.core.agent import AbstractAgent
from meadow.core.errors import SpecError
from meadow.envs.maze.environment import MazeWorld
from meadow.evaluation.exam import judge
from meadow.evaluation.interval import Estimate
from meadow.evaluation.robust import aggregate
from meadow.evaluation.tail import ALPHAS, tail
from meadow.evaluation.trials import Outcome
from meadow.recipes import mazes as maze_exam
from meadow.recipes.recipe import Recipe
from meadow.runs import atomic
from meadow.runs.folder import Run
from meadow.runs.plot import bars

ATTEMPTS = 10
MEASURES = ("solved", "return", "regret", "steps")
ALL, MIDDLE, WHOLE = "mean", "interquartile mean", "all"
_SERIES = {maze_exam.SHORT: "250 steps", maze_exam.RANDOM: "250 steps"}
_LONG = "2 (height + 2) (width + 2) steps"


class Row(NamedTuple):
    """A line of the table: what was asked, and the figures by measure."""

    exam: str
    name: str
    figures: dict[str, Estimate]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of an exam of some runs.

    Attributes:
        outcomes: of each run, by exam; NumPy arrays `[tasks, attempts]`.
        best: by exam the largest return there is in each maze.
    """

    outcomes: list[dict[str, Outcome]]
    best: dict[str, Float[np.ndarray, "tasks"]]

    def values(self, exam: str, measure: str) -> Float[np.ndarray, "runs tasks attempts"]:
        """One of `MEASURES` of every attempt; regret is what the best return is more."""
        field = {"solved": "success", "steps": "lengths"}.get(measure, "returns")
        values = [np.asarray(getattr(run[exam], field), float) for run in self.outcomes]
        stacked = np.stack(values)
        return self.best[exam][:, None] - stacked if measure == "regret" else stacked


def judged(
    recipe: Recipe,
    agents: Sequence[AbstractAgent],
    *,
    mazes: int = 1000,
    attempts: int = ATTEMPTS,
    seed: int = 0,
) -> Verdict:
    """Give each agent the exam of mazes, all with the same luck.

    Args:
        mazes: how many random ones.
        attempts: of each maze.

    Raises:
        SpecError: the recipe's world is not one of mazes.
    """
    world = recipe.environment
    if not isinstance(world, MazeWorld):
        raise SpecError(
            f"Only agents that live in a `MazeWorld` can be examined in mazes; this recipe's live "
            f"in {type(world).__name__}. Judge them with `meadow.recipes.evaluate.evaluate`."
        )
    exams = maze_exam.exams(world, mazes=mazes, attempts=attempts)
    outcomes = [judge(agent, exams, key=jr.key(seed)) for agent in agents]
    return Verdict(outcomes, {exam.name: maze_exam.best(exam) for exam in exams})


def rows(verdict: Verdict) -> list[Row]:
    """All figures, from the top of the table to its end."""
    named = [row for exam in (maze_exam.SHORT, maze_exam.LONG) for row in _named(verdict, exam)]
    perfect = [Row(name, name, _overall(verdict, name)) for name in maze_exam.PERFECT]
    return [*named, *perfect, *_random(verdict)]


def _named(verdict: Verdict, exam: str) -> Iterable[Row]:
    """Each maze by itself, then all of them."""
    for i, name in enumerate(maze_exam.NAMED):
        each = {m: aggregate(verdict.values(exam, m)[:, i], "mean") for m in MEASURES}
        yield Row(exam, name, each)
    yield Row(exam, ALL, _overall(verdict, exam))
    yield Row(exam, MIDDLE, _overall(verdict, exam, "interquartile mean"))


def _overall(verdict: Verdict, exam: str, statistic: str = "mean") -> dict[str, Estimate]:
    """Over runs and tasks; a task's value is the mean of its attempts."""
    values = {measure: verdict.values(exam, measure).mean(axis=2) for measure in MEASURES}
    return {measure: aggregate(each, statistic) for measure, each in values.items()}


def _random(verdict: Verdict) -> Iterable[Row]:
    """The worst mazes, by attempts that did not choose them; then all."""
    solved = verdict.values(maze_exam.RANDOM, "solved")
    first, second = (half.mean(axis=2) for half in np.split(solved, 2, axis=2))
    for alpha in ALPHAS:
        if alpha < 100:
            yield Row(
                maze_exam.RANDOM, f"worst {alpha:g} %", {"solved": tail(first, second, alpha)}
            )
    yield Row(maze_exam.RANDOM, WHOLE, _overall(verdict, maze_exam.RANDOM))


def table(verdict: Verdict) -> Table:
    """The rows as a page for the terminal."""
    runs = len(verdict.outcomes)
    page = Table(
        title=f"Mazes never chosen: {'one run' if runs == 1 else f'{runs} runs'}",
        caption="Means with 95 % bootstrap intervals over "
        + ("mazes, or the attempts of one." if runs == 1 else "runs."),
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    page.add_column("", no_wrap=True)
    for measure in MEASURES:
        page.add_column(measure, justify="right", no_wrap=True)
    exam = None
    for row in rows(verdict):
        if row.exam != exam and row.exam != row.name:
            page.add_row(f"[italic]{row.exam}[/]")
        exam = row.exam
        page.add_row(row.name, *(_cell(measure, row.figures.get(measure)) for measure in MEASURES))
    return page


def _cell(measure: str, one: Estimate | None) -> str:
    if one is None:
        return ""
    value, low, high = (f"{x:.0f}" if measure == "steps" else f"{x:.2f}" for x in one)
    return f"{value} [dim]{low.removeprefix('0')}–{high.removeprefix('0')}[/]"


def write(verdict: Verdict, path: Path) -> Path:
    """The rows as a CSV file, a line for each figure; the file is replaced as a whole."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["exam", "name", "measure", "value", "low", "high", "runs"])
    for row in rows(verdict):
        for measure, one in row.figures.items():
            figures = [f"{figure:.6g}" for figure in one]
            lines.writerow([row.exam, row.name, measure, *figures, len(verdict.outcomes)])
    atomic.write(path, text.getvalue().encode())
    return path


def plot(verdict: Verdict, path: Path) -> Path:
    """The shares solved as a picture."""
    shares: dict[str, dict[str, tuple[float, float, float]]] = {}
    for row in rows(verdict):
        name = row.name
        if row.exam == maze_exam.RANDOM:
            name = f"random, {name}"
        elif name in (ALL, MIDDLE):
            name = f"all eight, {name}"
        shares.setdefault(name, {})[_SERIES.get(row.exam, _LONG)] = _bounded(row.figures["solved"])
    return bars(
        path,
        shares,
        xlabel="share of attempts solved, with 95 % bootstrap intervals",
        title="Mazes never chosen",
    )


def leave(verdict: Verdict, run: Run) -> dict[str, str]:
    """The file and the picture in a run's folder: where they are."""
    runs = len(verdict.outcomes)
    name = "mazes" if runs == 1 else f"mazes_of_{runs}_runs"
    file = write(verdict, run.path / f"{name}.csv")
    return {"csv": str(file), "plot": str(plot(verdict, run.plots / f"{name}.png"))}


def _bounded(one: Estimate) -> tuple[float, float, float]:
    """As a share: percentiles of sums may miss 0 and 1, and their middle, by a rounding."""
    value = min(max(one.value, 0.0), 1.0)
    return value, min(max(one.low, 0.0), value), max(min(one.high, 1.0), value)


def summary(verdict: Verdict) -> dict[str, Any]:
    """The figures that matter, as plain JSON values."""
    found = {(row.exam, row.name): row.figures for row in rows(verdict)}
    told: dict[str, Any] = {}
    for key, (exam, name, measure) in _KEYS.items():
        one = found[exam, name][measure]
        told |= {key: round(one.value, 4), f"{key}_ci": [round(one.low, 4), round(one.high, 4)]}
    sizes = {"runs": len(verdict.outcomes), "random_mazes": len(verdict.best[maze_exam.RANDOM])}
    return told | sizes


_KEYS: Mapping[str, tuple[str, str, str]] = {
    "named_250": (maze_exam.SHORT, ALL, "solved"),
    "named_250_iqm": (maze_exam.SHORT, MIDDLE, "solved"),
    "named_450": (maze_exam.LONG, ALL, "solved"),
    "named_450_iqm": (maze_exam.LONG, MIDDLE, "solved"),
    **{
        f"perfect_{key}": (name, name, "solved")
        for key, name in zip(("13", "19", "19_kruskal"), maze_exam.PERFECT, strict=True)
    },
    **{f"random_worst_{a:g}": (maze_exam.RANDOM, f"worst {a:g} %", "solved") for a in ALPHAS[:-1]},
    "random": (maze_exam.RANDOM, WHOLE, "solved"),
    "random_regret": (maze_exam.RANDOM, WHOLE, "regret"),
}
