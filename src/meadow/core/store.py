"""Store: experience between acting and learning."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.trajectory import Trajectory

State = TypeVar("State")


class Draw(eqx.Module):
    """What was drawn to be learnt from.

    Attributes:
        trajectory: windows of experience, `[length, num]`; `weight` says how much each counts.
        places: where they lie; for the store alone.
    """

    trajectory: Trajectory
    places: PyTree


class AbstractStore(eqx.Module, Generic[State]):
    """Keeps what was lived and hands out windows of it; works inside `jit`.

    Who learnt from a draw brings it back, with how surprising each window was: `sample` reads,
    `update` writes.
    """

    @abc.abstractmethod
    def init(self, trajectory: Trajectory) -> State:
        """An empty store for chunks like this one; only its shapes and types matter."""

    @abc.abstractmethod
    def add(self, state: State, trajectory: Trajectory) -> State:
        """Keep a chunk that follows the one before it; the oldest makes room."""

    @abc.abstractmethod
    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Draw:
        """`num` windows. Reads only; where none is kept yet, what comes back means nothing."""

    @abc.abstractmethod
    def update(self, state: State, draw: Draw, surprise: Float[Array, "num"] | None) -> State:
        """The draw was learnt from; `surprise` is None where the learner cannot tell."""
