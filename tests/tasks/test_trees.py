"""Trees: tasks that hang together, and the published distribution."""

import functools
import random
from collections import Counter

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import GridTask, check_task
from meadow.tasks.published import _Draw, _packed, published
from meadow.tasks.raw import Packed
from meadow.tasks.trees import Trees, _mask, _pick

NUM = 20_000


@functools.cache
def sample(space: Trees, num: int) -> GridTask:
    """NumPy arrays of `num` tasks."""
    keys = jr.split(jr.key(0), num)
    tasks = jax.jit(jax.vmap(lambda key: space.sample(key=key)))(keys)
    check_task(tasks)
    assert tasks.rules.shape == (num, space.num_rules, 4), "as many rows as `num_rules`"
    assert tasks.objects.shape == (num, space.num_objects), "as many objects as `num_objects`"
    return jax.tree.map(np.asarray, tasks)


def marginals(tasks: GridTask | Packed) -> dict[str, tuple[np.ndarray, int]]:
    """Shares of what can be counted in a batch of tasks, and out of how many."""
    rules = tasks.rules[tasks.rules[..., 0] != 0]
    objects = tasks.objects[tasks.objects != 0]
    counted = {
        "goal kind": tasks.goal[:, 0],
        "goal's first tile": tasks.goal[:, 1],
        "goal's second tile": tasks.goal[:, 2],
        "rule kind": rules[:, 0],
        "a rule's first tile": rules[:, 1],
        "a rule's second tile": rules[:, 2],
        "a rule's product": rules[:, 3],
        "object": objects,
        "number of rules": (tasks.rules[..., 0] != 0).sum(-1),
        "number of objects": (tasks.objects != 0).sum(-1),
        "first rule makes": (tasks.rules[:, 0, 3] == tasks.goal[:, 1])
        + 2 * (tasks.rules[:, 0, 3] == tasks.goal[:, 2]),
    }
    return {name: (np.bincount(x, minlength=256) / len(x), len(x)) for name, x in counted.items()}


@pytest.mark.parametrize("name", ["small", "medium", "high"])
def test_distribution_is_the_published_one(name):
    space, config = Trees.published(name), published(name)
    assert (space.num_rules, space.num_objects) == (config.num_rules, config.num_objects)
    ours = marginals(sample(space, NUM))
    # The procedure without its search for duplicates, which makes small tasks rarer.
    procedure = _Draw(random.Random(1), config)
    theirs = marginals(_packed(config, [procedure.task() for _ in range(NUM)]))
    for what, (share, count) in ours.items():
        other, other_count = theirs[what]
        mean = (share * count + other * other_count) / (count + other_count)
        error = np.sqrt(mean * (1 - mean) * (1 / count + 1 / other_count)) + 1e-9
        # Some 500 shares are compared; entries within one task are not independent.
        assert np.all(np.abs(share - other) < 6 * error), f"{what} is distributed as published"


# name: (space, seed); all without distractors, so that every need has one source.
PLAIN = {
    "deep": Trees(depth=3, prune=0.2, sample_depth=True),
    "flat": Trees(depth=0),
    "tight": Trees(depth=1, colours=("red",), objects=("ball", "key", "hex", "star", "square")),
    "chains": Trees(depth=3, rule_kinds=("agent_hold", "agent_near"), statics=False),
}


def inputs(row: np.ndarray) -> list[int]:
    return [int(tile) for tile in row[1 : 1 + kinds.arity(int(row[0]))]]


@pytest.mark.parametrize("name", PLAIN)
def test_every_tile_needed_is_given_or_made(name):
    tasks = sample(PLAIN[name], 500)
    for goal, rules, objects in zip(tasks.goal, tasks.rules, tasks.objects, strict=True):
        rows = [row for row in rules if row[0]]
        needs = Counter(inputs(goal)) + Counter(tile for row in rows for tile in inputs(row))
        made = Counter(int(row[3]) for row in rows)
        given = Counter(int(tile) for tile in objects if tile)
        assert needs == made + given, "each tile needed is given or made, once, and nothing else is"


@pytest.mark.parametrize("name", PLAIN)
def test_rules_use_new_tiles_and_make_old_ones(name):
    tasks = sample(PLAIN[name], 500)
    for goal, rules in zip(tasks.goal, tasks.rules, strict=True):
        known = set(inputs(goal))
        for row in (row for row in rules if row[0]):
            assert int(row[3]) in known, "a rule makes what the goal or an earlier rule needs"
            assert not known & set(inputs(row)), "from tiles that were not used yet"
            known |= set(inputs(row))


@pytest.mark.parametrize("name", PLAIN)
def test_padding_comes_last(name):
    tasks = sample(PLAIN[name], 500)
    for there in (tasks.rules[..., 0] != 0, tasks.objects != 0):
        assert (np.diff(there.astype(int), axis=-1) <= 0).all(), "zeros come last"


def test_what_is_held_or_put_down_can_be_picked_up():
    tasks = sample(Trees.published("high"), NUM)
    rows = np.concatenate([tasks.goal[:, :3], tasks.rules[tasks.rules[..., 0] != 0][:, :3]])
    held = rows[(rows[:, 0] == kinds.HOLD)][:, 1]
    assert tiles.PICKABLE[held].all(), "a held tile can be picked up"
    assert tiles.PICKABLE[rows[rows[:, 0] & kinds.TILE != 0][:, 2]].all(), (
        "of two tiles one can be picked up"
    )


def test_palette_and_kinds_are_kept_to():
    space = Trees(
        depth=1, distractor_rules=2, distractor_objects=1, statics=False,
        colours=("red", "blue", "green"), objects=("ball", "key", "hex"),
        goal_kinds=("agent_hold", "tile_near"), rule_kinds=("agent_near", "tile_near"),
    )  # fmt: skip
    tasks = sample(space, 2_000)
    allowed = {tiles.pack(t, c) for t in space.objects for c in space.colours} | {0}
    assert set(np.unique(tasks.objects)) <= allowed, "objects are of the palette"
    assert set(np.unique(tasks.rules[..., 1:3])) == allowed, "so are inputs, and all occur"
    assert set(np.unique(tasks.rules[..., 3])) == allowed | {tiles.FLOOR}, (
        "a product is of the palette or nothing"
    )
    assert set(np.unique(tasks.goal[:, 0])) == {kinds.GOALS[k] for k in space.goal_kinds}
    assert set(np.unique(tasks.rules[..., 0])) == {kinds.RULES[k] for k in space.rule_kinds} | {0}


def test_distractors_are_counted_and_useless():
    fixed = sample(Trees(depth=0, distractor_rules=3, sample_distractor_rules=False), 500)
    assert (fixed.rules[..., 0] != 0).all(), "a fixed number of rules is always there"
    for goal, rules in zip(fixed.goal, fixed.rules, strict=True):
        assert not set(inputs(goal)) & set(map(int, rules[:, 3])), "they make nothing of use"
    drawn = sample(Trees(depth=0, distractor_rules=3, distractor_objects=2), 4_000)
    shares = np.bincount((drawn.rules[..., 0] != 0).sum(-1), minlength=4) / 4_000
    np.testing.assert_allclose(shares, 0.25, atol=0.04, err_msg="0 to 3, equally likely")


def test_min_depth_keeps_goals_hidden():
    for prune, sample_depth in ((0.9, False), (0.5, True)):
        space = Trees(depth=2, min_depth=1, prune=prune, sample_depth=sample_depth)
        tasks = sample(space, 500)
        for goal, rules in zip(tasks.goal, tasks.rules, strict=True):
            made = {int(row[3]) for row in rules if row[0]}
            assert set(inputs(goal)) <= made, "with min_depth=1 a rule makes each tile of the goal"
        assert (tasks.rules[..., 0] != 0).sum(-1).min() <= 2, "and further levels may be absent"


def test_picks_are_uniform_over_the_set():
    members = [0, 1, 31, 32, 63, 64, 95, 100, 127, 128, 155]
    pick = jax.jit(jax.vmap(lambda u: _pick(_mask(members), u)))
    # Evenly spaced, and the largest number below 1, which float32 would round up.
    picked = np.asarray(pick(jnp.append(jnp.arange(1_100) / 1_100 + 1e-4, jnp.float32(1 - 2**-24))))
    counts = np.bincount(picked, minlength=160)
    assert set(np.flatnonzero(counts)) == set(members), "members and nothing else is picked"
    assert np.abs(counts[members] - 100).max() <= 1, "each as often as the others"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"depth": 3, "colours": ("red", "blue")}, TaskError, "palette is too small.*depth 3"),
        (
            {"depth": 1, "colours": ("red",), "objects": ("ball", "key", "hex", "star")},
            TaskError,
            "4 objects in 1 colours are 4 tiles",
        ),
        ({"depth": 1, "min_depth": 2}, TaskError, "min_depth=2, depth=1"),
        ({"prune": 1.5}, TaskError, r"in \[0, 1\], got 1.5"),
        ({"distractor_rules": -1}, TaskError, "distractor_rules=-1"),
        ({"colours": ("red", "red")}, TaskError, "Name at least one colour, and each once"),
        ({"goal_kinds": ()}, TaskError, "Name at least one goal kind"),
        ({"objects": ("bal",)}, UnknownNameError, "object called 'bal'.*'ball'"),
        ({"objects": ("goal",)}, UnknownNameError, "object called 'goal'"),
        ({"rule_kinds": ("tile_neer",)}, UnknownNameError, "'tile_near'"),
    ],
)
def test_impossible_spaces_are_explained(arguments, error, message):
    with pytest.raises(error, match=message):
        Trees(**arguments)
