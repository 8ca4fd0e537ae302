"""Families beyond XLand's ports against MiniGrid itself: what is drawn, and what a step does.

Steps: the same level is laid out in both, MiniGrid is played by somebody who likes to pick up,
put down and open what lies before it, and we must say the same of every step: map, agent, pocket,
both views, reward, ending. All levels stand in the corner of one large map, so that one compiled
program plays them.

Levels: many are drawn by both and described as rows of zeros and ones (which tile on which cell,
how many of each, where the agent is, what is asked); each one's share must be the same but for luck.
"""

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

SIZE, VIEW, LIMIT, STEPS, EPISODES = 16, 7, 40, 40, 8
THEIRS = (2, 1, 0, 3, 4, 5, 6)  # our actions in their numbers
DOORS = {"closed door": 1, "locked door": 2, "open door": 0}

# Ours, and the class and arguments of theirs.
FAMILIES = [
    (LavaGap(6), "LavaGapEnv", {"size": 6}),
    (Crossing(9, 3), "CrossingEnv", {"size": 9, "num_crossings": 3}),
    (
        Crossing(11, 5, lava=False),
        "CrossingEnv",
        {"size": 11, "num_crossings": 5, "obstacle_type": "wall"},
    ),
    (Obstacles(6, 3, anywhere=True), "DynamicObstaclesEnv",
     {"size": 6, "n_obstacles": 3, "agent_start_pos": None}),
    (MultiRoom(3, 5, 16), "MultiRoomEnv",
     {"minNumRooms": 3, "maxNumRooms": 3, "maxRoomSize": 5, "width": 16, "height": 16}),
    (KeyCorridor(3, 3), "KeyCorridorEnv", {"num_rows": 3, "room_size": 3}),
    (KeyCorridor(2, 4), "KeyCorridorEnv", {"num_rows": 2, "room_size": 4}),
    (Fetch(5, 3), "FetchEnv", {"size": 5, "numObjs": 3}),
    (GoToDoor(6), "GoToDoorEnv", {"size": 6}),
    (PutNear(6, 2), "PutNearEnv", {"size": 6, "numObjs": 2}),
    (ObstructedMaze(0, start=(0, 0)), "ObstructedMaze_1Dlhb", {}),
    (ObstructedMaze(2, start=(1, 2)), "obstructedmaze_v1.ObstructedMaze_Full_V1",
     {"agent_room": (2, 1), "num_quarters": 2, "num_rooms_visited": 11}),
]  # fmt: skip
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

    tile, colour = (names[i] for names, i in zip((TILES, tiles.COLOURS), divmod(byte, 12)))
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
        likes[5] += 10 * (not front.is_locked or env.carrying is not None)
    if front is None and env.carrying is not None:
        likes[4] += 2
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


def drawn(space: Any, num: int, seed: int = 0) -> Level:
    """Levels of ours, in NumPy."""
    levels = jax.jit(jax.vmap(lambda key: space.sample(key=key)))(jr.split(jr.key(seed), num))
    return jax.tree.map(np.asarray, levels)


def in_the_corner(levels: Level) -> Level:
    """Levels on the large map that all share; floor, which is nothing to them, around."""
    num, height, width = levels.map.shape
    map = np.full((num, SIZE, SIZE), FLOOR, np.uint8)
    map[:, :height, :width] = levels.map
    return eqx.tree_at(lambda level: level.map, levels, map)


STILL = [i for i, (ours, _, _) in enumerate(FAMILIES) if not isinstance(ours, Obstacles)]


@pytest.mark.parametrize("family", STILL, ids=[NAMES[i] for i in STILL])
def test_steps_are_theirs(family: int, replay):
    space, name, arguments = FAMILIES[family]
    env, rng = make(name, arguments), np.random.default_rng(family)
    env.reset(seed=0)
    levels = in_the_corner(drawn(space, EPISODES))
    each = [jax.tree.map(lambda x: np.asarray(x[b]), levels) for b in range(EPISODES)]  # noqa: B023
    played = [play(env, level, rng) for level in each]
    actions = np.zeros((EPISODES, STEPS), np.int32)
    for b, (done, _) in enumerate(played):
        actions[b, : len(done)] = done
    ours = jax.tree.map(np.asarray, replay(levels, actions))
    for b, (done, moments) in enumerate(played):
        for t, theirs in enumerate(moments):
            for part in Moment._fields:
                mine, other = getattr(ours, part)[b, t], getattr(theirs, part)
                same = np.allclose(mine, other, atol=1e-6) if part == "reward" else (mine == other)
                assert np.all(same), (
                    f"{NAMES[family]}: {part} differs after {done[: t + 1]} in level {b}:\n"
                    f"ours {mine}\ntheirs {other}"
                )
