"""Rulesets: edits stay in the space, keep tasks solvable, and do what they are called."""

import dataclasses
import functools
import itertools
from collections import Counter

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import kinds, tiles
from meadow.tasks.edit_trees import MOVES
from meadow.tasks.fingerprint import canonical, is_held_out
from meadow.tasks.grid import GridTask, check_task
from meadow.tasks.rulesets import Rulesets, Within
from meadow.tasks.trees import Trees

TREES = Trees(
    depth=2,
    prune=0.1,
    distractor_rules=3,
    distractor_objects=2,
    colours=("red", "green", "blue", "pink"),
    objects=("ball", "key", "star", "hex"),
    goal_kinds=("agent_hold", "agent_near", "tile_near", "tile_near_left"),
    rule_kinds=("agent_hold", "agent_near_up", "agent_near", "tile_near", "tile_near_up"),
)
SPACE = Rulesets(TREES)
NUM, EDITS = 512, 30  # half of them begin empty, half as drawn

# Run once and briefly: a program that is compiled in a third of the time is worth a slower one.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@functools.cache
def history() -> tuple[GridTask, dict[str, np.ndarray]]:
    """Tasks `[1 + edits, num]` and their features, edit after edit."""

    @jit
    @jax.vmap
    def wander(key, drawn):
        key, key_empty, key_sample = jr.split(key, 3)
        pair = SPACE.empty(key=key_empty), SPACE.sample(key=key_sample)
        task = jax.tree.map(lambda x, y: jnp.where(drawn, y, x), *pair)

        def body(task, key):
            return SPACE.mutate(task, key=key), (task, SPACE.features(task))

        return jax.lax.scan(body, task, jr.split(key, EDITS + 1))[1]

    lived = wander(jr.split(jr.key(0), NUM), jnp.arange(NUM) >= NUM // 2)
    return jax.tree.map(lambda x: np.moveaxis(np.asarray(x), 0, 1), lived)


def test_no_edit_makes_a_task_unsolvable():
    _, features = history()
    start, *_ = solvable = features["solvable"].astype(bool)
    assert start[: NUM // 2].all() and start.mean() > 0.95, "nearly all begin as they should"
    assert solvable[:, start].all(), "what could be solved can be solved after any edits"


def test_trees_grow_from_nothing():
    _, features = history()
    empty = {name: x[:, : NUM // 2] for name, x in features.items()}
    assert not empty["rules"][0].any() and not empty["depth"][0].any(), "the simplest have no rules"
    assert empty["rules"][-1].mean() > 2 and empty["depth"][-1].mean() > 1, "edits add up"
    assert empty["rules"].max() == TREES.num_rules, "until there is no more room"
    assert empty["depth"].max() > TREES.depth, "deeper than what is drawn"
    assert not empty["dead_end"].any(), "edits never let a distractor take what the goal needs"


def test_tasks_stay_in_the_space():
    tasks, _ = history()
    check_task(tasks)
    assert tasks.rules.shape[-2:] == (TREES.num_rules, 4)
    assert tasks.objects.shape[-1] == TREES.num_objects
    palette = [tiles.pack(t, c) for t in (*TREES.objects, "goal") for c in TREES.colours]
    assert np.isin(tasks.rules[..., :3].reshape(-1, 3)[:, 1:], [0, *palette]).all(), "inputs"
    assert np.isin(tasks.rules[..., 3], [0, tiles.FLOOR, *palette]).all(), "products"
    assert np.isin(tasks.goal[..., 1:3], [0, *palette]).all(), "goal tiles"
    assert np.isin(tasks.objects, [0, *palette]).all(), "objects"
    assert np.isin(tasks.rules[..., 0], [0, *(kinds.RULES[k] for k in TREES.rule_kinds)]).all()
    assert np.isin(tasks.goal[..., 0], [kinds.GOALS[k] for k in TREES.goal_kinds]).all()
    for rows in (tasks.rules, tasks.goal[..., None, :]):
        held = rows[rows[..., 0] == kinds.HOLD][:, 1]
        assert tiles.PICKABLE[held].all(), "what is to be held can be picked up"


Plain = tuple[tuple, list[tuple], Counter]


def plain(tasks: GridTask, time: int, i: int) -> Plain:
    """Goal, rules and objects of one task."""
    rules = [tuple(row) for row in tasks.rules[time, i].tolist() if row[0]]
    objects = Counter(x for x in tasks.objects[time, i].tolist() if x)
    return tuple(tasks.goal[time, i].tolist()), rules, objects


def name_of(before: Plain, after: Plain) -> str:
    """Which edit leads from one task to the other, told by what has changed."""
    (goal, rules, objects), (other_goal, other_rules, other_objects) = before, after
    gone, come = (
        [x for x in rules if x not in other_rules],
        [x for x in other_rules if x not in rules],
    )
    taken, put = objects - other_objects, other_objects - objects
    if goal != other_goal and goal[1:] == other_goal[1:]:
        return "nothing" if gone or come or taken or put else "goal_kind"
    if goal != other_goal:
        return renamed(before, after)
    if len(come) == 1 and not gone and other_rules[-1] == come[0]:
        *inputs, product = (x for x in come[0][1:] if x)
        named = {*goal[1:], *objects, *(x for row in rules for x in row[1:])}
        if Counter(inputs) != put or named & set(inputs):
            return "nothing"
        return {(): "add_rule", (product,): "grow"}.get(tuple(taken), "nothing")
    if len(gone) == 1 and not come:
        *inputs, product = (x for x in gone[0][1:] if x)
        if taken - Counter(inputs):
            return "nothing"
        return {(): "drop_rule", (product,): "prune"}.get(tuple(put), "nothing")
    if not gone and not come and taken.total() + put.total() == 1:
        return "add_object" if put else "drop_object"
    if len(gone) == len(come) == 1 and gone[0][1:] == come[0][1:] and not taken and not put:
        return "rule_kind"
    return renamed(before, after)


def renamed(before: Plain, after: Plain) -> str:
    """Whether one tile became another that was not there."""
    (goal, rules, objects), (other_goal, other_rules, other_objects) = before, after

    def named(goal, rules, objects):
        return {*goal[1:3], *objects, *(x for row in rules for x in row[1:])}

    old, new = named(*before) - named(*after), named(*after) - named(*before)
    if len(old) != 1 or len(new) != 1:
        return "nothing"
    becomes = dict(zip(old, new, strict=True))

    def changed(row):
        return (row[0], *(becomes.get(x, x) for x in row[1:]))

    same = changed(goal) == other_goal and [changed(row) for row in rules] == other_rules
    counts = Counter({becomes.get(x, x): n for x, n in objects.items()})
    return "rename" if same and counts == other_objects else "nothing"


def test_every_edit_is_one_of_those_named():
    tasks, _ = history()
    steps = [[plain(tasks, t, i) for t in range(EDITS + 1)] for i in range(0, NUM, 4)]
    counts = Counter(name_of(*pair) for life in steps for pair in itertools.pairwise(life))
    assert counts.keys() == MOVES.keys(), f"one edit each time, and each of them: {counts}"
    share = min(counts.values()) / counts.total()
    assert share > 0.03, f"all that fit are equally likely: {counts}"


def test_pruning_undoes_growing():
    grow, prune = (dataclasses.replace(SPACE, moves=(name,)) for name in ("grow", "prune"))

    @jit
    @jax.vmap
    def there_and_back(key):
        key, key_empty = jr.split(key)
        task = grow.empty(key=key_empty)

        def body(space):
            return lambda task, key: (space.mutate(task, key=key),) * 2

        grown, _ = jax.lax.scan(body(grow), task, jr.split(key, 4))
        pruned, path = jax.lax.scan(body(prune), grown, jr.split(key, 5))
        return task, grown, pruned, path.rules

    task, grown, pruned, rules = there_and_back(jr.split(jr.key(1), 64))
    num = np.asarray((grown.rules[..., 0] != 0).sum(-1))
    assert (num == 4).all(), "there is room for four rules, and each grows one"
    left = np.asarray((rules[..., 0] != 0).sum(-1))
    assert (left == [3, 2, 1, 0, 0]).all(), "each prunes one, and none is left to prune"
    np.testing.assert_array_equal(pruned.goal, task.goal)
    np.testing.assert_array_equal(np.sort(pruned.objects), np.sort(task.objects), "as it began")


@jit
def prints(tasks):
    return jax.vmap(SPACE.fingerprint)(tasks)


def test_fingerprints_are_of_problems():
    tasks, _ = history()
    tasks = jax.tree.map(lambda x: x[::3].reshape(-1, *x.shape[2:]), tasks)
    rules = np.asarray(canonical(jnp.asarray(tasks.rules)))
    goals = np.asarray(canonical(jnp.asarray(tasks.goal)))
    rows = zip(goals.tolist(), rules.tolist(), tasks.objects.tolist(), strict=True)
    problems = [str((goal, sorted(rule), sorted(objects))) for goal, rule, objects in rows]
    got = [tuple(x) for x in np.asarray(prints(tasks)).tolist()]
    pairs = set(zip(problems, got, strict=True))
    assert len(set(problems)) > len(problems) / 2, "most of them differ"
    assert len(pairs) == len(set(problems)), "one problem has one fingerprint"
    assert len(pairs) == len(set(got)), "and no two have the same"
    parts = tasks.goal, tasks.rules[:, ::-1], tasks.objects[:, ::-1]
    backwards = GridTask(*map(jnp.asarray, parts))
    np.testing.assert_array_equal(prints(backwards), got, "the order of rules and objects is none")


@pytest.mark.parametrize("held_out", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_within_a_side_nothing_leads_to_the_other(held_out):
    # With renaming alone every edit leads to another goal, so about half of them cross.
    inner = dataclasses.replace(SPACE, moves=("rename",))
    space = Within(inner, held_out, fraction=0.5)

    @jit
    @jax.vmap
    def lived(key):
        keys = jr.split(key, 3)
        task = space.sample(key=keys[0])
        crossing = inner.mutate(task, key=keys[2])
        return task, space.empty(key=keys[1]), space.mutate(task, key=keys[2]), crossing

    task, empty, other, crossing = lived(jr.split(jr.key(2), 128))
    for tasks in (task, empty, other):
        assert bool((is_held_out(tasks, 0.5) == held_out).all()), "all on the side asked for"
    crosses = np.asarray(is_held_out(crossing, 0.5) != held_out)
    assert 0.2 < crosses.mean() < 0.8, "some edits would cross"
    same = np.asarray((other.goal == task.goal).all(-1) & (other.rules == task.rules).all((1, 2)))
    assert same[crosses].all(), "those are not done"
    went = np.asarray((other.rules == crossing.rules).all((1, 2)))
    assert went[~crosses].all(), "all others are"


def test_edits_that_are_none_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'prune'"):
        Rulesets(TREES, moves=("grow", "prunes"))
    with pytest.raises(TaskError, match="at least one of `moves`"):
        Rulesets(TREES, moves=())
