"""Environment: dynamics waiting for a task."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Key, PyTree

from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep

Task = TypeVar("Task")
State = TypeVar("State")


class AbstractEnvironment(eqx.Module, Generic[Task, State]):
    """One environment, single-example: batch it with `vmap` at the call site.

    The task is an argument, never copied into the state; no key lives in the state; nothing here
    resets by itself. What the agent may not know is in `task` and `state` and not in the
    observation.
    """

    @property
    @abc.abstractmethod
    def action_spec(self) -> ActionSpec:
        """What an action may be."""

    @abc.abstractmethod
    def reset(self, task: Task, *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """Begin an episode of `task`: a state and a FIRST time step."""

    @abc.abstractmethod
    def step(
        self, state: State, task: Task, action: PyTree, *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Act once: the next state and a MID or LAST time step."""
