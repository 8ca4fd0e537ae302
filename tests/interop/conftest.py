"""What the doors open to: a small room with two rules' worth of luck, and the probes."""

import pytest

from meadow.envs.xland.environment import XLand
from meadow.tasks.trees import Trees


@pytest.fixture(scope="session")
def room() -> XLand:
    """A room of three by three free cells, so small that random actions meet goals."""
    return XLand("R1", 5, 5, view_size=3, max_steps=12, observe=("direction", "pocket"))


@pytest.fixture(scope="session")
def trees() -> Trees:
    """Tasks whose goal can be reached at once, with three objects."""
    return Trees(depth=0, distractor_objects=2)
