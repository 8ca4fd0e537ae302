"""Learner: something that improves an agent."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, Key

from meadow.core.agent import AbstractAgent
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory

State = TypeVar("State")
SURPRISE = "surprise"  # the one metric that is no scalar


class AbstractLearner(eqx.Module, Generic[State]):
    """Turns experience into a better agent.

    The definition holds hyper-parameters only; parameters, optimiser and counters live in the
    state, a pytree of arrays.
    """

    @abc.abstractmethod
    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters for an agent that is shown such time steps and may do such actions.

        Args:
            timestep: one example, without batch axes; only its shapes and types matter.
        """

    @abc.abstractmethod
    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """Learn from a batch of experience: the next state and scalar metrics.

        Where `trajectory.weight` is given, columns count that much. A learner that can tell how
        surprising each column was says so in the metric `surprise`, `[batch]`, by which a store may
        choose what it hands out again.
        """

    @abc.abstractmethod
    def agent(self, state: State) -> AbstractAgent:
        """The agent as it is now; a view of the state, cheap to make."""

    @abc.abstractmethod
    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, `[batch]`: what a curriculum may rank tasks by."""
