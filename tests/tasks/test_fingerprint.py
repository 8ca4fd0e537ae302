"""Fingerprint: equal for tasks that mean the same, different for others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.tasks.fingerprint import fingerprint, is_held_out
from meadow.tasks.grid import grid_task
from meadow.tasks.published import regenerate

GOAL = ("tile_near_up", "red ball", "blue key")
HOLD, NEAR = ("agent_hold", "pink hex", "red ball"), ("agent_near", "red star", "blue key")


def number(goal=GOAL, rules=(HOLD, NEAR), objects=(), **widths) -> int:
    return int(fingerprint(grid_task(goal, rules, objects, **widths)))


@pytest.mark.parametrize(
    "same",
    [
        {"objects": ["pink hex"]},
        {"num_rules": 5, "num_objects": 3},
        {"rules": [NEAR, HOLD]},
        {"goal": ("tile_near_down", "blue key", "red ball")},
    ],
    ids=["objects", "padding", "order", "swapped goal"],
)
def test_same_task_in_other_words(same):
    assert number(**same) == number(), "goal and rules decide, not how they are written"


@pytest.mark.parametrize("pair", [("", ""), ("_left", "_right"), ("_up", "_down")])
def test_swapped_rules(pair):
    first = ("tile_near" + pair[0], "red ball", "blue key", "pink hex")
    second = ("tile_near" + pair[1], "blue key", "red ball", "pink hex")
    assert number(rules=[first]) == number(rules=[second]), "a next to b is b next to a"


@pytest.mark.parametrize(
    "other",
    [
        {"rules": [HOLD]},
        {"rules": [HOLD, NEAR, NEAR]},
        {"rules": []},
        {"goal": ("tile_near_up", "blue key", "red ball")},
        {"goal": ("tile_near_right", "red ball", "blue key")},
        {"rules": [("agent_hold", "pink hex", "blue key"), ("agent_near", "red star", "red ball")]},
    ],
)
def test_other_tasks(other):
    assert number(**other) != number(), "another goal or other rules are another task"


def test_places_of_a_goal_count():
    numbers = {number(("tile_on_position", "red ball", y, x)) for y in range(9) for x in range(9)}
    assert len(numbers) == 81, "another place is another goal"


def test_batches_are_fingerprinted_task_by_task():
    tasks = regenerate("small", 64)
    alone = jnp.stack([fingerprint(jax.tree.map(lambda x, i=i: x[i], tasks)) for i in range(64)])
    np.testing.assert_array_equal(fingerprint(tasks), alone)


def test_sides_have_the_share_asked_for_and_grow():
    tasks = regenerate("small", 20_000)
    assert len(np.unique(np.asarray(fingerprint(tasks)))) > 19_900, "different tasks differ"
    before = np.zeros(20_000, bool)
    for fraction in (0.02, 0.1, 0.5, 0.9):
        side = np.asarray(is_held_out(tasks, fraction))
        assert abs(side.mean() - fraction) < 0.02, "about the fraction is held out"
        assert side[before].all(), "a larger fraction holds out what a smaller one does"
        before = side
    other = np.asarray(is_held_out(tasks, 0.5, seed=1))
    agree = (other == np.asarray(is_held_out(tasks, 0.5))).mean()
    assert abs(agree - 0.5) < 0.02, "another seed holds out other tasks"
