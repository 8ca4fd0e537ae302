"""Evaluate: what an agent makes of tasks it never saw, against two that could have done as well.

The question is asked of held-out tasks unless said otherwise. XLand-MiniGrid asks it of tasks drawn
as in training, 25 episodes of each, and reports the sum of what was earned in them all: that is
`evaluate(..., episodes=25, held_out=False)`, and `sums` is the table.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key, PyTree
from rich.box import SIMPLE_HEAD
from rich.table import Table

from meadow.agents.random import Random
from meadow.core.agent import AbstractAgent
from meadow.core.errors import TaskError
from meadow.evaluation.bootstrap import bootstrap
from meadow.evaluation.interval import STATISTICS, Estimate
from meadow.evaluation.robust import aggregate
from meadow.evaluation.trials import Forgetful, Outcome, lived
from meadow.recipes.recipe import Recipe
from meadow.runs.plot import Curve, curves

AGENT, FORGETFUL, RANDOM = "agent", "memory cleared", "random"
_DRAWN_AT_ONCE = 1024
_ROUNDS = 64
_COLUMNS = 10  # episodes shown side by side
_OF_LENGTHS = ("mean", "20th percentile")


@dataclasses.dataclass(frozen=True)
class Report:
    """What each agent made of the same tasks.

    Attributes:
        outcomes: by agent; `Outcome` with NumPy arrays `[tasks, episodes]`. Of several runs the
            tasks of the first are followed by the same tasks of the next.
        tasks: what they were given.
        key: the luck they had.
        held_out: the tasks are held-out ones, no two with the same goal and rules; otherwise they
            were drawn as in training.
    """

    outcomes: dict[str, Outcome]
    tasks: PyTree
    key: Key[Array, ""]
    held_out: bool = True

    @property
    def num_tasks(self) -> int:
        """How many tasks."""
        return jax.tree.leaves(self.tasks)[0].shape[0]

    @property
    def num_runs(self) -> int:
        """How many runs were judged."""
        return self.outcomes[AGENT].returns.shape[0] // self.num_tasks

    @property
    def episodes(self) -> int:
        """How many episodes of each."""
        return self.outcomes[AGENT].returns.shape[1]

    @property
    def which(self) -> str:
        """How many tasks of which kind, in words."""
        kind = "held-out tasks" if self.held_out else "tasks drawn as in training"
        runs = f", {self.num_runs} runs" if self.num_runs > 1 else ""
        return f"{self.num_tasks:,} {kind}{runs}"

    def success(self, agent: str, episodes: Sequence[int] | None = None) -> list[Estimate]:
        """Share of tasks solved in each episode, or in those given."""
        columns = np.asarray(self.outcomes[agent].success).T
        return [self.estimate(column) for column in _some(columns, episodes)]

    def returns(
        self, agent: str, statistic: str, episodes: Sequence[int] | None = None
    ) -> list[Estimate]:
        """A statistic over tasks of the return of each episode, or of those given."""
        columns = np.asarray(self.outcomes[agent].returns).T
        return [self.estimate(column, statistic) for column in _some(columns, episodes)]

    def earned(self, agent: str) -> Float[np.ndarray, "tasks"]:
        """The sum of the returns of all episodes."""
        return np.asarray(self.outcomes[agent].returns).sum(axis=1)

    def steps(self, agent: str) -> Float[np.ndarray, "tasks"]:
        """The steps of all episodes together."""
        return np.asarray(self.outcomes[agent].lengths).sum(axis=1).astype(float)

    def estimate(self, values: np.ndarray, statistic: str = "mean") -> Estimate:
        """A statistic with its interval: over tasks, or of several runs over runs."""
        measure = STATISTICS[statistic]
        rows = np.asarray(values, float).reshape(-1, self.num_tasks)
        return bootstrap(lambda x: measure(x.reshape(*x.shape[:-2], -1)), rows)


def _some(rows: np.ndarray, which: Sequence[int] | None) -> np.ndarray:
    return rows if which is None else rows[list(which)]


def evaluate(
    recipe: Recipe,
    agent: AbstractAgent,
    *,
    num_tasks: int,
    episodes: int | None = None,
    held_out: bool | None = None,
    seed: int = 0,
) -> Report:
    """Live some episodes of each of `num_tasks` tasks, the memory kept through all of them.

    The same tasks are lived by the agent, by the agent with its memory cleared at each episode
    (where there are several), and by an agent that acts at random. All sample their actions.

    Args:
        episodes: of each task; `recipe.episodes` when None.
        held_out: on held-out tasks, or on tasks drawn as in training; None for the former where
            the recipe holds any out.

    Raises:
        TaskError: the held-out side has not so many different tasks, or there is none.
    """
    key_tasks, key_lives = jr.split(jr.key(seed))
    held_out = bool(recipe.held_out) if held_out is None else held_out
    tasks = drawn(recipe, num_tasks, held_out=held_out, key=key_tasks)
    episodes = episodes or recipe.episodes
    agents: dict[str, AbstractAgent] = {AGENT: agent}
    if episodes > 1:
        agents[FORGETFUL] = Forgetful(agent)
    agents[RANDOM] = Random(recipe.environment.action_spec)
    outcomes = {
        name: jax.device_get(lived(recipe.environment, one, tasks, episodes, key=key_lives))
        for name, one in agents.items()
    }
    return Report(outcomes, tasks, key_lives, held_out)


def pooled(reports: Sequence[Report]) -> Report:
    """Reports of several runs on the same tasks as one; who acts at random is in it once."""
    outcomes = {}
    for name, first in reports[0].outcomes.items():
        rows = [first] if name == RANDOM else [report.outcomes[name] for report in reports]
        outcomes[name] = jax.tree.map(lambda *x: np.concatenate(x), *rows)
    return dataclasses.replace(reports[0], outcomes=outcomes)


def drawn(recipe: Recipe, num: int, *, held_out: bool, key: Key[Array, ""]) -> PyTree:
    """Tasks as training draws them, or held-out ones, no two with the same goal and rules.

    Raises:
        TaskError: the held-out side has not so many different tasks, or there is none.
    """
    space = recipe.space(held_out=held_out)
    draw = jax.jit(jax.vmap(lambda key: space.sample(key=key)))
    if not held_out:
        return draw(jr.split(key, num))
    found: dict[bytes, PyTree] = {}
    for key_round in jr.split(key, _ROUNDS):
        batch = jax.device_get(draw(jr.split(key_round, _DRAWN_AT_ONCE)))
        for i in range(_DRAWN_AT_ONCE):
            task = jax.tree.map(lambda x: x[i], batch)  # noqa: B023
            found.setdefault(task.goal.tobytes() + task.rules.tobytes(), task)
        if len(found) >= num:
            tasks = list(found.values())[:num]
            return jax.tree.map(lambda *rows: jax.numpy.asarray(np.stack(rows)), *tasks)
    raise TaskError(
        f"Asked for {num} different held-out tasks, found {len(found)} in "
        f"{_ROUNDS * _DRAWN_AT_ONCE} draws. Ask for fewer, or hold out a larger share."
    )


def table(report: Report) -> Table:
    """The adaptation table: a row for each agent, a column for each episode of the trial."""
    spread = np.geomspace(1, report.episodes, _COLUMNS).round().astype(int)
    few = report.episodes <= _COLUMNS
    shown = list(range(report.episodes)) if few else (np.unique(spread) - 1).tolist()
    page = Table(
        title=f"{report.which}, episode by episode of a trial",
        caption=f"Means over tasks unless said, {_sureness(report)}.",
        box=SIMPLE_HEAD,
    )
    page.add_column("episode")
    for i in shown:
        page.add_column(str(i + 1), justify="center", no_wrap=True)
    page.add_row("[italic]success[/]")
    for name in report.outcomes:
        page.add_row(name, *(_cell(one) for one in report.success(name, shown)))
    page.add_row("[italic]return of the agent[/]")
    for statistic in STATISTICS:
        page.add_row(statistic, *(_cell(one) for one in report.returns(AGENT, statistic, shown)))
    return page


def sums(report: Report) -> Table:
    """What each agent earned in all episodes of a task together, and in how many steps."""
    episodes = "1 episode" if report.episodes == 1 else f"{report.episodes} episodes"
    page = Table(
        title=f"{report.which}, {episodes} in all",
        caption=f"Over tasks, {_sureness(report)}.",
        box=SIMPLE_HEAD,
    )
    page.add_column("")
    for name in report.outcomes:
        page.add_column(name, justify="center", no_wrap=True)
    page.add_row("[italic]sum of returns[/]")
    for statistic in STATISTICS:
        page.add_row(
            statistic,
            *(_sum(report.estimate(report.earned(n), statistic)) for n in report.outcomes),
        )
    page.add_row("[italic]steps[/]")
    for statistic in _OF_LENGTHS:
        page.add_row(
            statistic,
            *(_sum(report.estimate(report.steps(n), statistic), 0) for n in report.outcomes),
        )
    return page


def _sureness(report: Report) -> str:
    runs = " over runs" if report.num_runs > 1 else ""
    return f"with 95 % bootstrap intervals{runs}"


def _sum(one: Estimate, digits: int = 2) -> str:
    value, low, high = (f"{number:,.{digits}f}" for number in one)
    return f"{value}\n[dim]{low}–{high}[/]"


def _cell(one: Estimate) -> str:
    low, high = (f"{bound:.2f}".removeprefix("0") for bound in (one.low, one.high))
    return f"{one.value:.2f}\n[dim]{low}–{high}[/]"


def summary(report: Report) -> dict[str, Any]:
    """The figures that matter, as plain JSON values."""
    first, last = report.success(AGENT, [0, -1])
    figures = {"success_last": last, "success_first": first}
    others = {"memoryless": FORGETFUL, "random": RANDOM}
    for name, agent in others.items():
        if agent in report.outcomes:
            (figures[name],) = report.success(agent, [-1])
    for statistic in STATISTICS:
        name = f"sum_{statistic.replace(' ', '_')}"
        figures[name] = report.estimate(report.earned(AGENT), statistic)
    if report.num_runs > 1:
        earned = report.earned(AGENT).reshape(report.num_runs, -1)
        figures["sum_interquartile_mean"] = aggregate(earned)
    told: dict[str, Any] = {}
    for name, one in figures.items():
        told |= {name: round(one.value, 4), f"{name}_ci": _interval(one)}
    tasks = "held_out_tasks" if report.held_out else "training_tasks"
    sizes = {tasks: report.num_tasks, "episodes": report.episodes, "runs": report.num_runs}
    return told | sizes


def _interval(one: Estimate) -> list[float]:
    return [round(one.low, 4), round(one.high, 4)]


def plot(report: Report, path: Path) -> Path:
    """The adaptation curves as a picture."""

    def series(name: str) -> Curve:
        mean, low, high = np.array(report.success(name)).T
        return np.arange(1, len(mean) + 1), mean, low, high

    return curves(
        path,
        {name: series(name) for name in report.outcomes},
        xlabel="episode of the trial",
        ylabel="share of tasks solved",
        title=f"Adaptation to {report.which}",
    )
