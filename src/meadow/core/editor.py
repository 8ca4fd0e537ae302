"""Editor: an environment in which what is done builds a task."""

import abc
from typing import Generic, TypeVar

from jaxtyping import PyTree

from meadow.core.environment import AbstractEnvironment

State = TypeVar("State")


class AbstractEditor(AbstractEnvironment[tuple[()], State], Generic[State]):
    """Building one task is one episode, always equally long; it terminates with the last edit.

    Its own task is `()`. It rewards nothing: what a task was worth is known only once others have
    lived it. Where an agent should not always build the same, its observation holds noise.
    """

    @property
    @abc.abstractmethod
    def length(self) -> int:
        """Steps of an episode."""

    @abc.abstractmethod
    def built(self, state: State) -> PyTree:
        """The task as it stands."""
