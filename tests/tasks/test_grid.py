"""GridTask: tasks written by hand, and tasks refused at the door."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import check_task, grid_task

RED, BLUE, PINK = (tiles.parse(name) for name in ("red ball", "blue key", "pink hex"))
TASK = grid_task(
    goal=("tile_near", "red ball", "blue key"),
    rules=[("agent_hold", "pink hex", "red ball"), ("tile_near_up", "red ball", "blue key", PINK)],
    objects=["pink hex", BLUE],
    num_rules=3,
    num_objects=4,
)


def test_rows_are_kind_inputs_product():
    np.testing.assert_array_equal(TASK.goal, [kinds.GOALS["tile_near"], RED, BLUE, 0, 0])
    np.testing.assert_array_equal(
        TASK.rules,
        [
            [kinds.HOLD, PINK, 0, RED],
            [kinds.TILE | kinds.UP, RED, BLUE, PINK],
            [0, 0, 0, 0],
        ],
    )
    np.testing.assert_array_equal(TASK.objects, [PINK, BLUE, 0, 0])
    check_task(TASK)


def test_places_follow_the_tiles():
    at = grid_task(("tile_on_position", "red ball", 2, 3))
    np.testing.assert_array_equal(at.goal, [kinds.TILE_AT, RED, 0, 2, 3])
    agent = grid_task(("agent_on_position", 4, 5))
    np.testing.assert_array_equal(agent.goal, [kinds.AGENT_AT, 0, 0, 4, 5])
    assert at.rules.shape == (1, 4), "a task without rules has one row of padding"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: grid_task(("tile_near", "red ball")), "takes 2 tiles, got"),
        (lambda: grid_task(("agent_on_position", 300, 0)), "row and column must lie in 0..255"),
        (
            lambda: grid_task(("agent_hold", RED), [("tile_near", RED, BLUE)]),
            r"Rule 0 \('tile_near'\) takes 3 tiles",
        ),
        (lambda: grid_task(("agent_hold", 192)), "tile byte in 0..191, got 192"),
        (
            lambda: grid_task(("agent_hold", RED), objects=[RED] * 3, num_objects=2),
            "Got 3 objects, but room for 2: raise `num_objects`",
        ),
    ],
)
def test_wrong_tasks_are_explained(build, message):
    with pytest.raises(TaskError, match=message):
        build()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("goal", TASK.goal.at[0].set(4), "4 is not a goal kind"),
        ("rules", TASK.rules.at[1, 0].set(3), r"3 is not a rule kind \(at index \[1\]\)"),
        ("rules", TASK.rules.at[1, 3].set(192), r"192 is not a rule tile \(at index \[1, 2\]\)"),
        ("goal", TASK.goal.at[2].set(200), "200 is not a goal tile"),
        ("objects", TASK.objects.at[3].set(255), "255 is not an object"),
        ("rules", jnp.zeros((2, 7), jnp.uint8), r"last axis 4, got uint8\[2, 7\]"),
        ("objects", jnp.zeros(2), "`GridTask.objects` must be uint8, got float32"),
    ],
)
def test_foreign_tasks_are_checked(name, value, message):
    # `tree_at` asks no questions, as a file does not.
    task = eqx.tree_at(lambda task: getattr(task, name), TASK, value)
    with pytest.raises(TaskError, match=message):
        check_task(task)
