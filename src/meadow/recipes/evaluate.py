"""Evaluate: what an agent makes of tasks it never saw, against two that could have done as well."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key
from rich.box import SIMPLE_HEAD
from rich.table import Table

from meadow.agents.random import Random
from meadow.core.agent import AbstractAgent
from meadow.core.errors import TaskError
from meadow.evaluation.interval import STATISTICS, Estimate, estimate
from meadow.evaluation.trials import Forgetful, Outcome, lived
from meadow.recipes.meta import MetaRL
from meadow.runs.plot import Curve, curves
from meadow.tasks.grid import GridTask

AGENT, FORGETFUL, RANDOM = "agent", "memory cleared", "random"
_DRAWN_AT_ONCE = 1024
_ROUNDS = 64


@dataclasses.dataclass(frozen=True)
class Report:
    """What each agent made of the same tasks.

    Attributes:
        outcomes: by agent; `Outcome` with NumPy arrays `[tasks, episodes]`.
        tasks: what they were given.
        key: the luck they had.
    """

    outcomes: dict[str, Outcome]
    tasks: GridTask
    key: Key[Array, ""]

    @property
    def num_tasks(self) -> int:
        """How many tasks, no two with the same goal and rules."""
        return self.tasks.goal.shape[0]

    def success(self, agent: str) -> list[Estimate]:
        """Share of tasks solved in each episode."""
        return [estimate(column) for column in self.outcomes[agent].success.T]

    def returns(self, agent: str, statistic: str) -> list[Estimate]:
        """A statistic over tasks of the return of each episode."""
        return [estimate(column, statistic) for column in self.outcomes[agent].returns.T]


def evaluate(recipe: MetaRL, agent: AbstractAgent, *, num_tasks: int, seed: int = 0) -> Report:
    """Live `recipe.episodes` episodes of each of `num_tasks` held-out tasks.

    The same tasks are lived by the agent, by the agent with its memory cleared at each episode,
    and by an agent that acts at random.

    Raises:
        TaskError: the held-out side has not so many different tasks.
    """
    key_tasks, key_lives = jr.split(jr.key(seed))
    tasks = held_out_tasks(recipe, num_tasks, key=key_tasks)
    agents = {
        AGENT: agent,
        FORGETFUL: Forgetful(agent),
        RANDOM: Random(recipe.environment.action_spec),
    }
    outcomes = {
        name: jax.device_get(lived(recipe.environment, one, tasks, recipe.episodes, key=key_lives))
        for name, one in agents.items()
    }
    return Report(outcomes, tasks, key_lives)


def held_out_tasks(recipe: MetaRL, num: int, *, key: Key[Array, ""]) -> GridTask:
    """Held-out tasks, no two with the same goal and rules."""
    space = recipe.space(held_out=True)
    draw = jax.jit(jax.vmap(lambda key: space.sample(key=key)))
    found: dict[bytes, GridTask] = {}
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
    episodes = report.outcomes[AGENT].success.shape[1]
    page = Table(
        title=f"{report.num_tasks:,} held-out tasks, episode by episode of a trial",
        caption="Means over tasks unless said, with 95 % bootstrap intervals.",
        box=SIMPLE_HEAD,
    )
    page.add_column("episode")
    for i in range(episodes):
        page.add_column(str(i + 1), justify="center", no_wrap=True)
    page.add_row("[italic]success[/]")
    for name in report.outcomes:
        page.add_row(name, *(_cell(one) for one in report.success(name)))
    page.add_row("[italic]return of the agent[/]")
    for statistic in STATISTICS:
        page.add_row(statistic, *(_cell(one) for one in report.returns(AGENT, statistic)))
    return page


def _cell(one: Estimate) -> str:
    low, high = (f"{bound:.2f}".removeprefix("0") for bound in (one.low, one.high))
    return f"{one.value:.2f}\n[dim]{low}–{high}[/]"


def summary(report: Report) -> dict[str, Any]:
    """The figures that matter, as plain JSON values."""
    first = report.success(AGENT)[0]
    last = {name: report.success(name)[-1] for name in report.outcomes}
    return {
        "success_last": round(last[AGENT].value, 4),
        "success_last_ci": _interval(last[AGENT]),
        "success_first": round(first.value, 4),
        "success_first_ci": _interval(first),
        "memoryless": round(last[FORGETFUL].value, 4),
        "memoryless_ci": _interval(last[FORGETFUL]),
        "random": round(last[RANDOM].value, 4),
        "random_ci": _interval(last[RANDOM]),
        "held_out_tasks": report.num_tasks,
    }


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
        title=f"Adaptation to {report.num_tasks:,} held-out tasks",
    )
