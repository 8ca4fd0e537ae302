"""Agent: something that acts and remembers."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Key, PyTree

from meadow.core.timestep import TimeStep

Memory = TypeVar("Memory")


class AbstractAgent(eqx.Module, Generic[Memory]):
    """Acts from its memory and one time step; single-example.

    Memory belongs to the agent. Nobody clears it from outside: an agent that should forget between
    tasks does so where `timestep.begins_trial()`, one that should forget between episodes where
    `timestep.first()`.
    """

    @abc.abstractmethod
    def init_memory(self) -> Memory:
        """The memory of an agent that has lived nothing."""

    @abc.abstractmethod
    def act(
        self, memory: Memory, timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[Memory, PyTree, PyTree]:
        """Remember `timestep` and answer it.

        Returns:
            The new memory; the action; and a record of whatever a learner will want to know about
            this choice (an empty dict when nothing).
        """
