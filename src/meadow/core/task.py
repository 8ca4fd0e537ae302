"""TaskSpace: where tasks come from.

A task is a problem as arrays (layout, goal, hidden rules): any pytree of fixed shape. So tasks can
be vmapped over, indexed, shuffled, held out and stored like any other data.
"""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Bool, Float, Key, UInt32

Task = TypeVar("Task")


class AbstractTaskSpace(eqx.Module, Generic[Task]):
    """A distribution over tasks of one shape."""

    @abc.abstractmethod
    def sample(self, *, key: Key[Array, ""]) -> Task:
        """One task. A pure function of `key`; works under `jit` and `vmap`."""


class AbstractDesignSpace(AbstractTaskSpace[Task], Generic[Task]):
    """A task space whose tasks can be told apart, measured and changed a little.

    What curricula ask for that keep tasks, mutate them, or begin with the simplest.
    """

    @abc.abstractmethod
    def empty(self, *, key: Key[Array, ""]) -> Task:
        """One of the simplest tasks there are."""

    @abc.abstractmethod
    def mutate(self, task: Task, *, key: Key[Array, ""]) -> Task:
        """A task one edit away (or none, where an edit does not fit); of the same space."""

    @abc.abstractmethod
    def fingerprint(self, task: Task) -> UInt32[Array, "2"]:
        """Equal where two tasks are the same problem; different ones collide by chance alone."""

    @abc.abstractmethod
    def features(self, task: Task) -> dict[str, Float[Array, ""]]:
        """Numbers that say how complex a task is, by name."""

    @abc.abstractmethod
    def solvable(self, task: Task) -> Bool[Array, ""]:
        """False only where nothing solves the task."""
