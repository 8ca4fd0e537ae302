"""What a report says: which tasks, which figures, which trial is worth watching."""

import dataclasses
import io
import json

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from rich.console import Console

from meadow.agents.random import Random
from meadow.core.errors import TaskError
from meadow.evaluation.trials import Outcome
from meadow.recipes.evaluate import (
    AGENT,
    FORGETFUL,
    RANDOM,
    Report,
    drawn,
    evaluate,
    summary,
    sums,
    table,
)
from meadow.recipes.film import telling
from meadow.recipes.presets import DEMO, SINGLE
from meadow.tasks.fingerprint import is_held_out
from meadow.tasks.grid import grid_task


def outcome(success: list, lengths: list) -> Outcome:
    """Outcomes as NumPy arrays; whoever succeeds is paid 1."""
    success, lengths = jnp.array(success, bool), jnp.array(lengths, jnp.int32)
    return jax.device_get(Outcome(success.astype(jnp.float32), success, lengths))


@pytest.fixture(scope="module")
def report() -> Report:
    """Four tasks of four episodes."""
    agent = outcome(
        [[0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 0], [0, 0, 1, 1]],
        [[9, 5, 2, 2], [2, 2, 2, 2], [9, 9, 1, 9], [9, 9, 3, 3]],
    )
    others = outcome(np.zeros((4, 4)), np.full((4, 4), 9))
    task = grid_task(("agent_hold", "red ball"), objects=["red ball"])
    tasks = jax.tree.map(lambda x: np.stack([x] * 4), task)
    return Report({AGENT: agent, FORGETFUL: others, RANDOM: others}, tasks, jr.key(0))


def test_a_summary_is_plain_json_of_the_figures_that_matter(report):
    figures = json.loads(json.dumps(summary(report)))
    assert figures["success_last"] == 0.75, "share of tasks solved in the last episode"
    assert figures["success_first"] == 0.25, "and in the first"
    assert figures["memoryless"] == 0.0 and figures["random"] == 0.0, "the last of the others"
    low, high = figures["success_last_ci"]
    assert low <= 0.75 <= high, "beside its interval"
    assert figures["held_out_tasks"] == 4 and figures["episodes"] == 4
    assert figures["sum_mean"] == 2.5, "what was earned in all episodes, 3, 4, 1 and 2 of them"
    assert figures["sum_median"] == 2.5 and figures["sum_20th_percentile"] == 1.6, "over tasks"


def shown(page) -> str:
    """A table as text."""
    console = Console(file=io.StringIO(), width=140)
    console.print(page)
    return console.file.getvalue()


def test_sums_are_over_the_episodes_and_statistics_over_tasks(report):
    text = shown(sums(report))
    assert "4 held-out tasks, 4 episodes in all" in text, text
    lines = [line.split() for line in text.splitlines()]
    # The agent's sums are 3, 4, 1 and 2 of returns, 18, 8, 28 and 24 of steps; the others' 0, 36.
    assert ["mean", "2.50", "0.00", "0.00"] in lines and ["median", "2.50", "0.00", "0.00"] in lines
    assert ["20th", "percentile", "1.60", "0.00", "0.00"] in lines, "over tasks"
    assert ["mean", "20", "36", "36"] in lines, "and in how many steps"
    assert ["20th", "percentile", "14", "36", "36"] in lines


def test_a_long_trial_is_shown_in_a_few_columns(report):
    long = jax.tree.map(lambda x: np.tile(x, (1, 7))[:, :25], report.outcomes)
    text = shown(table(Report(long, report.tasks, report.key, held_out=False)))
    head = next(line for line in text.splitlines() if line.strip().startswith("episode"))
    columns = [int(word) for word in head.split()[1:]]
    assert columns[0] == 1 and columns[-1] == 25 and len(columns) <= 10, columns
    assert columns == sorted(set(columns)) and "4 tasks drawn as in training" in text, text


def test_a_table_has_a_row_for_each_agent(report):
    text = shown(table(report))
    assert "4 held-out tasks" in text, text
    for name in (AGENT, FORGETFUL, RANDOM):
        assert any(line.strip().startswith(name) for line in text.splitlines()), text
    assert "0.25" in text and "0.75" in text, "with the agent's share of tasks solved"


def test_the_film_shows_a_task_that_was_learnt_and_not_known(report):
    assert telling(report) == 0, "solved in the later half, with most steps saved"


def test_held_out_tasks_are_held_out_and_all_different():
    tasks = drawn(DEMO, 300, held_out=True, key=jr.key(0))
    assert tasks.goal.shape[0] == 300
    held = jax.vmap(lambda task: is_held_out(task, DEMO.held_out))(tasks)
    assert held.all(), "training may have drawn one of them"
    rows = {(g.tobytes(), r.tobytes()) for g, r in zip(*map(np.asarray, (tasks.goal, tasks.rules)),
                                                       strict=True)}  # fmt: skip
    assert len(rows) == 300, "a task counted twice makes an interval too narrow"
    again = drawn(DEMO, 300, held_out=True, key=jr.key(0))
    np.testing.assert_array_equal(tasks.goal, again.goal, "the key decides")


def test_more_tasks_than_there_are_is_an_error():
    space = dataclasses.replace(
        DEMO.tasks, colours=("red",), objects=("ball", "key", "star", "hex"), distractor_objects=0,
        goal_kinds=("agent_hold",), rule_kinds=("agent_hold",),
    )  # fmt: skip
    few = dataclasses.replace(DEMO, tasks=space, held_out=0.5)
    with pytest.raises(TaskError, match="Asked for 500 different held-out tasks, found"):
        drawn(few, 500, held_out=True, key=jr.key(0))


def test_training_tasks_are_drawn_as_training_draws_them():
    tasks = drawn(DEMO, 300, held_out=False, key=jr.key(0))
    held = jax.vmap(lambda task: is_held_out(task, DEMO.held_out))(tasks)
    assert not held.any(), "training never draws a held-out task"


def test_one_task_is_lived_again_and_again():
    recipe = dataclasses.replace(
        SINGLE, environment=dataclasses.replace(SINGLE.environment, max_steps=5)
    )
    agent = Random(recipe.environment.action_spec)
    report = evaluate(recipe, agent, num_tasks=6)
    assert not report.held_out and (report.num_tasks, report.episodes) == (6, 1)
    assert list(report.outcomes) == [AGENT, RANDOM], "one episode leaves nothing to remember"
    assert "memoryless" not in summary(report) and summary(report)["training_tasks"] == 6
    goals = np.asarray(report.tasks.goal)
    assert (goals == goals[0]).all(), "there is one task"
    with pytest.raises(TaskError, match="holds no tasks out"):
        evaluate(recipe, agent, num_tasks=6, held_out=True)
