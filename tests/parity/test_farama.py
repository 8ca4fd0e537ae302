"""Families beyond XLand's ports against MiniGrid itself: what is drawn, and what a step does.

Steps: the same level is laid out in both, begun anywhere and perhaps with something in the pocket,
and MiniGrid is played by somebody who likes to pick up, put down and open what lies before it. We
must say the same of every step: map, agent, pocket, both views, reward, ending. All levels stand in
the corner of one large map, so that one compiled program plays them.

Levels: many are drawn by both and described as rows of zeros and ones (which tile on which cell,
how many of each, where the agent is, what is asked); each share must be the same but for luck.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.envs.minigrid.environment import MiniGrid
from meadow.tasks import kinds, tiles
from meadow.tasks.level import Level
from meadow.tasks.minigrid.crossing import Crossing
from meadow.tasks.minigrid.draw import GREEN_GOAL
from meadow.tasks.minigrid.fetch import Fetch
from meadow.tasks.minigrid.gotodoor import GoToDoor
from meadow.tasks.minigrid.keycorridor import KeyCorridor
from meadow.tasks.minigrid.lavagap import LavaGap
from meadow.tasks.minigrid.multiroom import MultiRoom
from meadow.tasks.minigrid.obstacles import Obstacles
from meadow.tasks.minigrid.obstructed import ObstructedMaze
from meadow.tasks.minigrid.putnear import PutNear
from meadow.tasks.tiles import EMPTY, FLOOR, LAVA, TILES, WALL, pack

pytestmark = pytest.mark.parity

SIZE, VIEW, LIMIT, STEPS, EPISODES = 16, 7, 14, 14, 16
THEIRS = (2, 1, 0, 3, 4, 5, 6)  # our actions in their numbers
DOORS = {"closed door": 1, "locked door": 2, "open door": 0}

OURS, THEIR_NUM = 1024, 250  # levels to compare

# Ours, and the class and arguments of theirs.
FAMILIES = [
    (LavaGap(6), "LavaGapEnv", {"size": 6}),
    (Crossing(9, 3), "CrossingEnv", {"size": 9, "num_crossings": 3}),
    (Obstacles(6, 3, anywhere=True), "DynamicObstaclesEnv",
     {"size": 6, "n_obstacles": 3, "agent_start_pos": None}),
    (MultiRoom(3, 5, 16), "MultiRoomEnv",
     {"minNumRooms": 3, "maxNumRooms": 3, "maxRoomSize": 5, "width": 16, "height": 16}),
    (KeyCorridor(3, 4), "KeyCorridorEnv", {"num_rows": 3, "room_size": 4}),
    (Fetch(5, 3), "FetchEnv", {"size": 5, "numObjs": 3}),
    (GoToDoor(6), "GoToDoorEnv", {"size": 6}),
    (PutNear(6, 2), "PutNearEnv", {"size": 6, "numObjs": 2}),
    (ObstructedMaze(0, start=(0, 0)), "ObstructedMaze_1Dlhb", {}),
    (ObstructedMaze(2, start=(1, 2)), "obstructedmaze_v1.ObstructedMaze_Full_V1",
     {"agent_room": (2, 1), "num_quarters": 2, "num_rooms_visited": 11}),
]  # fmt: skip
BALL, THINGS = pack("ball", "blue"), ("key", "ball", "box", "key box")
NAMES = [f"{type(ours).__name__}-{i}" for i, (ours, _, _) in enumerate(FAMILIES)]


class Moment(NamedTuple):
    """What there is to compare of one step, in our bytes."""

    map: np.ndarray
    position: np.ndarray
    direction: np.ndarray
    pocket: np.ndarray
    view: np.ndarray
    lit: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def make(name: str, arguments: dict[str, Any]) -> Any:
    """One of their environments."""
    module = pytest.importorskip("minigrid.envs")
    for part in name.split("."):
        module = getattr(module, part)
    return module(**arguments)


def thing(byte: int) -> Any:
    """A byte as their object."""
    from minigrid.core import world_object as objects

    tile, colour = (
        names[i] for names, i in zip((TILES, tiles.COLOURS), divmod(byte, 12), strict=True)
    )
    if tile == "floor":
        return None
    if tile in DOORS:
        return objects.Door(colour, tile == "open door", tile == "locked door")
    if tile == "key box":
        return objects.Box("grey", objects.Key(colour))
    simple = {"lava": objects.Lava, "wall": objects.Wall, "goal": objects.Goal}
    if tile in simple:
        return simple[tile]()
    return {"key": objects.Key, "ball": objects.Ball, "box": objects.Box}[tile](colour)


def byte(there: Any) -> int:
    """The inverse of `thing`."""
    if there is None:
        return FLOOR
    if there.type == "lava":
        return LAVA
    if there.type == "box" and there.contains is not None:
        return pack("key box", there.contains.color)
    if there.type == "door":
        state = {code: tile for tile, code in DOORS.items()}[there.encode()[2]]
        return pack(state, there.color)
    return pack(there.type, there.color)


def lay_out(env: Any, level: Level) -> None:
    """Put one of our levels into their environment, whatever it has drawn itself."""
    from minigrid.core.grid import Grid

    height, width = level.map.shape
    env.width, env.height, env.grid = width, height, Grid(width, height)
    env.obstacles = []
    for (y, x), there in np.ndenumerate(np.asarray(level.map)):
        it = thing(int(there))
        env.grid.set(x, y, it)
        if it is not None:
            it.cur_pos = it.init_pos = (x, y)
        if int(there) == int(level.goal[1]):
            env.obj, env.target_pos = it, (x, y)
    (y, x), env.agent_dir = level.position, (int(level.direction) - 1) % 4
    env.agent_pos, env.carrying, env.step_count = (int(x), int(y)), None, 0
    if level.pocket != EMPTY:
        env.carrying = thing(int(level.pocket))
        env.obj = env.carrying if level.pocket == level.goal[1] else env.obj
    env.max_steps, env.see_through_walls = LIMIT, True
    kind, a, b, row, column = (int(part) for part in level.goal)
    what, colour = TILES[a // 12], tiles.COLOURS[a % 12]
    env.targetType, env.targetColor = what, colour
    env.move_type, env.moveColor = what, colour
    if kind in (kinds.PUT_NEAR, kinds.DONE_NEAR):
        env.target_pos = (column, row)


def seen(env: Any) -> np.ndarray:
    """Their view in our bytes: the agent's own cell and all outside the map are EMPTY."""
    grid, mask = env.gen_obs_grid()
    view = np.full((VIEW, VIEW), EMPTY, np.uint8)
    forward, right, here = env.dir_vec, env.right_vec, np.array(env.agent_pos)
    for i in range(VIEW):
        for j in range(VIEW):
            x, y = here + forward * (VIEW - 1 - i) + right * (j - VIEW // 2)
            if mask[j, i] and 0 <= x < env.width and 0 <= y < env.height:
                there = byte(grid.get(j, i))
                view[i, j] = pack("box", "grey") if TILES[there // 12] == "key box" else there
    view[-1, VIEW // 2] = EMPTY
    return view


def moment(env: Any, reward: float, terminated: bool, truncated: bool) -> Moment:
    """Their environment as it is now."""
    map = [[byte(env.grid.get(x, y)) for x in range(env.width)] for y in range(env.height)]
    views = []
    for env.see_through_walls in (False, True):
        views.append(seen(env))
    x, y = env.agent_pos
    pocket = EMPTY if env.carrying is None else byte(env.carrying)
    return Moment(
        *(np.asarray(part) for part in (map, (y, x), (env.agent_dir + 1) % 4, pocket)),
        *(np.asarray(part) for part in (views[1], views[0], reward, terminated)),
        np.asarray(truncated and not terminated),
    )


def choose(env: Any, rng: np.random.Generator) -> int:
    """An action, in our numbers: often what can be done with what lies in front."""
    front = env.grid.get(*env.front_pos)
    likes = np.array([4, 1.5, 1.5, 0.3, 0.1, 0.3, 0.05])
    if front is not None and front.can_pickup() and env.carrying is None:
        likes[[3, 5]] += (10, 10 if front.type == "box" else 0)
    if front is not None and front.type == "door" and not front.is_open:
        likes[5] += 4 * (not front.is_locked or env.carrying is not None)
        likes[6] += 8
    if front is None and env.carrying is not None:
        likes[4] += 3
    if front is not None and front.type == "lava":
        likes[0] /= 8
    if front is not None and front.type == "wall":
        likes[0] = 0
    return int(rng.choice(7, p=likes / likes.sum()))


def play(env: Any, level: Level, rng: np.random.Generator) -> tuple[list[int], list[Moment]]:
    """One episode of theirs: what was done, and what came of it."""
    lay_out(env, level)
    actions, moments = [], []
    for _ in range(STEPS):
        actions.append(choose(env, rng))
        _, reward, terminated, truncated, _ = env.step(THEIRS[actions[-1]])
        moments.append(moment(env, reward, terminated, truncated))
        if terminated or truncated:
            break
    return actions, moments


@pytest.fixture(scope="module")
def replay():
    """Our steps of a batch of levels: a `Moment` of arrays `[batch, time, ...]`."""
    actions = tuple(range(7))
    ours, walled = (
        MiniGrid(SIZE, SIZE, VIEW, LIMIT, actions=actions, occlude=occlude)
        for occlude in (False, True)
    )
    table, agent = ours.board, (-1, VIEW // 2)

    def episode(level: Level, actions: jax.Array) -> Moment:
        def step(state, action):
            _, dim = walled.step(state, level, action, key=jr.key(0))
            state, timestep = ours.step(state, level, action, key=jr.key(0))
            y, x = jnp.divmod(state.position, table.stride)
            return state, Moment(
                map=state.grid[table.cells()],
                position=jnp.stack([y, x]) - table.margin,
                direction=state.direction,
                pocket=state.pocket,
                view=timestep.observation["view"].at[agent].set(EMPTY),
                lit=dim.observation["view"].at[agent].set(EMPTY),
                reward=timestep.reward,
                terminated=timestep.terminated(),
                truncated=timestep.truncated(),
            )

        return jax.lax.scan(step, ours.reset(level, key=jr.key(0))[0], actions)[1]

    return jax.jit(jax.vmap(episode))


@functools.lru_cache
def drawn(family: int, num: int = OURS) -> Level:
    """Levels of ours, in NumPy."""
    space = FAMILIES[family][0]
    levels = jax.jit(jax.vmap(lambda key: space.sample(key=key)))(jr.split(jr.key(0), num))
    return jax.tree.map(np.asarray, levels)


def flooded(open_: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Which open cells are joined to the start."""
    wet = np.zeros_like(open_)
    wet[tuple(start)] = True
    while True:
        more = wet.copy()
        more[1:] |= wet[:-1]
        more[:-1] |= wet[1:]
        more[:, 1:] |= wet[:, :-1]
        more[:, :-1] |= wet[:, 1:]
        more &= open_ | wet
        if (more == wet).all():
            return wet
        wet = more


def target_of(level: Level) -> np.ndarray:
    """Where what the goal is about stands."""
    placed = level.goal[0] in (kinds.PUT_NEAR, kinds.DONE_NEAR)
    return level.goal[3:] if placed else np.argwhere(level.map == level.goal[1])[0]


def stirred(level: Level, rng: np.random.Generator) -> Level:
    """The level begun anywhere; and, except where that ends it, with one of its things in hand."""
    map, pocket = level.map.copy(), EMPTY
    outdoors = level.goal[0] == kinds.DONE_NEAR  # behind those doors
    inside = flooded((map == FLOOR) if outdoors else (map != WALL), level.position)
    things = np.argwhere(np.isin(map // 12, [TILES.index(t) for t in THINGS]))
    if level.failure[0] == kinds.MISHANDLED:
        things = np.argwhere(map == level.goal[1])[: int(level.goal[0] != kinds.HOLD)]
    target = target_of(level)
    if len(things) and rng.random() < 0.5:
        where = tuple(rng.choice(things))
        pocket, map[where] = map[where], FLOOR
    cells = np.argwhere(inside & (map == FLOOR))
    near = cells[np.abs(cells - target).max(1) <= 2]
    position = rng.choice(near if len(near) and rng.random() < 0.7 else cells)
    parts = (map, position, rng.integers(4), level.goal, level.failure, level.rules, pocket)
    return jax.tree.map(np.asarray, Level(*parts))


def in_the_corner(level: Level) -> Level:
    """The level on the large map that all share; floor, which is nothing to them, around."""
    height, width = level.map.shape
    map = np.full((SIZE, SIZE), FLOOR, np.uint8)
    map[:height, :width] = level.map
    return eqx.tree_at(lambda level: level.map, level, map)


# What lava does is seen in Crossing; nothing in the large maze is not in the small one, too.
STILL = [
    i
    for i, (ours, _, _) in enumerate(FAMILIES)
    if not isinstance(ours, Obstacles | LavaGap) and getattr(ours, "quarters", 0) == 0
]


@pytest.mark.parametrize("family", STILL, ids=[NAMES[i] for i in STILL])
def test_steps_are_theirs(family: int, replay):
    space, name, arguments = FAMILIES[family]
    env, rng = make(name, arguments), np.random.default_rng(family)
    env.reset(seed=0)
    levels = drawn(family)
    each = [jax.tree.map(lambda x: x[b], levels) for b in range(EPISODES)]  # noqa: B023
    each = [in_the_corner(stirred(level, rng)) for level in each]
    played = [play(env, level, rng) for level in each]
    actions = np.zeros((EPISODES, STEPS), np.int32)
    for b, (done, _) in enumerate(played):
        actions[b, : len(done)] = done
    batch = jax.tree.map(lambda *x: np.stack(x), *each)
    ours = jax.tree.map(np.asarray, replay(batch, actions))
    for b, (done, moments) in enumerate(played):
        for t, theirs in enumerate(moments):
            for part in Moment._fields:
                mine, other = getattr(ours, part)[b, t], getattr(theirs, part)
                same = np.allclose(mine, other, atol=1e-6) if part == "reward" else (mine == other)
                assert np.all(same), (
                    f"{NAMES[family]}: {part} differs after {done[: t + 1]} in level {b}:\n"
                    f"ours {mine}\ntheirs {other}"
                )
    last = [moments[-1] for _, moments in played]
    assert any(end.reward > 0 for end in last), "somebody reached the goal"
    assert any(end.truncated for end in last), "somebody ran out of time"
    if each[0].failure.any():
        assert any(end.terminated and end.reward == 0 for end in last), "somebody failed"


def their_levels(env: Any, num: int) -> tuple[Level, list[str]]:
    """Levels that they draw, as far as they say what is asked, and the missions."""
    env.reset(seed=0)
    parts, missions = [], []
    for _ in range(num):
        env.agent_pos, env.agent_dir = (-1, -1), -1
        env._gen_grid(env.width, env.height)
        map = [[byte(env.grid.get(x, y)) for x in range(env.width)] for y in range(env.height)]
        x, y = (int(part) for part in env.agent_pos)
        parts.append((np.array(map, np.uint8), np.array([y, x]), (env.agent_dir + 1) % 4))
        missions.append(env.mission)
    return Level(*(np.stack(part) for part in zip(*parts, strict=True))), missions


def described(levels: Level, missions: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Levels as zeros and ones, `[levels, ...]` under the name of each thing told."""
    map, position = np.asarray(levels.map), np.asarray(levels.position)
    colours = tiles.COLOURS[1:7]
    walls = map == WALL
    told = {f"where is {tile}": map // 12 == i for i, tile in enumerate(TILES)}
    told |= {
        f"how many of {tiles.name(b)}": (map == b).sum((1, 2))[:, None] > np.arange(6)
        for b in range(12, tiles.NUM_BYTES)
        if b not in (WALL, FLOOR)
    }
    told["how many walls"] = walls.sum((1, 2))[:, None] > np.arange(walls[0].size)
    told["where is the agent"] = (position[:, 0] * 64 + position[:, 1])[:, None] == np.arange(4096)
    told["where it looks"] = np.asarray(levels.direction)[:, None] == np.arange(4)
    ahead = position + np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])[np.asarray(levels.direction)]
    told["what it faces"] = map[np.arange(len(map)), ahead[:, 0], ahead[:, 1]][
        :, None
    ] // 12 == np.arange(16)
    if not missions:
        return told
    words = [*colours, *TILES, "near", "room", "lava", "opening", "goal", "door"]
    ends = [" ".join(mission.split()[-2:]) for mission in missions]
    asked = [f"{colour} {tile}" for colour in colours for tile in TILES]
    told["words"] = np.array([np.isin(words, mission.split()) for mission in missions])
    told["what is asked"] = np.array(ends)[:, None] == np.array(asked)
    return told


def check_shares(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], what: str) -> None:
    """The same shares but for luck: five deviations, and four cases where a thing is rare."""
    for name, mine in ours.items():
        other = theirs[name]
        share = (mine.sum(0) + other.sum(0)) / (len(mine) + len(other))
        away = np.abs(mine.mean(0) - other.mean(0)) * len(other)
        allowed = 5 * np.sqrt(share * (1 - share) * len(other) * (1 + len(other) / len(mine))) + 4
        worst = np.unravel_index(np.argmax(away - allowed), away.shape)
        assert (away <= allowed).all(), (
            f"{what}: {name}, entry {worst}: {mine.mean(0)[worst]:.3f} of ours, "
            f"{other.mean(0)[worst]:.3f} of theirs"
        )


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=NAMES)
def test_levels_are_drawn_as_theirs(family: int):
    space, name, arguments = FAMILIES[family]
    env = make(name, arguments)
    assert env.max_steps == space.time_limit, "the time limit is theirs"
    levels = drawn(family)
    each = [jax.tree.map(lambda x: x[b], levels) for b in range(OURS)]  # noqa: B023
    missions = [space.mission(level) for level in each]
    theirs, said = their_levels(env, THEIR_NUM)
    check_shares(described(levels, missions), described(theirs, said), NAMES[family])
    if not isinstance(space, Fetch):
        assert set(missions) >= set(said) or len(set(said)) > 30, "every mission of theirs is ours"
    for b, level in enumerate(each[:200]):
        assert solvable(level), f"{NAMES[family]}: level {b} cannot be solved"


def their_wandering(env: Any, level: Level, action: int, num: int) -> tuple[Level, np.ndarray]:
    """What becomes of one moment, so many times: levels, and rewards where it ended."""
    parts, rewards = [], []
    for _ in range(num):
        lay_out(env, level)
        env.obstacles = [ball for ball in env.grid.grid if ball and ball.type == "ball"]  # in order
        _, reward, terminated, _, _ = env.step(THEIRS[action])
        map = [[byte(env.grid.get(x, y)) for x in range(env.width)] for y in range(env.height)]
        parts.append((np.array(map), env.agent_pos[::-1], (env.agent_dir + 1) % 4))
        rewards.append(reward if terminated else 9.0)
    return Level(*(np.stack(part) for part in zip(*parts, strict=True))), np.array(rewards)


def test_balls_wander_as_theirs():
    """From a ball ahead, a wall ahead, a goal ahead, and a free cell that a ball may enter."""
    env = make("DynamicObstaclesEnv", {"size": 6, "n_obstacles": 3})
    env.reset(seed=0)
    map = np.full((6, 6), WALL, np.uint8)
    map[1:-1, 1:-1] = FLOOR
    map[4, 4], map[2, 2], map[2, 3], map[3, 1] = GREEN_GOAL, BALL, BALL, BALL
    ours = MiniGrid(6, 6, 3, LIMIT, actions=(0, 1, 2), obstacles=3)

    def once(level: Level, action: jax.Array, key: jax.Array) -> tuple:
        state, _ = ours.reset(level, key=key)
        state, timestep = ours.step(state, level, action, key=key)
        y, x = jnp.divmod(state.position, ours.board.stride)
        place = jnp.stack([y, x]) - ours.board.margin
        reward = jnp.where(timestep.last(), timestep.reward, 9.0)
        return state.grid[ours.board.cells()], place, state.direction, reward

    many = jax.jit(jax.vmap(once, (None, None, 0)))
    keys = jr.split(jr.key(1), 4096)
    for position, direction, action in (
        ((2, 1), 1, 0), ((1, 1), 0, 0), ((4, 3), 1, 0), ((3, 2), 1, 0), ((3, 2), 1, 1),
    ):  # fmt: skip
        level = Level(map, position, direction, goal=(kinds.ON_TILE, GREEN_GOAL, 0, 0, 0))
        *parts, mine = (np.asarray(x) for x in many(level, jnp.int32(action), keys))
        theirs, other = their_wandering(env, jax.tree.map(np.asarray, level), action, 200)
        what = f"action {action} at {position}"
        check_shares(described(Level(*parts)), described(theirs), what)
        assert set(mine.round(4)) == set(other.astype(np.float32).round(4)), f"{what}: rewards"


def solvable(level: Level) -> bool:
    """Whether the target can be walked to, with keys found on the way; things can be moved."""
    map, target, found = level.map.copy(), target_of(level), set()
    while True:
        shut = (map == WALL) | (map == LAVA) | (map // 12 == TILES.index("locked door"))
        wet = flooded(~shut, level.position)
        if wet[tuple(target)]:
            return True
        keys = wet & np.isin(map // 12, [TILES.index("key"), TILES.index("key box")])
        new = {int(key) % 12 for key in map[keys]} - found
        if not new:
            return False
        found |= new
        map[np.isin(map, [pack("locked door", colour) for colour in found])] = FLOOR
