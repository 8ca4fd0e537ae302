"""Table, holdout and Split: no task to learn from has goal and rules of one held out."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks import kinds
from meadow.tasks import table as table_module
from meadow.tasks.fingerprint import is_held_out
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.published import regenerate
from meadow.tasks.table import Split, Table, holdout
from meadow.tasks.trees import Trees

# Few different tasks, so that without a split the same would be drawn again and again.
SMALL = Trees(
    depth=1, statics=False, colours=("red", "blue", "green"), objects=("ball", "key"),
    goal_kinds=("agent_hold",), rule_kinds=("tile_near", "tile_near_up", "tile_near_down"),
)  # fmt: skip
OPPOSITE = {1: 4, 2: 8, 4: 1, 8: 2}


def meaning(row: np.ndarray) -> tuple:
    """What a row says, told without `canonical`: who may lie in which direction of whom."""
    kind, a, b, *rest = (int(x) for x in row)
    if not kind & kinds.TILE:
        return kind, a, b, *rest
    seen = [(a, d, b) for d in OPPOSITE if kind & d]
    return "tile", frozenset(seen + [(b, OPPOSITE[d], a) for a, d, b in seen]), *rest


def meanings(tasks: GridTask) -> set:
    goals, rules = np.asarray(tasks.goal), np.asarray(tasks.rules)
    return {
        (meaning(goal), frozenset(meaning(row) for row in rows if row[0]))
        for goal, rows in zip(goals, rules, strict=True)
    }


def draw(space, num: int) -> GridTask:
    keys = jr.split(jr.key(0), num)
    return jax.jit(jax.vmap(lambda key: space.sample(key=key)))(keys)


def test_endless_sides_are_disjoint():
    train, held_out = draw(Split(SMALL), 20_000), draw(Split(SMALL, held_out=True), 20_000)
    ours, theirs = meanings(train), meanings(held_out)
    assert len(ours) > 150 and len(theirs) > 15, "both sides have many tasks"
    assert not ours & theirs, "no task lies on both sides"
    everything = meanings(draw(SMALL, 20_000))
    assert everything <= ours | theirs, "and none is lost"
    assert 0.05 < len(theirs) / len(ours | theirs) < 0.15, "a tenth of the tasks is held out"


def test_large_spaces_are_split_too():
    space = Trees.published("medium")
    train, held_out = draw(Split(space), 2_000), draw(Split(space, held_out=True), 2_000)
    assert not np.asarray(is_held_out(train, 0.1)).any(), "tasks to learn from are not held out"
    assert np.asarray(is_held_out(held_out, 0.1)).all(), "held-out tasks are"
    for tasks in (train, held_out):
        assert np.asarray(tasks.goal[:, 0] != 0).all(), "a task was always found"


def test_a_space_without_tasks_on_a_side_gives_the_empty_task():
    one = Table(jax.tree.map(lambda x: x[:1], regenerate("small", 1)))
    sides = [draw(Split(one, held_out=side, fraction=0.5), 3) for side in (False, True)]
    found = [bool((tasks.goal[:, 0] != 0).all()) for tasks in sides]
    assert sorted(found) == [False, True], "one task lies on one side only"
    empty = sides[found.index(False)]
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(empty)), "all zeros"


def test_holdout_keeps_equal_tasks_together():
    tasks = draw(SMALL, 20_000)
    train, held_out = holdout(tasks, 0.3, seed=5)
    assert len(Table(train)) + len(Table(held_out)) == 20_000, "every task lies on one side"
    assert not meanings(train) & meanings(held_out), "no task lies on both sides"
    endless = draw(Split(SMALL, fraction=0.3, seed=5), 2_000)
    assert not meanings(endless) & meanings(held_out), "tables and endless spaces agree on sides"


def test_holdout_and_split_explain_what_cannot_be():
    tasks = regenerate("small", 5)
    for fraction in (0.0, 1.0, 1.5):
        with pytest.raises(TaskError, match=f"between 0 and 1 and neither, got {fraction}"):
            holdout(tasks, fraction)
        with pytest.raises(TaskError, match="between 0 and 1"):
            Split(SMALL, fraction=fraction)
    with pytest.raises(TaskError, match="1e-05 of 5 tasks leaves one side empty"):
        holdout(tasks, 1e-5)


TABLE = Table(regenerate("small", 100))


def test_table_is_indexed_and_sampled():
    assert len(TABLE) == 100
    np.testing.assert_array_equal(TABLE.task(7).rules, TABLE.tasks.rules[7])
    inside = jax.jit(lambda index: TABLE.task(index))(jnp.int32(7))
    np.testing.assert_array_equal(inside.rules, TABLE.tasks.rules[7])
    drawn = draw(TABLE, 2_000)
    assert meanings(drawn) == meanings(TABLE.tasks), "every task is drawn"
    with pytest.raises(TaskError, match="tasks 0..99, asked for 100"):
        TABLE.task(100)


def test_table_splits_at_random(key):
    first, second = TABLE.split(0.25, key=key)
    assert (len(first), len(second)) == (25, 75)
    rows = [np.concatenate([t.tasks.goal, t.tasks.objects], -1) for t in (first, second, TABLE)]
    both = np.concatenate(rows[:2])
    assert sorted(map(tuple, both)) == sorted(map(tuple, rows[2])), "no task is lost or doubled"
    assert (both != rows[2]).any(), "the order is shuffled"
    with pytest.raises(TaskError, match="Splitting 100 tasks at 0.001 leaves one side empty"):
        TABLE.split(0.001, key=key)


def test_table_is_shuffled(key):
    mixed = TABLE.shuffle(key=key)
    rows = [np.concatenate([t.tasks.goal, t.tasks.objects], -1) for t in (mixed, TABLE)]
    assert (rows[0] != rows[1]).any(), "the order is another"
    assert sorted(map(tuple, rows[0])) == sorted(map(tuple, rows[1])), "the tasks are the same"


def test_table_is_filtered(monkeypatch):
    monkeypatch.setattr(table_module, "FILTERED_AT_ONCE", 30)
    yes, no = TABLE.filter(lambda task: (task.rules[:, 0] != 0).sum() > 2)
    few = (np.asarray(TABLE.tasks.rules)[..., 0] != 0).sum(-1) > 2
    for leaf, kept, others in zip(*map(jax.tree.leaves, (TABLE, yes, no)), strict=True):
        np.testing.assert_array_equal(kept, leaf[few], "tasks for which it holds, in order")
        np.testing.assert_array_equal(others, leaf[~few], "and the others")


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (lambda task: task.goal[0] >= 0, "holds for 100 of 100 tasks, which leaves one side empty"),
        (lambda task: task.rules[:, 0] != 0, "answers with one truth value, got .*bool"),
        (lambda task: task.goal[0], "answers with one truth value, got .*uint8"),
        (lambda task: (task.goal[0] > 0, 1), "answers with one truth value"),
    ],
    ids=["all", "many", "number", "pair"],
)
def test_predicates_that_cannot_be(predicate, message):
    with pytest.raises(TaskError, match=message):
        TABLE.filter(predicate)


def test_a_table_needs_a_batch():
    with pytest.raises(TaskError, match="needs a batch of at least one task"):
        Table(grid_task(("agent_hold", "red ball")))
    with pytest.raises(TaskError, match="needs a batch of at least one task"):
        Table(jax.tree.map(lambda x: x[:0], TABLE.tasks))
