"""Curriculum: chooses tasks."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, Int, Key, PyTree

State = TypeVar("State")


class Ticket(eqx.Module):
    """What a curriculum hands out: the tasks themselves, and where it took them from.

    Scores come back under the ticket, perhaps late, perhaps twice; because it carries its tasks,
    the table it was drawn from may have moved meanwhile.

    Attributes:
        tasks: a task pytree with leading axis `num`.
        slots: the curriculum's own reference for each task, -1 where it has none.
    """

    tasks: PyTree
    slots: Int[Array, "num"]


class AbstractCurriculum(eqx.Module, Generic[State]):
    """Chooses which tasks to practise; `sample` reads, `update` writes."""

    @abc.abstractmethod
    def init(self, *, key: Key[Array, ""]) -> State:
        """What a curriculum knows before anything was lived."""

    @abc.abstractmethod
    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """Choose `num` tasks. Reads only."""

    @abc.abstractmethod
    def update(self, state: State, ticket: Ticket, scores: Float[Array, "num"]) -> State:
        """Take in how the ticket's tasks went."""
