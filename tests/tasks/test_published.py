"""Published: the same draws as the published procedure, task for task.

The fingerprints of the first 1,000 tasks were taken from the output of the original script
(xland-minigrid 0.9.3, seed 42), which equalled ours task for task; the two long ones agree with an
independent re-implementation of it.
"""

import hashlib
import itertools

import jax
import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import published as module
from meadow.tasks.grid import check_task
from meadow.tasks.published import CONFIGS, drawn, published, raw, regenerate
from meadow.tasks.raw import to_raw

FIRST_THOUSAND = {
    "trivial": "afd097522cefabd4",
    "small": "ec2ea6df79e8d013",
    "medium": "54f806c696229840",
    "high": "069361957c99341f",
}


def fingerprint(name: str, num: int) -> str:
    """First 16 hex digits of SHA-256 over goal, rules, '|' and objects of each task."""
    digest = hashlib.sha256()
    for goal, rules, objects in raw(name, num):
        digest.update(bytes(goal) + bytes(itertools.chain(*rules)) + b"|")
        digest.update(bytes(itertools.chain(*objects)))
    return digest.hexdigest()[:16]


@pytest.mark.parametrize(("name", "expected"), FIRST_THOUSAND.items())
def test_first_thousand_tasks(name, expected):
    assert fingerprint(name, 1_000) == expected, f"task i of {name} is task i as published"


@pytest.mark.parametrize(
    ("name", "num", "expected"),
    [("trivial", 21_000, "bbb78c7ca5e0444e"), ("medium", 20_000, "2f761d8b41a28210")],
)
def test_long_prefixes(name, num, expected):
    assert fingerprint(name, num) == expected, "also where duplicates were drawn again"


@pytest.mark.parametrize("name", CONFIGS)
def test_batches_hold_the_raw_tasks_padded(name):
    batch, config = regenerate(name, 50), published(name)
    check_task(batch)
    assert batch.rules.shape == (50, config.num_rules, 4), "rules are padded to the most there are"
    assert batch.objects.shape == (50, config.num_objects), "objects too"
    for i, (goal, rules, objects) in enumerate(raw(name, 50)):
        ours = to_raw(jax.tree.map(lambda x, i=i: x[i], batch))
        np.testing.assert_array_equal(ours[0], goal)
        for padded, rows in ((ours[1], rules), (ours[2], objects)):
            np.testing.assert_array_equal(padded[: len(rows)], rows)
            assert not padded[len(rows) :].any(), "padding comes last and is 0"


@pytest.mark.parametrize(
    ("name", "num", "different"), [("trivial", 10_001, 4_534), ("medium", 30_001, 29_837)]
)
def test_repeats_are_kept_as_they_once_were(name, num, different):
    old = drawn(name, num, repeats=True)
    assert len(set(old.numbers.tolist())) == old.numbers.max() + 1 == different
    assert old.draws == num, "no draw is rejected"
    goal, rules, _ = drawn(name, different).tasks
    np.testing.assert_array_equal(old.tasks.goal, goal[old.numbers], "numbers are today's")
    np.testing.assert_array_equal(old.tasks.rules, rules[old.numbers], "numbers are today's")


def test_the_draws_that_were_rejected_are_counted():
    made = drawn("trivial", 5_000)
    np.testing.assert_array_equal(made.numbers, np.arange(5_000), "every task is a new one")
    old = drawn("trivial", made.draws, repeats=True).numbers
    assert len(set(old.tolist())) == 5_000 and old[-1] == 4_999, "the last draw was the last new"


def test_progress_is_reported(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 40)
    said = []
    made = drawn("small", 100, report=said.append)
    assert said == [40, 80, 100]
    for ours, theirs in zip(made.tasks, jax.tree.leaves(regenerate("small", 100)), strict=True):
        np.testing.assert_array_equal(ours, theirs, "chunks join without a seam")


def test_no_task_comes_twice():
    tasks = [(goal, *rules) for goal, rules, _ in raw("trivial", 5_000)]
    assert len(set(tasks)) == 5_000, "a task drawn before is drawn again"


def test_wrong_requests_are_explained():
    with pytest.raises(UnknownNameError, match="published task set called 'mediun'.*'medium'"):
        regenerate("mediun", 1)
    with pytest.raises(TaskError, match="'trivial' has 21,000 tasks, asked for 21,001"):
        raw("trivial", 21_001)
