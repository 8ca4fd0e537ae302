"""An environment and an agent that write down all that the rollout does to them."""

from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import pytest
from jaxtyping import Array, Float, Int, Key

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition


class Now(NamedTuple):
    """A moment of an episode."""

    count: Int[Array, ""]
    luck: Float[Array, ""]


class Clock(AbstractEnvironment[Int[Array, ""], Now]):
    """An episode of `task` steps, the i-th paid i; odd tasks terminate, even ones are cut.

    Shows its task, the steps taken, and the luck drawn in the last reset or step.
    """

    @property
    def action_spec(self) -> Discrete:
        return Discrete(5)

    def reset(self, task: Int[Array, ""], *, key: Key[Array, ""]) -> tuple[Now, TimeStep]:
        state = Now(jnp.int32(0), jr.uniform(key))
        return state, restart(self._shown(state, task))

    def step(
        self, state: Now, task: Int[Array, ""], action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[Now, TimeStep]:
        state = Now(state.count + 1, jr.uniform(key) + action)
        over, odd = state.count >= task, task % 2 == 1
        return state, transition(
            state.count,
            self._shown(state, task),
            terminated=over & odd,
            truncated=over & ~odd,
        )

    def _shown(self, state: Now, task: Int[Array, ""]) -> dict[str, Array]:
        return {"task": task, "count": state.count, "luck": state.luck}


class Diary(AbstractAgent[Int[Array, ""]]):
    """Acts at random; remembers how many steps it has lived in this trial."""

    def init_memory(self) -> Int[Array, ""]:
        return jnp.int32(0)

    def act(
        self, memory: Int[Array, ""], timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], Int[Array, ""], dict[str, Array]]:
        lived = jnp.where(timestep.begins_trial(), 0, memory) + 1
        return lived, jr.randint(key, (), 0, 5), {"lived": lived}


@pytest.fixture(scope="session")
def clock() -> Clock:
    """The environment."""
    return Clock()


@pytest.fixture(scope="session")
def diary() -> Diary:
    """The agent."""
    return Diary()
