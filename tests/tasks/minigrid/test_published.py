"""The published families: levels that can be solved, and faults of the ports that are gone."""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds
from meadow.tasks.level import Level
from meadow.tasks.minigrid.empty import Empty
from meadow.tasks.minigrid.locked_room import LockedRoom
from meadow.tasks.minigrid.locks import BlockedUnlockPickUp, DoorKey, Unlock, UnlockPickUp
from meadow.tasks.minigrid.memory import Memory
from meadow.tasks.minigrid.rooms import FourRooms, Playground
from meadow.tasks.tiles import NUM_COLOURS, OPAQUE, PICKABLE, TILES, parse

NUM = 4096
KEY, LOCK, OPEN = (TILES.index(name) for name in ("key", "locked door", "open door"))


@pytest.fixture(scope="module")
def drawn() -> Callable[[AbstractTaskSpace], Level]:
    """Many levels of a space, as arrays of NumPy; the same keys for every space."""

    @lru_cache
    def levels(space: AbstractTaskSpace) -> Level:
        keys = jr.split(jr.key(0), NUM)
        draw = jax.jit(jax.vmap(lambda key: space.sample(key=key))).lower(keys)
        # Compiled hastily: each is run once.
        draw = draw.compile(compiler_options={"xla_backend_optimization_level": 0})
        return jax.device_get(draw(keys))

    return levels


def flood(plan: np.ndarray, start: np.ndarray, locked: bool) -> np.ndarray:
    """The cells one can get to or pick something up from, through doors, locked ones perhaps."""
    free = ~OPAQUE[plan] | (plan // NUM_COLOURS == TILES.index("closed door"))
    free |= (plan // NUM_COLOURS == LOCK) & locked
    seen = np.zeros_like(free)
    seen[tuple(start)] = True
    for _ in range(free.size):
        wider = seen.copy()
        wider[1:] |= seen[:-1]
        wider[:-1] |= seen[1:]
        wider[:, 1:] |= seen[:, :-1]
        wider[:, :-1] |= seen[:, 1:]
        wider &= free
        if (wider == seen).all():
            break
        seen = wider
    return seen


def wanted(level: Level, i: int) -> np.ndarray:
    """The cells where the goal can be met."""
    kind, a, _, y, x = level.goal[i]
    if kind in (kinds.AGENT_AT, kinds.TILE_AT):
        where = np.zeros(level.map.shape[1:], bool)
        where[y, x] = True
        return where
    return level.map[i] == a


@pytest.mark.parametrize(
    "space",
    [
        Empty(5, 6, anywhere=True),
        FourRooms(9, 9),
        DoorKey(6, 7),
        UnlockPickUp(),
        Memory(9),
        BlockedUnlockPickUp(),
        LockedRoom(10, 11),
    ],
    ids=lambda space: type(space).__name__,
)
def test_every_level_can_be_solved(drawn, space):
    levels = drawn(space)
    for i in range(128):
        plan, start = levels.map[i], levels.position[i]
        assert plan[tuple(start)] == parse("floor"), "the agent begins on floor"
        first, then = (flood(plan, start, locked) for locked in (False, True))
        assert (wanted(levels, i) & then).any(), f"level {i} cannot be solved:\n{plan}"
        locks, keys = plan[plan // NUM_COLOURS == LOCK], plan[(plan // NUM_COLOURS == KEY) & first]
        if len(locks):
            assert locks % NUM_COLOURS in keys % NUM_COLOURS, f"level {i} lacks its key:\n{plan}"
            assert not (wanted(levels, i) & first).any(), f"level {i} needs no key:\n{plan}"


def test_to_unlock_is_to_open_the_door(drawn):
    levels = drawn(Unlock(6, 7))
    kind, tile, _, y, x = levels.goal.T
    door = levels.map[np.arange(NUM), y, x]
    assert (kind == kinds.TILE_AT).all() and (door // NUM_COLOURS == LOCK).all()
    opened = door.astype(int) + NUM_COLOURS * (OPEN - LOCK)
    assert (tile == opened).all(), "the goal is that door, open, in its colour"


@pytest.fixture(scope="module")
def blocked(drawn) -> tuple[Level, Level, np.ndarray, np.ndarray]:
    """Levels without and with the published faults; which of those lack a key, or give it away."""
    ours, published = (drawn(BlockedUnlockPickUp(compatibility=c)) for c in (False, True))
    keyless = ~(published.map // NUM_COLOURS == KEY).any((1, 2))
    given = (published.map == published.goal[:, 1, None, None]).sum((1, 2)) > 1
    return ours, published, keyless, given


def test_a_blocked_key_and_a_target_given_away_are_published_faults(blocked):
    _, _, keyless, given = blocked
    assert abs(keyless.mean() - 1 / 16) < 0.02, "the blocker lies on one of 16 cells"
    assert abs(given.mean() - 1 / 30) < 0.015, "and is one of 30 things"


def test_faults_are_gone_and_nothing_else_is(blocked):
    ours, published, keyless, given = blocked
    assert ((ours.map // NUM_COLOURS == KEY).sum((1, 2)) == 1).all(), "there is always a key"
    target = ours.goal[:, 1, None, None]
    assert ((ours.map == target).sum((1, 2)) == 1).all(), "what is asked for is there once"
    sound = ~keyless & ~given
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(published), strict=True):
        assert (mine[sound] == other[sound]).all(), "sound levels are the published ones"
    same = ours.goal == published.goal
    assert same.all(), "the same thing is asked for"


def test_the_key_may_lie_anywhere_but_under_the_blocker(blocked):
    ours, *_ = blocked
    where = np.argwhere(ours.map // NUM_COLOURS == KEY)[:, 1:]
    counts = np.zeros((4, 4))
    np.add.at(counts, (where[:, 0] - 1, where[:, 1] - 1), 1)
    expected = np.full((4, 4), NUM / 15)
    expected[:, 3] *= 3 / 4  # one time in four the blocker lies there
    assert ((counts - expected) ** 2 / expected).sum() < 44, f"15 degrees of freedom: {counts}"


def test_a_blocker_drawn_anew_is_any_other_thing(blocked):
    ours, published, _, given = blocked
    door = np.argwhere(ours.map // NUM_COLOURS == LOCK)[:, 1:]
    blocker = ours.map[np.arange(NUM), door[:, 0], door[:, 1] - 1][given]
    assert PICKABLE[blocker].all() and (blocker != published.goal[given, 1]).all()
    assert len(set(blocker.tolist())) > 20, "most of the 30 are seen among some 130"


def test_all_of_the_corridor_is_begun_in(drawn):
    ours, published = (drawn(LockedRoom(10, 11, c)).position for c in (False, True))
    assert np.unique(published[:, 1]).tolist() == [4, 5], "the published fault: no third column"
    counts = np.bincount(ours[:, 1] - 4)
    assert counts.shape == (3,) and (abs(counts - NUM / 3) < 130).all(), f"all alike: {counts}"
    assert (ours[:, 0] == published[:, 0]).all(), "rows are the published ones"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Memory(7), "width in 8..255"),
        (lambda: LockedRoom(18, 19), "no multiple of 3"),
        (lambda: LockedRoom(19, 18), "odd width"),
        (lambda: Empty(3, 9), "in 4..255, got 3x9"),
        (lambda: DoorKey(4, 9), "in 5..255"),
        (lambda: Unlock(4, 9), "5..255"),
        (lambda: UnlockPickUp(9, 256), "5..255"),
        (lambda: BlockedUnlockPickUp(9, 4), "5..255"),
        (lambda: FourRooms(8, 8), "odd size"),
        (lambda: Playground(15, 15), "4 \\+ 3n"),
        (lambda: Playground(10, 10, 36), "36 objects and the agent, but .* 36 free cells"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(build, message):
    with pytest.raises(TaskError, match=message):
        build()
