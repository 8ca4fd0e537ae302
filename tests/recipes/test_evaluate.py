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

from meadow.core.errors import TaskError
from meadow.evaluation.trials import Outcome
from meadow.recipes.evaluate import AGENT, FORGETFUL, RANDOM, Report, held_out_tasks, summary, table
from meadow.recipes.film import telling
from meadow.recipes.meta import DEMO
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
    assert figures["held_out_tasks"] == 4


def test_a_table_has_a_row_for_each_agent(report):
    console = Console(file=io.StringIO(), width=120)
    console.print(table(report))
    text = console.file.getvalue()
    assert "4 held-out tasks" in text, text
    for name in (AGENT, FORGETFUL, RANDOM):
        assert any(line.strip().startswith(name) for line in text.splitlines()), text
    assert "0.25" in text and "0.75" in text, "with the agent's share of tasks solved"


def test_the_film_shows_a_task_that_was_learnt_and_not_known(report):
    assert telling(report) == 0, "solved in the later half, with most steps saved"


def test_held_out_tasks_are_held_out_and_all_different():
    tasks = held_out_tasks(DEMO, 300, key=jr.key(0))
    assert tasks.goal.shape[0] == 300
    held = jax.vmap(lambda task: is_held_out(task, DEMO.held_out))(tasks)
    assert held.all(), "training may have drawn one of them"
    rows = {(g.tobytes(), r.tobytes()) for g, r in zip(*map(np.asarray, (tasks.goal, tasks.rules)),
                                                       strict=True)}  # fmt: skip
    assert len(rows) == 300, "a task counted twice makes an interval too narrow"
    again = held_out_tasks(DEMO, 300, key=jr.key(0))
    np.testing.assert_array_equal(tasks.goal, again.goal, "the key decides")


def test_more_tasks_than_there_are_is_an_error():
    space = dataclasses.replace(
        DEMO.tasks, colours=("red",), objects=("ball", "key", "star", "hex"), distractor_objects=0,
        goal_kinds=("agent_hold",), rule_kinds=("agent_hold",),
    )  # fmt: skip
    few = dataclasses.replace(DEMO, tasks=space, held_out=0.5)
    with pytest.raises(TaskError, match="Asked for 500 different held-out tasks, found"):
        held_out_tasks(few, 500, key=jr.key(0))
