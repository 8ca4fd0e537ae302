"""Show: every kind has words, and a tree says where each tile comes from."""

import jax
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import grid_task
from meadow.tasks.published import regenerate
from meadow.tasks.show import goal_text, rule_text, tree

RED, BLUE, PINK = (tiles.parse(name) for name in ("red ball", "blue key", "pink hex"))
GOALS = {
    "empty": "none, it is never reached",
    "agent_hold": "hold red ball",
    "agent_on_tile": "stand on red ball",
    "agent_near": "stand next to red ball",
    "tile_near": "put red ball next to blue key",
    "tile_on_position": "bring red ball to row 2, column 3",
    "agent_on_position": "stand at row 2, column 3",
    "tile_near_up": "put blue key above red ball",
    "tile_near_right": "put blue key right of red ball",
    "tile_near_down": "put blue key below red ball",
    "tile_near_left": "put blue key left of red ball",
    "agent_near_up": "stand with red ball above",
    "agent_near_right": "stand with red ball to the right",
    "agent_near_down": "stand with red ball below",
    "agent_near_left": "stand with red ball to the left",
}


@pytest.mark.parametrize("name", kinds.GOALS)
def test_every_goal_has_words(name):
    assert goal_text([kinds.GOALS[name], RED, BLUE, 2, 3]) == GOALS[name]


@pytest.mark.parametrize("name", kinds.RULES)
def test_every_rule_has_words(name):
    expected = "no rule" if name == "empty" else f"{GOALS[name]} -> pink hex"
    assert rule_text(np.array([kinds.RULES[name], RED, BLUE, PINK])) == expected


def test_kinds_of_ones_own_have_words():
    assert rule_text([0x12, RED, BLUE, PINK]) == (
        "custom kind 18 of red ball and blue key -> pink hex"
    )
    assert goal_text([0x12, RED, BLUE, 0, 0]) == "custom kind 18 of red ball and blue key"


def test_a_tree_with_everything():
    task = grid_task(
        goal=("tile_near", "red ball", "red ball"),
        rules=[
            ("tile_near", "blue key", "white star", "red ball"),
            ("agent_hold", "pink hex", "blue key"),
            ("agent_near", "white star", "floor"),
        ],
        objects=["red ball", "pink hex", "white star", "white star"],
        num_rules=6,
        num_objects=7,
    )
    assert tree(task).splitlines() == [
        "Goal: put red ball next to red ball",
        "├─ red ball: put blue key next to white star",
        "│  ├─ blue key: hold pink hex",
        "│  │  └─ pink hex",
        "│  └─ white star",
        "└─ red ball",
        "Other rules",
        "└─ stand next to white star -> floor",
        "Other objects: white star",
    ]


def test_a_circle_of_rules_ends_and_lacks_are_marked():
    circle = [("agent_hold", "red ball", "blue key"), ("agent_hold", "blue key", "red ball")]
    lines = tree(grid_task(("agent_hold", "red ball"), circle)).splitlines()
    assert lines[-1].strip() == "└─ red ball (as above)", "a rule is used once"
    lines = tree(grid_task(("agent_on_tile", "red goal"))).splitlines()
    assert lines[-1] == "└─ red goal (not there)", "what nothing provides is marked"
    assert tree(grid_task(("agent_on_position", 1, 2))) == "Goal: stand at row 1, column 2"


def test_published_tasks_lack_nothing():
    tasks = regenerate("high", 200)
    for i in range(200):
        task = jax.tree.map(lambda x, i=i: x[i], tasks)
        text = tree(task)
        assert "not there" not in text and "as above" not in text, "each tile has its own source"
        rules = int((np.asarray(task.rules[:, 0]) != 0).sum())
        shown = text.count(": ") - 1 - text.count("Other objects") + text.count(" -> ")
        assert shown == rules, "every rule is shown once"


def test_only_one_task_is_printed():
    with pytest.raises(TaskError, match=r"prints one task, got a batch of shape \[3\]"):
        tree(regenerate("small", 3))
    with pytest.raises(TaskError, match=r"one row of 4 bytes, got shape \[5\]"):
        rule_text([0] * 5)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (kinds.PUT_NEAR, "put red key near row 3, column 4"),
        (kinds.MISHANDLED, "pick up anything but red key, or put anything down"),
        (kinds.DONE_NEAR, "be done beside row 3, column 4"),
        (kinds.DONE, "be done, or toggle"),
        (kinds.NEVER, "none, it is never reached"),
    ],
)
def test_goals_and_failures_of_levels(kind: int, words: str):
    assert goal_text([kind, tiles.parse("red key"), 0, 3, 4]) == words
