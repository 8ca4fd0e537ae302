"""What can be done with lava and boxes, what is said of goals, and how balls wander."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.envs.minigrid.conditions import DONE
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.minigrid.wander import wander
from meadow.envs.xland.near import MOVE, PICK_UP, PUT_DOWN, TOGGLE, TURN_LEFT
from meadow.tasks import kinds
from meadow.tasks.level import Level
from meadow.tasks.tiles import EMPTY, FLOOR, LAVA, WALL, parse

ACTIONS = tuple(range(7))
PLAIN = MiniGrid(5, 5, view_size=3, max_steps=50, observe=("pocket", "goal"), actions=ACTIONS)
STEP = jax.jit(PLAIN.step)
RED_KEY_BOX, GREY_BOX, RED_KEY = parse("red key box"), parse("grey box"), parse("red key")


def level(ahead: int, **more) -> Level:
    """The agent in the middle of a small room, looking up at a tile."""
    map = np.full((5, 5), WALL, np.uint8)
    map[1:-1, 1:-1] = FLOOR
    map[1, 2] = ahead
    return Level(map, (2, 2), 0, **more)


def lived(task: Level, *actions: int):
    """The state and the time step after some actions, and the map."""
    state, timestep = PLAIN.reset(task, key=jr.key(0))
    for action in actions:
        state, timestep = STEP(state, task, jnp.int32(action), key=jr.key(0))
    return state, timestep, np.asarray(state.grid)[PLAIN.board.cells()]


@pytest.mark.parametrize(
    ("ahead", "actions", "left", "pocket"),
    [
        ("red box", [PICK_UP], FLOOR, "red box"),
        ("red box", [PICK_UP, PUT_DOWN], "red box", EMPTY),
        ("red box", [TOGGLE], FLOOR, EMPTY),
        ("red key box", [TOGGLE], "red key", EMPTY),
        ("red key box", [TOGGLE, PICK_UP], FLOOR, "red key"),
        ("red key box", [PICK_UP, PUT_DOWN, TOGGLE], "red key", EMPTY),
        ("red box", [MOVE], "red box", EMPTY),
        ("orange lava", [PICK_UP, TOGGLE, PUT_DOWN], "orange lava", EMPTY),
    ],
)
def test_boxes_and_lava(ahead: str, actions: list[int], left: str | int, pocket: str | int):
    state, _, map = lived(level(parse(ahead)), *actions)
    left, pocket = (parse(x) if isinstance(x, str) else x for x in (left, pocket))
    assert map[1, 2] == left, f"{ahead} after {actions}"
    assert state.pocket == pocket, f"pocket after {ahead}, {actions}"


def test_a_second_box_is_left_alone():
    state, _, map = lived(level(parse("red box"), pocket=RED_KEY), PICK_UP)
    assert (state.pocket, map[1, 2]) == (RED_KEY, parse("red box")), "one hand holds one thing"


def test_walking_into_lava_ends_without_reward():
    task = level(LAVA, failure=(kinds.ON_TILE, LAVA, 0, 0, 0))
    state, timestep, map = lived(task, MOVE)
    assert timestep.terminated() and timestep.reward == 0, "lava is deadly"
    assert state.position == PLAIN.board.cells()[1, 2] and map[1, 2] == LAVA, "it was walked into"


def test_nobody_sees_into_a_box():
    _, first, _ = lived(level(RED_KEY_BOX))
    assert first.observation["view"][1, 1] == GREY_BOX, "in the view it is a grey box"
    _, held, _ = lived(level(RED_KEY_BOX), PICK_UP)
    assert held.observation["pocket"] == GREY_BOX, "and in the hand"
    _, opened, _ = lived(level(RED_KEY_BOX), TOGGLE)
    assert opened.observation["view"][1, 1] == RED_KEY, "until it is opened"


@pytest.mark.parametrize("kind", [kinds.PUT_NEAR, kinds.DONE_NEAR])
def test_a_goal_is_told_without_its_place(kind: int):
    _, timestep, _ = lived(level(FLOOR, goal=(kind, 5, 6, 1, 2)))
    assert timestep.observation["goal"].tolist() == [kind, 5, 6, 0, 0], "things, not where"
    _, timestep, _ = lived(level(FLOOR, goal=(kinds.TILE_AT, 5, 0, 1, 2)))
    assert timestep.observation["goal"].tolist() == [kinds.TILE_AT, 5, 0, 1, 2], "this says where"


@pytest.mark.parametrize(
    ("actions", "won", "over"),
    [
        ([DONE], True, True),
        ([TOGGLE], False, True),
        ([TURN_LEFT, DONE], True, True),
        ([TURN_LEFT, MOVE, DONE], False, True),
        ([TURN_LEFT], False, False),
    ],
)
def test_done_is_said_beside_the_place(actions: list[int], won: bool, over: bool):
    task = level(FLOOR, goal=(kinds.DONE_NEAR, 0, 0, 1, 2), failure=(kinds.DONE, 0, 0, 0, 0))
    _, timestep, _ = lived(task, *actions)
    assert (bool(timestep.reward > 0), bool(timestep.terminated())) == (won, over), str(actions)


def test_balls_wander_to_free_cells_only():
    ball, goal = parse("blue ball"), parse("green goal")
    map = np.full((5, 5), WALL, np.uint8)
    map[1:-1, 1:-1] = FLOOR
    map[1, 1], map[2, 1], map[3, 3] = ball, ball, goal
    state, _ = PLAIN.reset(Level(map, (1, 2), 0), key=jr.key(0))
    move = jax.jit(jax.vmap(lambda key: wander(PLAIN.board, state, 2, key=key).grid))
    after = np.asarray(move(jr.split(jr.key(0), 512)))[:, PLAIN.board.cells()]
    assert ((after == ball).sum((1, 2)) == 2).all(), "no ball is lost"
    assert (after[:, 3, 3] == goal).all() and (after[:, 1, 2] == FLOOR).all(), "nor does one jump"
    assert (np.unique(after[:, 3, 1] == ball, return_counts=True)[1] > 50).all(), "they do move"

    stuck = np.full((5, 5), WALL, np.uint8)
    stuck[1, 1], stuck[3, 3] = ball, FLOOR
    state, _ = PLAIN.reset(Level(stuck, (3, 3), 0), key=jr.key(0))
    after = wander(PLAIN.board, state, 2, key=jr.key(0))
    assert (after.grid == state.grid).all(), "a ball with no free cell stays; one too few is none"
