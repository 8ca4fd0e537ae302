"""Mazes equal JaxUED's: steps and views to the bit, named levels by letter, distances and chances.

Random moments rather than episodes, so that walls, borders, the goal and the time limit are all met
often; agents stand wherever there is neither wall nor goal. Two things differ and are mapped: their
view lies on its side and has three channels, of which ours are the two that vary; and they do not
tell an episode that was cut from one that was done.
"""

import importlib
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.curricula.buffer import Buffer, State
from meadow.curricula.entries import Entries
from meadow.envs.maze.environment import MazeWorld
from meadow.envs.maze.environment import State as Moment
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.named import named
from meadow.tasks.maze.solve import remaining
from meadow.tasks.maze.text import show

pytestmark = pytest.mark.parity

SIZE, NUM, HORIZON, ACTIONS = 13, 4096, 250, 7
WALL, GOAL = 2, 8  # in the first channel of their view
CAPACITY = 64
# Times that what is worth comparing happens.
AT_LEAST = {"goals": 100, "moves": 500, "cuts": 500, "late goals": 20}


@pytest.fixture(scope="module")
def jaxued() -> Iterator[Any]:
    """Their modules; while they are used, JAX has the name that it has dropped since."""
    parts = {
        "maze": "environments.maze",
        "env": "environments.maze.env",
        "level": "environments.maze.level",
        "sampler": "level_sampler",
    }
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(jax, "tree_map", jax.tree.map, raising=False)
        pytest.importorskip("jaxued.environments.maze")
        modules = {name: importlib.import_module(f"jaxued.{at}") for name, at in parts.items()}
        yield SimpleNamespace(**modules)


@pytest.fixture(scope="module")
def levels(jaxued: Any) -> Any:
    """Random levels of theirs; the first have few walls, the others many."""
    few, many = (jaxued.maze.make_level_generator(SIZE, SIZE, walls) for walls in (10, 60))
    keys = jr.split(jr.PRNGKey(0), NUM)
    drawn = jax.vmap(few)(keys[: NUM // 2]), jax.vmap(many)(keys[NUM // 2 :])
    return jax.tree.map(lambda x, y: jnp.concatenate([x, y]), *drawn)


def ours(level: Any) -> Maze:
    """Their level as our task: their cells are (x, y)."""
    return Maze(
        level.wall_map, level.goal_pos[..., ::-1], level.agent_pos[..., ::-1], level.agent_dir
    )


def anywhere(levels: Any) -> Moment:
    """A moment of each level: any cell that is free, any direction, any time, often the last."""
    keys = jr.split(jr.key(1), 4)
    cells = jnp.arange(SIZE * SIZE)
    goal = levels.goal_pos[:, 1] * SIZE + levels.goal_pos[:, 0]
    free = ~levels.wall_map.reshape(NUM, -1) & (cells != goal[:, None])
    # Half of them near the goal, so that it is seen and reached often.
    apart = jnp.abs(cells // SIZE - levels.goal_pos[:, 1:]) + jnp.abs(
        cells % SIZE - levels.goal_pos[:, :1]
    )
    near = jnp.where(jnp.arange(NUM)[:, None] % 2, -2.0 * apart, 0.0)
    cell = jr.categorical(keys[0], jnp.where(free, near, -jnp.inf))
    step = jnp.where(
        jr.bernoulli(keys[2], 0.2, (NUM,)), HORIZON - 1, jr.randint(keys[3], (NUM,), 0, HORIZON)
    )
    direction = jr.randint(keys[1], (NUM,), 0, 4)
    return Moment(jnp.stack([cell // SIZE, cell % SIZE], -1), direction, step)


def planes(image: jax.Array) -> jax.Array:
    """Their view as ours."""
    objects = jnp.swapaxes(image[..., 0], -1, -2)
    return jnp.stack([objects == WALL, objects == GOAL], -1)


def test_steps_are_theirs(jaxued: Any, levels: Any):
    maze, world = jaxued.maze.Maze(), MazeWorld(SIZE, SIZE, max_steps=HORIZON, actions=ACTIONS)
    moments, actions = anywhere(levels), jr.randint(jr.key(2), (NUM,), 0, ACTIONS)
    actions = jnp.where(jnp.arange(NUM) % 4 == 0, actions, jnp.minimum(actions, 2))

    def step_theirs(level: Any, moment: Moment, action: jax.Array) -> Any:
        state = maze.init_state_from_level(level).replace(
            agent_pos=moment.position[::-1].astype(jnp.uint32),
            agent_dir=moment.direction.astype(jnp.uint8),
            time=moment.step,
        )
        params = jaxued.env.EnvParams(max_steps_in_episode=HORIZON)
        seen, state, reward, done, _ = maze.step(jr.PRNGKey(0), state, action, params)
        return state.agent_pos[::-1], state.agent_dir, reward, done, planes(seen.image)

    def step_ours(level: Any, moment: Moment, action: jax.Array) -> Any:
        state, after = world.step(moment, ours(level), action, key=jr.key(0))
        view = after.observation["view"]
        return (state.position, state.direction, after.reward, after.last(), view), after.discount

    expected = jax.jit(jax.vmap(step_theirs))(levels, moments, actions)
    got, discount = jax.jit(jax.vmap(step_ours))(levels, moments, actions)
    for name, a, b in zip(
        ("cell", "direction", "reward", "end", "view"), expected, got, strict=True
    ):
        np.testing.assert_array_equal(a, b, err_msg=f"The {name} after a step is not JaxUED's.")
    reached = expected[2] > 0
    np.testing.assert_array_equal(discount == 0, reached, "Only the goal ends a problem for good.")

    last = moments.step == HORIZON - 1
    moved = (expected[0] != moments.position).any(-1)
    met = {"goals": reached, "moves": moved, "cuts": last & ~reached, "late goals": last & reached}
    for name, seen in met.items():
        assert seen.sum() >= AT_LEAST[name], f"Too few {name} to compare: {seen.sum()}."


def test_first_views_are_theirs(jaxued: Any, levels: Any):
    maze, world = jaxued.maze.Maze(), MazeWorld(SIZE, SIZE)

    def both(level: Any) -> tuple[jax.Array, jax.Array]:
        theirs = maze.get_obs(maze.init_state_from_level(level)).image
        return planes(theirs), world.reset(ours(level), key=jr.key(0))[1].observation["view"]

    expected, got = jax.jit(jax.vmap(both))(levels)
    np.testing.assert_array_equal(got, expected, "The first view is not JaxUED's.")


def test_named_levels_are_theirs(jaxued: Any):
    for name, text in jaxued.level.prefabs.items():
        assert show(named(name)) == text, f"{name} is not JaxUED's."
        np.testing.assert_array_equal(jaxued.level.Level.from_str(text).wall_map, named(name).walls)


def test_distances_are_theirs(jaxued: Any, levels: Any):
    solved = jaxued.maze.MazeSolved()
    levels = jax.tree.map(lambda x: x[::16], levels)
    expected = jax.jit(jax.vmap(solved._precompute_min_steps_to_goal))(levels)
    got = jax.jit(jax.vmap(remaining))(ours(levels))
    assert np.isinf(expected[~np.broadcast_to(levels.wall_map[:, None], expected.shape)]).any()
    np.testing.assert_array_equal(expected, got, "Fewest steps to the goal are not JaxUED's.")


@pytest.mark.parametrize("size", [CAPACITY, CAPACITY // 2])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_chances_are_theirs(jaxued: Any, size: int, temperature: float):
    there, clock = jnp.arange(CAPACITY) < size, 50
    score = jnp.where(there, jr.permutation(jr.key(0), CAPACITY) / 7.0, -jnp.inf)
    visited = jr.randint(jr.key(1), (CAPACITY,), 0, clock)
    sampler = jaxued.sampler.LevelSampler(
        CAPACITY, staleness_coeff=0.3, prioritization_params={"temperature": temperature}
    )
    state = sampler.initialize(jnp.zeros(())) | {
        "scores": score,
        "timestamps": visited,
        "size": jnp.int32(size),
        "episode_count": jnp.int32(clock),
    }
    entries = Entries.nothing(jnp.zeros(()), CAPACITY)
    entries = eqx.tree_at(lambda e: (e.score, e.visited, e.valid), entries, (score, visited, there))
    got = Buffer(CAPACITY, temperature=temperature, staleness=0.3).chances(
        State(entries, jnp.int32(clock))
    )
    np.testing.assert_allclose(got, sampler.level_weights(state), rtol=1e-5, atol=1e-8)
