"""Every agent keeps the laws: add yours, with what its actions may be, to the list."""

import jax.numpy as jnp
import pytest

from meadow.agents.random import Random
from meadow.core.spec import Box, Discrete
from meadow.core.timestep import restart
from meadow.testing import check_agent

ACTIONS = (Discrete(3), Box((2,), -1.0, 1.0))
AGENTS = [(Random(spec), restart(jnp.zeros(2)), spec) for spec in ACTIONS]


@pytest.mark.parametrize(("agent", "timestep", "spec"), AGENTS, ids=lambda x: type(x).__name__)
def test_agent(agent, timestep, spec, key):
    check_agent(agent, timestep, spec, key=key)
