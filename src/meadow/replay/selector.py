"""Selector: which of the windows that are kept is drawn; index arithmetic, whatever they hold.

Windows are numbered in the order in which they begin: those of all lives that begin in one row
have one number. A store keeps a span of numbers; a window is a number and a life.
"""

import abc
from typing import Generic, NamedTuple, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, Int, Key

State = TypeVar("State")


class Span(NamedTuple):
    """What is kept.

    Attributes:
        oldest, end: numbers from `oldest` on and before `end`.
        places: how many are kept at most; number n lies in place n % places.
        lives: how many windows share a number.
    """

    oldest: Int[Array, ""]
    end: Int[Array, ""]
    places: int
    lives: int


class Chosen(NamedTuple):
    """Windows drawn.

    Attributes:
        number, life: which.
        weight: how much each counts, 1 for the most.
    """

    number: Int[Array, "num"]
    life: Int[Array, "num"]
    weight: Float[Array, "num"]


class AbstractSelector(eqx.Module, Generic[State]):
    """Chooses windows."""

    @abc.abstractmethod
    def init(self, places: int, lives: int) -> State:
        """Nothing is kept."""

    @abc.abstractmethod
    def add(self, state: State, before: Span, after: Span, most: int) -> State:
        """The span has moved, by at most `most` numbers at either end."""

    @abc.abstractmethod
    def sample(self, state: State, span: Span, num: int, *, key: Key[Array, ""]) -> Chosen:
        """`num` windows of the span."""

    @abc.abstractmethod
    def update(
        self, state: State, span: Span, chosen: Chosen, surprise: Float[Array, "num"] | None
    ) -> State:
        """They were learnt from. Those that are not kept any more are passed over."""
