"""What is said of maze agents: the right mazes, the right figures, and all of them written down."""

import csv
import dataclasses
import io
import json

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from meadow.core.errors import SpecError
from meadow.envs.maze.environment import MazeWorld
from meadow.evaluation.exam import Exam
from meadow.evaluation.trials import Outcome
from meadow.recipes import judge
from meadow.recipes import mazes as maze_exam
from meadow.recipes.presets import EMPTY
from meadow.runs.folder import Run
from meadow.tasks.maze.named import named_many
from meadow.tasks.maze.perfect import Perfect

RUNS, ATTEMPTS, MAZES = 3, 4, 20
WORLD = MazeWorld(11, 11, view_size=3, penalise_time=True)


def outcome(solved: np.ndarray, horizon: int) -> Outcome:
    """Of attempts that take half of the time where they solve anything."""
    lengths = np.where(solved, horizon // 2, horizon)
    returns = np.where(solved, 0.55, 0.0)
    return Outcome(jnp.asarray(returns), jnp.asarray(solved), jnp.asarray(lengths))


@pytest.fixture(scope="module")
def verdict() -> judge.Verdict:
    """Three runs: run i solves the first i + 1 named mazes, and nine tenths of the random ones."""
    sizes = {name: 5 for name in maze_exam.PERFECT}
    outcomes = []
    for i in range(RUNS):
        named = np.repeat(np.arange(8)[:, None] <= i, ATTEMPTS, axis=1)
        random = np.repeat(np.arange(MAZES)[:, None] >= MAZES // 10, 2 * ATTEMPTS, axis=1)
        perfect = {name: outcome(np.ones((n, ATTEMPTS), bool), 450) for name, n in sizes.items()}
        exams = {
            maze_exam.SHORT: outcome(named, 250),
            maze_exam.LONG: outcome(np.ones_like(named), 450),
            maze_exam.RANDOM: outcome(random, 250),
        }
        outcomes.append(exams | perfect)
    best = {name: np.full(len(one.success), 0.9) for name, one in outcomes[0].items()}
    return judge.Verdict(outcomes, best)


def test_rows_are_means_over_runs_mazes_and_attempts(verdict):
    found = {(row.exam, row.name): row.figures for row in judge.rows(verdict)}
    short = {name: figures for (exam, name), figures in found.items() if exam == maze_exam.SHORT}
    assert [short[name]["solved"].value for name in maze_exam.NAMED[:4]] == [
        1.0,
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
        0.0,
    ]
    mean = short[judge.ALL]
    assert mean["solved"] == pytest.approx((0.25, 0.125, 0.375)), "intervals are over runs"
    assert mean["return"].value == pytest.approx(0.25 * 0.55)
    assert mean["regret"].value == pytest.approx(0.9 - 0.25 * 0.55), "what the best is more"
    assert mean["steps"].value == pytest.approx(250 - 0.25 * 125)
    assert short[judge.MIDDLE]["solved"].value == 0.0, "six of 24, and as many are cut"
    assert found[maze_exam.LONG, judge.ALL]["solved"] == (1, 1, 1)


def test_the_worst_mazes_are_judged_by_other_attempts(verdict):
    found = {row.name: row.figures["solved"].value for row in judge.rows(verdict)}
    worst = [found["worst 5 %"], found["worst 10 %"], found[judge.WHOLE]]
    assert worst == pytest.approx([0.0, 0.0, 0.9]), "a tenth is never solved"
    unlucky = verdict.outcomes[0][maze_exam.RANDOM]
    first = np.asarray(unlucky.success).copy()
    first[-2:, :ATTEMPTS] = False  # by bad luck, in the attempts that choose
    first[:2, :ATTEMPTS] = True
    changed = dataclasses.replace(unlucky, success=jnp.asarray(first))
    one = judge.Verdict([verdict.outcomes[0] | {maze_exam.RANDOM: changed}], verdict.best)
    found = {row.name: row.figures["solved"].value for row in judge.rows(one)}
    assert found["worst 10 %"] == 1.0, "those chosen by bad luck go well after all"


def test_of_one_run_intervals_are_over_mazes(verdict):
    one = judge.Verdict(verdict.outcomes[2:], verdict.best)
    rows = {(row.exam, row.name): row.figures["solved"] for row in judge.rows(one)}
    mean = rows[maze_exam.SHORT, judge.ALL]
    assert mean.value == 3 / 8 and mean.low < 0.2 and mean.high > 0.5, mean
    assert rows[maze_exam.SHORT, "Labyrinth"] == (1, 1, 1), "of one maze they are over attempts"


def test_everything_is_written_down(verdict, tmp_path):
    run = Run.create(tmp_path / "run", {})
    told = judge.leave(verdict, run)
    assert told["csv"].endswith("mazes_of_3_runs.csv") and told["plot"].endswith("3_runs.png")
    with open(told["csv"]) as file:
        lines = list(csv.DictReader(file))
    figures = sum(len(row.figures) for row in judge.rows(verdict))
    assert len(lines) == figures, "a line for each figure"
    line = next(x for x in lines if x["name"] == judge.ALL and x["measure"] == "solved")
    assert (line["exam"], float(line["value"]), line["runs"]) == (maze_exam.SHORT, 0.25, "3")
    summary = json.loads(json.dumps(judge.summary(verdict)))
    assert summary["named_250"] == 0.25 and summary["named_250_ci"] == [0.125, 0.375]
    assert summary["random_worst_10"] == 0 and summary["random"] == 0.9 and summary["runs"] == 3
    assert summary["random_regret"] == pytest.approx(0.9 - 0.9 * 0.55)


def test_the_table_fits_a_terminal(verdict):
    console = Console(file=io.StringIO(), width=80)
    console.print(judge.table(verdict))
    text = console.file.getvalue()
    assert "…" not in text, f"cut:\n{text}"
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert any(line.startswith("LabyrinthFlipped 0.00 .00–.00") for line in lines), text
    assert any(line.startswith(f"{judge.ALL} 0.25 .12–.38 0.14") for line in lines), text


@pytest.fixture
def small(monkeypatch):
    """Few and small perfect mazes, which compile at once."""
    spaces = {name: Perfect(5, 5, "search") for name in maze_exam.PERFECT}
    monkeypatch.setattr(maze_exam, "PERFECT", spaces)
    monkeypatch.setattr(maze_exam, "NUM_PERFECT", 2)


def test_minimax_12_the_exam_is_in_the_agents_own_world_at_both_time_limits(small):
    exams = {exam.name: exam for exam in maze_exam.exams(WORLD, mazes=30, attempts=2)}
    assert all(exam.environment.view_size == 3 for exam in exams.values()), "as the agent sees"
    limits = [exam.environment.max_steps for exam in exams.values()]
    assert limits == [250, 450, 98, 98, 98, 250], "2 (h + 2) (w + 2), and 250"
    random = exams[maze_exam.RANDOM]
    assert (random.num_tasks, random.attempts) == (30, 4), "one half chooses, the other judges"
    best = maze_exam.best(random)
    assert (best > 0).all(), "all random mazes can be solved"
    walls = np.asarray(random.tasks.walls).sum((1, 2))
    assert 40 < walls.mean() < 60, "of 60 walls some are drawn twice"
    golden = [0.9064, 0.8992, 0.5932, 0.5932, 0.5932, 0.8056, 0.7372, 0.8056]
    np.testing.assert_allclose(maze_exam.best(exams[maze_exam.SHORT]), golden, atol=1e-5)
    assert maze_exam.best(exams[maze_exam.LONG])[0] == pytest.approx(0.9480)
    again = maze_exam.exams(WORLD, mazes=30, attempts=2)[-1]
    np.testing.assert_array_equal(again.tasks.goal, random.tasks.goal, "the sets are fixed")


def test_regret_is_against_the_time_limit_of_the_world():
    late = Exam("late", MazeWorld(13, 13, max_steps=100), named_many(["Labyrinth"]), 1)
    assert maze_exam.best(late) == [0.0], "113 steps are more than there are"


def test_an_agent_of_another_world_is_refused():
    with pytest.raises(SpecError, match="live in a `MazeWorld`.*live in MiniGrid"):
        judge.judged(EMPTY, [])
