"""Fresh: every episode is a task nobody has seen, drawn where it begins.

So a space of tasks is played as one environment, without a curriculum: as other libraries do, and
as one problem among others that needs no trial of several episodes.
"""

from typing import Any, Generic

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PyTree

from meadow.core.environment import AbstractEnvironment, State, Task
from meadow.core.spec import ActionSpec
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import TimeStep
from meadow.tasks.only import Only


class Drawn(eqx.Module, Generic[Task, State]):
    """The luck of an episode, and its moment.

    Attributes:
        task: what was drawn at the reset.
        state: the environment's.
    """

    task: Task
    state: State


class Fresh(AbstractEnvironment[Any, Drawn]):
    """`environment` with tasks of `space`, another one each episode.

    Its own task says nothing and is not looked at: `()`, or one of `nothing`.
    """

    environment: AbstractEnvironment
    space: AbstractTaskSpace

    @property
    def nothing(self) -> Only:
        """Where a rollout or a curriculum wants tasks: always the same empty array."""
        return Only(jnp.zeros(0))

    @property
    def action_spec(self) -> ActionSpec:
        """The environment's."""
        return self.environment.action_spec

    def reset(self, task: PyTree, *, key: Key[Array, ""]) -> tuple[Drawn, TimeStep]:
        """Draw a task and begin it."""
        key_task, key_reset = jr.split(key)
        task = self.space.sample(key=key_task)
        state, timestep = self.environment.reset(task, key=key_reset)
        return Drawn(task, state), timestep

    def step(
        self, state: Drawn, task: PyTree, action: PyTree, *, key: Key[Array, ""]
    ) -> tuple[Drawn, TimeStep]:
        """Act in the task that was drawn."""
        after, timestep = self.environment.step(state.state, state.task, action, key=key)
        return Drawn(state.task, after), timestep
