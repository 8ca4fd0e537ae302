"""What the doors open to, besides the probes: a small room and three tasks for it."""

import jax
import jax.numpy as jnp
import pytest

from meadow.envs.xland.environment import XLand
from meadow.tasks.grid import grid_task
from meadow.tasks.table import Table

OBJECTS = ("red ball", "blue star", "green key")


@pytest.fixture(scope="session")
def room() -> XLand:
    """Three by three free cells, so few that random actions meet goals."""
    return XLand("R1", 5, 5, view_size=3, max_steps=12, observe=("direction", "pocket"))


@pytest.fixture(scope="session")
def tasks() -> Table:
    """Go near one of three things."""
    each = [grid_task(goal=("agent_near", goal), objects=OBJECTS) for goal in OBJECTS]
    return Table(jax.tree.map(lambda *x: jnp.stack(x), *each))
