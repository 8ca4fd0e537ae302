"""Every environment keeps the laws: add yours, with its tasks, to the list."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import pytest
from jaxtyping import Array, Key

from meadow.envs.cartpole import CartPole, physics
from meadow.envs.catch import Catch
from meadow.envs.fresh import Fresh
from meadow.envs.maze.editor import Placing
from meadow.envs.maze.environment import MazeWorld
from meadow.envs.maze.toggle import Toggling
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.parameters import ParameterEditor
from meadow.envs.pendulum import Pendulum
from meadow.envs.pendulum import physics as pendulums
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.mixed import Mixed, MixedTask, MixedTasks
from meadow.envs.xland.observe import EXTRAS
from meadow.envs.xland.pixels import Pixels
from meadow.tasks.grid import GridTask
from meadow.tasks.level import Level
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.maze import Maze
from meadow.tasks.minigrid.empty import Empty
from meadow.tasks.only import Only
from meadow.tasks.trees import Trees
from meadow.testing import check_environment
from meadow.testing.probes import PROBES, Choice, HiddenArm, TimeLimit, other_arm

TREES = Trees(depth=1, distractor_objects=1)


def other_rules(task: GridTask, key: Key[Array, ""]) -> GridTask:
    """The same objects, but another goal and other rules."""
    other = TREES.sample(key=key)
    return eqx.tree_at(lambda t: (t.goal, t.rules), task, (other.goal, other.rules))


def other_mixed_rules(task: MixedTask, key: Key[Array, ""]) -> MixedTask:
    """The same for a task of one of several environments."""
    return eqx.tree_at(lambda t: t.task, task, other_rules(task.task, key))


def other_goal(level: Level, key: Key[Array, ""]) -> Level:
    """The same map, but something else is asked."""
    return eqx.tree_at(lambda t: t.goal, level, TREES.sample(key=key).goal)


def other_walls(maze: Maze, key: Key[Array, ""]) -> Maze:
    """Other walls where nobody sees them: three cells away."""
    cells = jnp.stack(jnp.indices(maze.walls.shape), -1)
    far = (abs(cells - maze.position) >= 3).any(-1)
    walls = maze.walls ^ (far & jr.bernoulli(key, 0.5, maze.walls.shape))
    return eqx.tree_at(lambda m: m.walls, maze, walls)


ANYWHERE = Empty(5, 6, anywhere=True)
FRESH = Fresh(TimeLimit(), Choice(2))
SEEN = tuple(name for name in EXTRAS if name not in ("goal", "rules"))
PROBED: dict[type, dict[str, Any]] = {
    HiddenArm: {"hidden": other_arm},
    TimeLimit: {"time_limit": 2},
}
ENVIRONMENTS = [
    *((environment, tasks, PROBED.get(type(environment), {})) for environment, tasks in PROBES),
    (
        XLand("R4", 7, 7, view_size=3, max_steps=12, observe=SEEN),
        TREES,
        {"hidden": other_rules, "time_limit": 12},
    ),
    (
        Pixels(
            Mixed(
                (
                    XLand("R4", 7, 7, view_size=3, max_steps=12),
                    XLand("R1", 5, 7, view_size=5, max_steps=12, occlude=True),
                )
            ),
            tile=4,
        ),
        MixedTasks((TREES, TREES)),
        {"hidden": other_mixed_rules, "time_limit": 12},
    ),
    (
        MiniGrid(5, 6, view_size=3, max_steps=12, observe=SEEN),
        ANYWHERE,
        {"hidden": other_goal, "time_limit": 12},
    ),
    (
        MazeWorld(6, 7, view_size=3, max_steps=12, actions=7),
        Blocks(6, 7, 12),
        {"hidden": other_walls, "time_limit": 12},
    ),
    (FRESH, FRESH.nothing, {}),
    (Catch(rows=4, columns=3), Choice(3), {}),
    (Placing(3, 4, 4, choose_direction=True), Only(()), {"max_steps": 7}),
    (Toggling(3, 4, edits=7), Only(()), {"max_steps": 7}),
    (ParameterEditor((0.0,) * 7, (1.0,) * 7), Only(()), {"max_steps": 7}),
    (
        CartPole(max_steps=8),
        physics(),
        {"hidden": lambda _, key: physics().sample(key=key), "time_limit": 8},
    ),
    (
        Pendulum(max_steps=8),
        pendulums(),
        {"hidden": lambda _, key: pendulums().sample(key=key), "time_limit": 8},
    ),
]


@pytest.mark.parametrize(
    ("environment", "tasks", "options"), ENVIRONMENTS, ids=lambda x: type(x).__name__
)
def test_environment(environment, tasks, options, key):
    check_environment(environment, tasks, **{"max_steps": 12, **options}, key=key)
