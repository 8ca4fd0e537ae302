"""MazeWorld: turning, going, seeing; an optimal walk gets what the published facts say."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.core.spec import Discrete
from meadow.envs.maze.environment import MazeWorld
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.maze import FORWARD, LEFT, RIGHT, Maze
from meadow.tasks.maze.named import NAMES, named_many
from meadow.tasks.maze.solve import best_action, remaining
from meadow.tasks.maze.text import parse

WORLD = MazeWorld(5, 6, view_size=3, max_steps=4, actions=7)
STEP = eqx.filter_jit(lambda *given: WORLD.step(*given, key=jr.key(0)))
RESET = eqx.filter_jit(lambda maze: WORLD.reset(maze, key=jr.key(0)))
ROOM = """
    ......
    .#....
    .>.G..
    ......
    ......
"""


def lived(maze: Maze, *actions: int) -> list:
    """States and time steps of the actions, the reset's first."""
    moments = [RESET(maze)]
    for action in actions:
        moments.append(STEP(moments[-1][0], maze, jnp.int32(action)))
    return moments


def stands(state) -> tuple[int, int, int]:
    """Row, column, direction."""
    return *map(int, state.position), int(state.direction)


def test_turning_and_going():
    (begun, _), *after = lived(parse(ROOM), LEFT, FORWARD, RIGHT, FORWARD)
    assert stands(begun) == (2, 1, 0), "an episode begins where the maze says"
    turned, blocked, back, gone = (stands(state) for state, _ in after)
    assert turned == (2, 1, 3), "left of right is up"
    assert blocked == turned, "a wall stops"
    assert back == (2, 1, 0) and gone == (2, 2, 0), "right turns back, and forward goes"


def test_the_edge_of_the_map_stops():
    *_, (state, _) = lived(parse(ROOM.replace(".>", "<.")), FORWARD)
    assert stands(state) == (2, 0, 2), "outside the map is wall"


@pytest.mark.parametrize("action", range(3, 7))
def test_other_actions_take_a_step_and_do_nothing(action):
    (begun, _), (state, said) = lived(parse(ROOM), action)
    assert stands(state) == stands(begun), "nothing moves"
    assert int(state.step) == 1 and said.reward == 0 and not said.last(), "but time goes by"


def test_the_goal_ends_with_a_reward():
    *_, (before, quiet), (state, said) = lived(parse(ROOM), FORWARD, FORWARD)
    assert quiet.reward == 0 and not quiet.last(), "before the goal nothing ends"
    assert said.terminated() and np.isclose(said.reward, 1 - 0.9 * 2 / 4), "sooner is better"
    assert stands(state) == stands(before), "the agent never stands on the goal"
    free = MazeWorld(5, 6, view_size=3, max_steps=4, penalise_time=False)
    assert jax.jit(free.step)(before, parse(ROOM), FORWARD, key=jr.key(0))[1].reward == 1, (
        "where time is not penalised success is worth 1"
    )


def test_time_runs_out():
    *before, (_, said) = lived(parse(ROOM), *[LEFT] * 4)
    assert not any(step.last() for _, step in before), "not before the limit"
    assert said.truncated() and said.reward == 0, "at the limit, and nothing is lost"
    *_, (_, said) = lived(parse(ROOM), LEFT, RIGHT, FORWARD, FORWARD)
    assert said.terminated() and np.isclose(said.reward, 0.1), "the last step still counts"


# --- what is seen --------------------------------------------------------------------------------

SEEING = MazeWorld()


@pytest.fixture(scope="module")
def mazes() -> Maze:
    """Random mazes, as arrays of NumPy."""
    keys = jr.split(jr.key(0), 64)
    return jax.device_get(jax.jit(jax.vmap(lambda key: Blocks().sample(key=key)))(keys))


@pytest.fixture(scope="module")
def look():
    """What is seen at the beginning of each of 64 mazes."""
    reset = jax.jit(jax.vmap(lambda maze: SEEING.reset(maze, key=jr.key(0))[1].observation))
    return lambda mazes: jax.device_get(reset(mazes))


def rotated(maze: Maze) -> Maze:
    """A batch of mazes turned left, agent and all."""

    def turned(cell: np.ndarray) -> np.ndarray:
        return np.stack([maze.walls.shape[-1] - 1 - cell[:, 1], cell[:, 0]], -1)

    walls = np.rot90(maze.walls, axes=(1, 2))
    return Maze(walls, turned(maze.goal), turned(maze.position), (maze.direction - 1) % 4)


def test_a_turned_world_looks_the_same(mazes, look):
    seen, turned = look(mazes)["view"], mazes
    for quarter in range(1, 4):
        turned = jax.device_get(rotated(turned))
        assert (look(turned)["view"] == seen).all(), f"after {quarter} quarter turns"


def test_the_view_is_the_map_ahead(mazes, look):
    seen = look(mazes)
    around = np.pad(mazes.walls, ((0, 0), (4, 4), (4, 4)), constant_values=True)
    for i in range(len(mazes.walls)):
        facing = int(mazes.direction[i])
        goal = np.zeros_like(around[i])
        goal[tuple(mazes.goal[i] + 4)] = True
        planes = np.stack([around[i], goal], -1)
        y, x = mazes.position[i] + 4
        # Turned so that forward is up: for the agent that looks right, a quarter to the left.
        window = np.rot90(planes[y - 4 : y + 5, x - 4 : x + 5], (facing + 1) % 4)
        assert (seen["view"][i] == window[:5, 2:7]).all(), f"maze {i}: 5x5 cells ahead"
        assert seen["direction"][i].tolist() == np.eye(4)[facing].tolist(), "and the direction"


# --- the whole walk ------------------------------------------------------------------------------

FACTS = {  # steps of the shortest walk
    **{"SixteenRooms": 26, "SixteenRooms2": 28, "Labyrinth": 113, "LabyrinthFlipped": 113},
    **{"Labyrinth2": 113, "StandardMaze": 54, "StandardMaze2": 73, "StandardMaze3": 54},
    **{"NineRooms": 24, "NineRoomsFewerDoors": 42, "MediumMaze": 25, "MiniMaze": 15},
    **{"TrivialMaze": 9, "TrivialMaze2": 13, "TrivialMaze3": 17},
}


@pytest.fixture(scope="module")
def walked() -> dict[int, np.ndarray]:
    """Returns of an optimal walk through every named maze, by time limit."""

    @jax.jit
    @jax.vmap
    def walk(maze: Maze) -> list:
        table, returns = remaining(maze), []
        for max_steps in (250, 450):
            world = MazeWorld(max_steps=max_steps)
            state, _ = world.reset(maze, key=jr.key(0))

            def body(carry, _, world=world):
                state, alive = carry
                action = best_action(table, state.position, state.direction)
                state, said = world.step(state, maze, action, key=jr.key(0))
                return (state, alive & ~said.last()), jnp.where(alive, said.reward, 0.0)

            returns.append(jax.lax.scan(body, (state, jnp.array(True)), length=120)[1].sum())
        return returns

    return dict(zip((250, 450), jax.device_get(walk(named_many())), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_an_optimal_walk_gets_the_published_return(name, walked):
    for max_steps, returns in walked.items():
        wanted = 1 - 0.9 * FACTS[name] / max_steps
        assert np.isclose(returns[NAMES.index(name)], wanted, atol=1e-6), f"of {max_steps} steps"


# --- refusals ------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused():
    assert WORLD.action_spec == Discrete(7) and MazeWorld().action_spec == Discrete(3)
    for wrong in ({"view_size": 4}, {"actions": 2}, {"max_steps": 0}, {"height": 0}):
        with pytest.raises(TaskError, match=f"`{next(iter(wrong))}` must be"):
            MazeWorld(**wrong)
    with pytest.raises(TaskError, match="maze of 13x13, got walls of shape .5, 6"):
        MazeWorld().reset(parse(ROOM), key=jr.key(0))
