"""TaskSpace: where tasks come from.

A task is a problem as arrays (layout, goal, hidden rules): any pytree of fixed shape. So tasks can
be vmapped over, indexed, shuffled, held out and stored like any other data.
"""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Key

Task = TypeVar("Task")


class AbstractTaskSpace(eqx.Module, Generic[Task]):
    """A distribution over tasks of one shape."""

    @abc.abstractmethod
    def sample(self, *, key: Key[Array, ""]) -> Task:
        """One task. A pure function of `key`; works under `jit` and `vmap`."""
