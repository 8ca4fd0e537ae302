"""All 44 published ids: the same key begins alike, bit for bit, and the same actions do the same.

Ports draw like the peer always, except where its levels are faulty; of what XLand draws from a
stream of its own, 10,000 resets must look like 10,000 of the peer's.

What is compiled for an id is compiled twice, by us and by the peer, so of ids that differ in size
alone one is tried every time and the others in the slow suite.
"""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.published import ids, make
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.published import regenerate
from meadow.tasks.raw import from_raw, to_raw
from meadow.tasks.tiles import NUM_COLOURS, PICKABLE, TILES, parse

xminigrid = pytest.importorskip(
    "xminigrid", reason='the peer is not installed: pip install ".[peers]"'
)
pytestmark = pytest.mark.parity

BATCH, STEPS = 512, 40
TEN_THOUSAND = 20  # batches
FAULTY = {"MiniGrid-BlockedUnlockPickUp", "MiniGrid-LockedRoom"}
PORTS = [id for id in xminigrid.registered_environments() if id.startswith("MiniGrid-")]
OBJECTS = ("red ball", "blue key", "green star")
BEGUN = {  # one of each family; the others are slow
    "MiniGrid-Empty-5x5", "MiniGrid-EmptyRandom-5x5", "MiniGrid-FourRooms", "MiniGrid-DoorKey-5x5",
    "MiniGrid-Unlock", "MiniGrid-UnlockPickUp", "MiniGrid-BlockedUnlockPickUp",
    "MiniGrid-LockedRoom", "MiniGrid-MemoryS8", "MiniGrid-Playground",
    "XLand-MiniGrid-R1-9x9", "XLand-MiniGrid-R2-9x9", "XLand-MiniGrid-R4-9x9",
    "XLand-MiniGrid-R6-13x13", "XLand-MiniGrid-R9-16x16",
}  # fmt: skip
LIVED = {"MiniGrid-Unlock", "MiniGrid-MemoryS8"}  # one step with the peer's rules and one without


def every(tried: set[str], of: str = "") -> list:
    """All ids that begin so, slow but for those `tried` every time."""
    return [
        id if id in tried else pytest.param(id, marks=pytest.mark.slow)
        for id in xminigrid.registered_environments()
        if id.startswith(of)
    ]


class Begun(NamedTuple):
    """A batch of resets, in bytes."""

    grid: np.ndarray
    position: np.ndarray
    direction: np.ndarray
    view: np.ndarray
    goal: np.ndarray
    ends: np.ndarray  # where Memory ends, goal first


@pytest.fixture(scope="module")
def begin_ours(quick, ours) -> Callable[..., tuple[Begun, Any, Any]]:
    """Resets of an id, also tasks and states; of XLand with the tasks given."""

    @lru_cache
    def program(id: str, compatibility: bool) -> tuple[Any, Callable]:
        environment, space = make(id, compatibility=compatibility)
        levels = isinstance(environment, MiniGrid)

        def one(task: GridTask, key: jax.Array) -> tuple:
            task = space.sample(key=key) if levels else task
            return task, *environment.reset(task, key=key)

        return environment, quick(jax.vmap(one))

    def begun(
        id: str, tasks: GridTask, keys: jax.Array, compatibility: bool = True
    ) -> tuple[Begun, Any, Any]:
        environment, reset = program(id, compatibility)
        task, state, said = reset(tasks, keys)
        grid, position, direction, *_ = ours(environment).place(state)
        view, goal, ends = said.observation["view"], task.goal, np.zeros((BATCH, 2, 2))
        if "Memory" in id:
            ends, goal = np.stack([goal[:, 3:], task.failure[:, 3:]], 1), np.zeros((BATCH, 5))
        rest = map(np.asarray, (view, goal, ends))
        return Begun(grid, position, direction, *rest), task, state

    return begun


@pytest.fixture(scope="module")
def begin_theirs(quick, join) -> Callable[[str, GridTask, jax.Array], Begun]:
    """The peer's resets of an id."""

    @lru_cache
    def program(id: str) -> Callable:
        peer, params = xminigrid.make(id)

        def one(ruleset: tuple, key: jax.Array) -> Any:
            if not hasattr(params, "ruleset"):
                return peer.reset(params, key)
            return peer.reset(params.replace(ruleset=xminigrid.types.RuleSet(*ruleset)), key)

        return quick(jax.vmap(one))

    def begun(id: str, tasks: GridTask, keys: jax.Array) -> Begun:
        said = program(id)(to_raw(tasks), keys)
        state, agent = said.state, said.state.agent
        nothing = np.zeros((BATCH, 1, 7), int), np.zeros((BATCH, 1, 2), int)
        goal = np.asarray(from_raw(state.goal_encoding, *nothing).goal)
        ends = np.zeros((BATCH, 2, 2))
        if "Memory" in id:
            ends = np.stack([state.carry.success_pos, state.carry.failure_pos], 1)
        assert not np.asarray(agent.pocket).any(), "the peer begins empty-handed, and so do we"
        rest = map(np.asarray, (agent.position, agent.direction))
        return Begun(join(state.grid), *rest, join(said.observation), goal, ends)

    return begun


def keys() -> jax.Array:
    """The keys of both."""
    return jr.split(jr.key(1), BATCH)


@lru_cache
def tasks() -> GridTask:
    """The tasks of XLand, with up to nine rules and with padding among the objects."""
    return regenerate("medium", BATCH)


def test_every_published_id_is_known():
    assert set(xminigrid.registered_environments()) <= set(ids()), "an id of the peer is missing"


@pytest.mark.parametrize("id", xminigrid.registered_environments())
def test_sizes_and_limits_are_the_published_ones(id):
    (environment, _), (_, params) = make(id), xminigrid.make(id)
    for ours, theirs in {
        "height": "height", "width": "width", "view_size": "view_size", "time_limit": "max_steps",
    }.items():  # fmt: skip
        assert getattr(environment, ours) == getattr(params, theirs), f"{ours} of {id}"


@pytest.mark.parametrize("id", every(BEGUN))
def test_the_same_key_begins_alike(begin_ours, begin_theirs, id):
    (ours, *_), theirs = (begin(id, tasks(), keys()) for begin in (begin_ours, begin_theirs))
    for field in Begun._fields:
        mine, other = getattr(ours, field), getattr(theirs, field)
        differ = [i for i in range(BATCH) if not np.array_equal(mine[i], other[i])]
        assert not differ, (
            f"{field} of {id}: {len(differ)} of {BATCH} resets differ from the peer's, the first "
            f"at {differ[0]}:\n{mine[differ[0]]}\n{other[differ[0]]}"
        )


@pytest.mark.parametrize("id", PORTS)
def test_ports_draw_as_published_but_for_faults(id):
    same = make(id)[1] == make(id, compatibility=True)[1]
    assert same == (id not in FAULTY), "only a fault makes our levels others than the peer's"


@pytest.mark.parametrize("id", every(BEGUN, "XLand-"))
def test_resets_are_as_likely_as_the_peers(begin_ours, begin_theirs, id):
    task = grid_task(("empty",), objects=OBJECTS, num_objects=tasks().objects.shape[1])
    task = eqx.tree_at(lambda t: t.rules, task, tasks().rules[0])
    alike = jax.tree.map(lambda x: jnp.broadcast_to(x, (BATCH, *x.shape)), task)
    found = []
    for side in (0, 1):
        counts = Counter()
        for key in jr.split(jr.key(side), TEN_THOUSAND):
            luck = jr.split(key, BATCH)
            begun = begin_theirs(id, alike, luck) if side else begin_ours(id, alike, luck, False)[0]
            counts.update(features(begun))
        found.append(counts)
    names = {name for name, _ in found[0] | found[1]}
    for name in names:
        ours, theirs = ({what: n for (of, what), n in c.items() if of == name} for c in found)
        assert likely(ours, theirs), f"{name} of {id} is not distributed like the peer's"


def features(begun: Begun) -> Counter:
    """How often the agent, its direction, every object and every door are where."""
    width = begun.grid.shape[2]
    flat = begun.grid.reshape(BATCH, -1)
    counts = Counter(("agent", int(y * width + x)) for y, x in begun.position)
    counts.update(("direction", int(d)) for d in begun.direction)
    for name in OBJECTS:
        counts.update((name, int(cell)) for cell in np.argwhere(flat == parse(name))[:, 1])
    doors = np.argwhere(flat // NUM_COLOURS == TILES.index("closed door"))
    counts.update(("doors", int(cell)) for _, cell in doors)
    counts.update(("colours", int(flat[tuple(door)])) for door in doors)
    return counts


def likely(one: dict, other: dict) -> bool:
    """Chi-square of two samples; where both are drawn alike False comes once in 10,000 times."""
    a, b = np.array([(one.get(k, 0), other.get(k, 0)) for k in one | other]).T
    assert a.sum() == b.sum(), "there must be as many of both"
    free = max(len(a) - 1, 1)
    bound = free * (1 - 2 / (9 * free) + 3.72 * np.sqrt(2 / (9 * free))) ** 3
    return bool(((a - b) ** 2 / (a + b)).sum() < bound)


def test_what_is_likely_can_tell():
    rng = np.random.default_rng(0)
    uniform, also, without, leaning = (
        Counter(np.minimum(rng.integers(0, top, 10_000), rest).tolist())
        for top, rest in ((121, 120), (121, 120), (120, 120), (121, 119))
    )
    assert likely(uniform, also), "two samples of one distribution are alike"
    assert not likely(uniform, without), "a cell that is never drawn is noticed"
    assert not likely(uniform, leaning), "a cell that is drawn for another is noticed"


@pytest.mark.parametrize("id", every(LIVED))
def test_the_same_actions_do_the_same(begin_ours, ours, theirs, quick, assert_same, id):
    """Now and then the agent is put elsewhere with something in its pocket, so that it gets on."""
    _, task, state = begin_ours(id, tasks(), keys())
    environment = make(id)[0]
    mine, other = ours(environment, quick), theirs(*xminigrid.make(id), quick)
    place = mine.place(state)._replace(
        step=np.resize(np.arange(environment.time_limit - STEPS, environment.time_limit), BATCH)
    )
    rng = np.random.default_rng(0)
    won = cut = changed = 0
    for t in range(STEPS):
        place = place._replace(**elsewhere(place, rng), step=place.step % environment.time_limit)
        action = rng.choice(6, BATCH, p=(0.4, 0.1, 0.1, 0.15, 0.1, 0.15)).astype(np.int32)
        after = mine.step(place, task, action), other.step(place, task, action)

        def describe(i: int, place=place, action=action, t=t) -> str:
            return f"{id}, step {t}, action {action[i]}, agent {place.position[i]}"

        assert_same(*after, describe)
        won += (after[0].reward > 0).sum()
        cut += ((after[0].step_type == 2) & (after[0].discount == 1)).sum()
        changed += (after[0].place.grid != place.grid).any((1, 2)).sum()
        place = after[0].place
    assert cut >= 100, "time must run out often enough"
    if id not in ("MiniGrid-Playground",):
        assert won >= 3, "the goal must be reached often enough"
    if "Empty" not in id and "FourRooms" not in id and "Memory" not in id:
        assert changed >= 100, "the map must change often enough"


def elsewhere(place, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """For a third of them another agent: anywhere within the walls, holding what lies there."""
    size = np.array(place.grid.shape[1:])
    moved = rng.random(BATCH) < 1 / 3
    position = rng.integers(1, size - 1, (BATCH, 2)).astype(np.int32)
    things = np.where(PICKABLE[place.grid], place.grid, 0).reshape(BATCH, -1)
    is_key = np.isin(things // NUM_COLOURS, TILES.index("key"))
    held = np.where(rng.random(BATCH) < 0.5, (things * is_key).max(1), things.max(1))
    held = np.where(rng.random(BATCH) < 0.5, held, 0).astype(np.uint8)
    return {
        "position": np.where(moved[:, None], position, place.position),
        "pocket": np.where(moved, held, place.pocket),
    }
