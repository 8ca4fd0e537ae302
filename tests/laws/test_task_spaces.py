"""Every task space keeps the laws: add yours to the list."""

import jax.numpy as jnp
import pytest

from meadow.envs.cartpole import physics
from meadow.envs.xland.mixed import MixedTasks
from meadow.tasks.closure import Solvable
from meadow.tasks.listed import Listed
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.crossing import SimpleCrossing
from meadow.tasks.maze.named import Corridor
from meadow.tasks.maze.perfect import Perfect
from meadow.tasks.maze.rooms import FourRooms
from meadow.tasks.minigrid.memory import Memory
from meadow.tasks.minigrid.multiroom import MultiRoom
from meadow.tasks.minigrid.recall import Recall
from meadow.tasks.only import Numbered, Only
from meadow.tasks.rulesets import Rulesets
from meadow.tasks.trees import Trees
from meadow.testing import check_task_space
from meadow.testing.probes import Choice

TREES = Trees(depth=1, distractor_rules=1)
SPACES = [
    Choice(1),
    Choice(5),
    Only(jnp.arange(3)),
    Numbered("small", 3),
    TREES,
    Solvable(Trees(depth=1)),
    MixedTasks((TREES, Trees(depth=0))),
    Memory(8),
    MultiRoom(2, 4, 10),
    Recall(),
    Blocks(5, 6, 12),
    Blocks(5, 6, 12, replace=False, uniform=True, mutation="cells"),
    Corridor(5),
    Perfect(5, 7),
    Perfect(5, 7, "search"),
    FourRooms(5),
    SimpleCrossing(5, 2),
    Listed(jnp.arange(3)),
    physics(),
    Rulesets(TREES),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda x: type(x).__name__)
def test_task_space(space, key):
    check_task_space(space, key=key)
