"""Store: experience between acting and learning."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Key, PyTree

State = TypeVar("State")


class AbstractStore(eqx.Module, Generic[State]):
    """Keeps items (pytrees of one shape) and hands them out again; works inside `jit`."""

    @abc.abstractmethod
    def init(self, item: PyTree) -> State:
        """An empty store for items shaped like `item` (its values are ignored)."""

    @abc.abstractmethod
    def add(self, state: State, items: PyTree) -> State:
        """Keep a batch of items, `[num, ...]`; the oldest make room."""

    @abc.abstractmethod
    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> PyTree:
        """`num` kept items, `[num, ...]`. Reads only; the store must not be empty."""
