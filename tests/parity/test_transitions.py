"""Steps equal the peer's, to the bit: grid, agent, pocket, view, reward, discount, ending.

Random moments rather than random episodes, so that every rule and every goal is met often: maps of
all layouts strewn with few kinds of tile, agents on any cell that can become walkable, odd things
in the pocket, rule lists of every kind and length, steps before, at and after the time limit.

Left out are walls as inputs of rules, and of goals about two tiles. A rule that turns the outermost
wall into something else lets the next one look beyond the map, where the peer's index wraps round
to the other side and ours reads EMPTY; no published task has such a rule.
"""

from collections import Counter

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.timestep import StepType
from meadow.envs.xland.board import DIRECTIONS
from meadow.envs.xland.environment import ACTIONS, XLand
from meadow.tasks import kinds
from meadow.tasks.grid import GridTask
from meadow.tasks.layouts import layout
from meadow.tasks.published import regenerate
from meadow.tasks.show import goal_text, rule_text
from meadow.tasks.tiles import (
    EMPTY,
    FLOOR,
    IS_FLOOR,
    NUM_BYTES,
    NUM_COLOURS,
    PICKABLE,
    WALL,
    name,
    pack,
)

pytestmark = pytest.mark.parity

BATCH, BATCHES, NUM_RULES, MAX_STEPS = 256, 136, 18, 50
# Height, width, view, and the layouts that fit; the peer compiles once for each.
SHAPES = (
    (9, 12, 3, ("R1", "R2", "R6")),
    (13, 13, 5, ("R4", "R1", "R2", "R6", "R9")),
    (16, 16, 7, ("R1", "R2", "R6", "R9")),
)
AT_LEAST = 100  # times that each rule, goal and action shows in what the peer does

STEPS = np.array(DIRECTIONS)  # up, right, down, left
OBJECTS = np.flatnonzero(PICKABLE & (np.arange(NUM_BYTES) % 12 > 0))
DOORS = np.array([pack(door, c) for door in range(8, 11) for c in range(1, 7)])
GOALS = np.array([pack("goal", c) for c in range(1, 12)])
ODD = np.array([EMPTY, FLOOR, pack("floor", "red"), pack("empty", "red"), pack("key", "empty")])


def draw_tiles(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Mostly objects, some doors, goals and odd ones."""
    sorts = [rng.choice(tiles, shape) for tiles in (OBJECTS, DOORS, GOALS, ODD)]
    return np.choose(rng.choice(4, shape, p=(0.5, 0.25, 0.13, 0.12)), sorts).astype(np.uint8)


def pick(rng: np.random.Generator, palette: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """For each moment tiles of its own palette, `[batch, *shape]`."""
    index = rng.integers(0, palette.shape[1], (len(palette), int(np.prod(shape, initial=1))))
    return np.take_along_axis(palette, index, 1).reshape(len(palette), *shape)


def draw_grids(
    rng: np.random.Generator, palette: np.ndarray, shape: tuple[int, int], layouts: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Maps strewn with the palette's tiles, and an agent's place on each."""
    plans = [layout(name, *shape) for name in layouts]
    which = rng.integers(0, len(plans), len(palette))
    grid = np.stack([plan.base for plan in plans])[which].reshape(len(palette), -1)
    for i, plan in enumerate(plans):
        rows = np.flatnonzero(which == i)
        for cells in plan.doors:
            grid[rows, rng.choice(cells, len(rows))] = rng.choice(DOORS, len(rows))
    position = np.where(grid == WALL, 0.0, rng.random(grid.shape)).argmax(1)
    density = rng.choice([0.1, 0.5, 0.9], (len(palette), 1))
    strewn = (grid == FLOOR) & (rng.random(grid.shape) < density)
    grid = np.where(strewn, pick(rng, palette, grid.shape[1:]), grid)
    return grid.reshape(-1, *shape), np.stack(np.divmod(position, shape[1]), -1).astype(np.int32)


def draw_inputs(
    rng: np.random.Generator, place: dict, palette: np.ndarray, kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Two input tiles for each kind, `[batch, slots]`: often what lies where the kind looks."""
    a, b = np.moveaxis(pick(rng, palette, (*kind.shape[1:], 2)), -1, 0)
    beside, facing, beyond = surroundings(place)
    pocket = place["pocket"]
    puts = IS_FLOOR[facing] & (pocket >= NUM_COLOURS)
    takes = PICKABLE[facing] & (pocket < NUM_COLOURS)
    held, ahead = np.where(takes, facing, pocket), np.where(puts, pocket, facing)
    looks = np.argmax((kind[..., None] >> np.arange(4)) & 1, -1)  # the first of its directions
    there = np.take_along_axis(beside, looks, 1)
    fits_a = np.where(kind & kinds.TILE, ahead[:, None], there)
    fits_a = np.where(kind & kinds.HOLD, held[:, None], fits_a)
    fits_b = np.take_along_axis(beyond, looks, 1)
    fits = (rng.random(kind.shape) < 0.4) & (fits_a != WALL) & (fits_b != WALL)
    return np.where(fits, fits_a, a), np.where(fits, fits_b, b)


def surroundings(place: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The agent's four neighbours, the tile in front, and that cell's four neighbours."""
    # One more ring of walls, because the front may be the outermost one.
    grid = np.pad(place["grid"], ((0, 0), (1, 1), (1, 1)), constant_values=WALL)
    here = place["position"] + 1
    front = here + STEPS[place["direction"]]
    rows = np.arange(len(grid))[:, None]
    beside, beyond = (
        grid[rows, *(cell[:, None] + STEPS).transpose(2, 0, 1)] for cell in (here, front)
    )
    return beside, np.take_along_axis(beside, place["direction"][:, None], 1)[:, 0], beyond


def draw_rules(
    rng: np.random.Generator, place: dict, palette: np.ndarray, alone: np.ndarray
) -> np.ndarray:
    """Lists of every length; a single rule where `alone`."""
    num = len(palette)
    length = np.where(alone, 1, rng.integers(1, NUM_RULES + 1, num))
    kind = rng.choice(np.array(kinds.RULE_BYTES), (num, NUM_RULES))
    a, b = draw_inputs(rng, place, palette, kind)
    product = pick(rng, palette, (NUM_RULES,))
    product = np.where(rng.random(kind.shape) < 0.2, FLOOR, product)
    rules = np.stack([kind, a, np.where(kind & kinds.TILE, b, 0), product], -1)
    rules[(np.arange(NUM_RULES) >= length[:, None]) | (kind == kinds.NEVER)] = 0
    return rules.astype(np.uint8)


def draw_goals(rng: np.random.Generator, place: dict, palette: np.ndarray) -> np.ndarray:
    """All fifteen; those about places often name one that matters."""
    num, grid, here = len(palette), place["grid"], place["position"]
    kind = rng.choice(np.array(kinds.GOAL_BYTES), num)
    a, b = (x[:, 0] for x in draw_inputs(rng, place, palette, kind[:, None]))
    anywhere = np.stack([rng.integers(0, size, num) for size in grid.shape[1:]], -1)
    ahead = here + STEPS[place["direction"]]
    which = rng.integers(0, 3, (num, 1))
    y, x = np.choose(which, [anywhere, here, ahead]).T
    lies_there = (kind == kinds.TILE_AT) & (rng.random(num) < 0.7)
    a = np.where(lies_there, grid[np.arange(num), y, x], a)
    a = np.where(((kind & kinds.TILE) == 0) & (rng.random(num) < 0.05), WALL, a)
    goal = np.stack([kind, a, b, y, x], -1)
    goal[kind == kinds.NEVER] = 0
    goal[:, 3:] *= np.isin(kind, (kinds.TILE_AT, kinds.AGENT_AT))[:, None]
    return goal.astype(np.uint8)


def draw_moments(index: int, alone: np.ndarray) -> tuple[dict, GridTask, np.ndarray]:
    """Random moments on maps of one shape, the task and the action of each."""
    height, width, _, layouts = SHAPES[index]
    rng, num = np.random.default_rng(index), len(alone)
    palette = draw_tiles(rng, (num, 4))
    grid, position = draw_grids(rng, palette, (height, width), layouts)
    direction = rng.integers(0, 4, num).astype(np.int32)
    facing = grid[np.arange(num), *(position + STEPS[direction]).T]
    fits = pack("key", 0) + facing % NUM_COLOURS  # a lock, if one is in front
    held = [np.full(num, EMPTY), fits, pick(rng, palette, ())]
    pocket = np.choose(rng.choice(3, num, p=(0.4, 0.3, 0.3)), held).astype(np.uint8)
    step = np.where(rng.random(num) < 0.3, MAX_STEPS - 1, rng.integers(0, MAX_STEPS + 3, num))
    place = {
        "grid": grid,
        "position": position,
        "direction": direction,
        "pocket": pocket,
        "step": step.astype(np.int32),
    }
    goal, rules = draw_goals(rng, place, palette), draw_rules(rng, place, palette, alone)
    task = GridTask(*map(jnp.asarray, (goal, rules, np.zeros((num, 0), np.uint8))))
    action = rng.choice(6, num, p=(0.25, 0.07, 0.07, 0.2, 0.27, 0.14)).astype(np.int32)
    return place, jax.tree.map(np.asarray, task), action


def describe(place, task: GridTask, action: np.ndarray, i: int) -> str:
    """Moment i of a batch in words."""
    around = (place.grid[i][tuple(place.position[i] + step)] for step in STEPS)
    around = ", ".join(name(int(tile)) for tile in around)
    rules = [rule_text(row) for row in np.asarray(task.rules)[i] if row[0]]
    return (
        f"action {ACTIONS[action[i]]} at {place.position[i]} facing {place.direction[i]}, "
        f"holding {name(int(place.pocket[i]))}; up, right, down, left lie {around}\n"
        f"goal: {goal_text(np.asarray(task.goal)[i])}\nrules: {rules}"
    )


@pytest.fixture(scope="module")
def seen(both, assert_same) -> Counter:
    """Compares all moments; counts what the peer did: (what, kind) to a number."""
    counts = Counter()
    for index, (height, width, view, layouts) in enumerate(SHAPES):
        ours, theirs = both(XLand(layouts[0], height, width, view, max_steps=MAX_STEPS))
        # In every third batch rules come alone, so that what the peer does without tells it.
        alone = np.repeat(np.arange(BATCHES) % 3 == 0, BATCH)
        moments = draw_moments(index, alone)
        for start in range(0, len(alone), BATCH):
            batch = slice(start, start + BATCH)
            place, task, action = jax.tree.map(lambda x, s=batch: x[s], moments)
            place = ours.at(**place)
            theirs_after = theirs.step(place, task, action)
            assert_same(
                ours.step(place, task, action),
                theirs_after,
                lambda i, m=(place, task, action): describe(*m, i),
            )
            counts["moments"] += BATCH
            count_goals(counts, task, theirs_after)
            if alone[start]:
                lawless = eqx.tree_at(lambda t: t.rules, task, np.zeros_like(task.rules))
                count_rules(counts, task, theirs_after, theirs.step(place, lawless, action))
            count_actions(counts, place, action, theirs_after)
    return counts


def count_goals(counts: Counter, task: GridTask, after) -> None:
    """Goals reached, by kind."""
    counts.update(("goal", int(kind)) for kind in task.goal[after.discount == 0, 0])


def count_rules(counts: Counter, task: GridTask, after, without) -> None:
    """Single rules that made a difference, by kind."""
    differs = changed(after.place, without.place)
    counts.update(("rule", int(kind)) for kind in task.rules[differs, 0, 0])


def count_actions(counts: Counter, place, action: np.ndarray, after) -> None:
    """Actions that changed something, by name; locks that opened."""
    differs = changed(place, after.place)
    counts.update(("action", ACTIONS[i]) for i in action[differs])
    locked = (place.grid // 12 == 8) & (after.place.grid // 12 == 10)
    counts["unlocked"] += int((locked.any((1, 2)) & (action == ACTIONS.index("toggle"))).sum())


def changed(before, after) -> np.ndarray:
    """Where anything but the step count differs, `[batch]`."""
    return (
        (before.grid != after.grid).any((1, 2))
        | (before.position != after.position).any(1)
        | (before.direction != after.direction)
        | (before.pocket != after.pocket)
    )


def test_a_hundred_thousand_transitions_agree(seen):
    assert seen["moments"] >= 100_000, "too few moments were compared"


@pytest.mark.parametrize("kind", [k for k in kinds.RULES if k != "empty"])
def test_every_rule_fires_often_enough(seen, kind):
    assert seen["rule", kinds.RULES[kind]] >= AT_LEAST, "the moments hardly test this rule"


@pytest.mark.parametrize("kind", [k for k in kinds.GOALS if k != "empty"])
def test_every_goal_is_reached_often_enough(seen, kind):
    assert seen["goal", kinds.GOALS[kind]] >= AT_LEAST, "the moments hardly test this goal"


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_does_something_often_enough(seen, action):
    assert seen["action", action] >= AT_LEAST, "the moments hardly test this action"


def test_locks_are_opened_often_enough(seen):
    assert seen["unlocked"] >= AT_LEAST, "the moments hardly test keys"


@pytest.mark.slow
def test_long_lives_agree(both, assert_same):
    """Both go their own way for 300 steps of published tasks, reset alike where episodes end."""
    height, width, view, layouts = SHAPES[1]
    environment = XLand(layouts[0], height, width, view, max_steps=MAX_STEPS)
    ours, theirs = both(environment)
    task = published_tasks()
    reset = jax.jit(jax.vmap(lambda task, key: environment.reset(task, key=key)[0]))
    mine = others = ours.place(reset(task, jr.split(jr.key(0), BATCH)))
    rng, reached, cut = np.random.default_rng(0), 0, 0
    for t in range(1, 301):
        action = rng.choice(6, BATCH, p=(0.35, 0.1, 0.1, 0.2, 0.2, 0.05)).astype(np.int32)
        after = ours.step(mine, task, action), theirs.step(others, task, action)
        assert_same(*after, lambda i, m=(mine, task, action), t=t: f"step {t}: {describe(*m, i)}")
        ended, won = after[0].step_type == StepType.LAST, after[0].reward > 0
        reached, cut = reached + won.sum(), cut + (ended & ~won).sum()
        mine, others = (side.place for side in after)
        if ended.any():
            fresh = ours.place(reset(task, jr.split(jr.key(t), BATCH)))
            mine, others = renew(mine, fresh, ended), renew(others, fresh, ended)
    assert reached >= 20 and cut >= AT_LEAST, "the lives were too dull to tell anything"


def published_tasks() -> GridTask:
    """Half of them hard, with up to 18 rules; half without rules, so that goals are reached."""
    hard, easy = (regenerate(name, BATCH // 2) for name in ("high", "trivial"))

    def join(hard, easy):
        room = [(0, h - e) for h, e in zip(hard.shape, easy.shape, strict=True)]
        return jnp.concatenate([hard, jnp.pad(easy, room)])

    return jax.tree.map(join, hard, easy)


def renew(place, fresh, ended: np.ndarray):
    """`fresh` where `ended`, else `place`."""

    def choose(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(ended.reshape(-1, *(1,) * (old.ndim - 1)), new, old)

    return jax.tree.map(choose, fresh, place)
