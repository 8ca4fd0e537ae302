"""Curriculum: chooses tasks."""

import abc
from typing import Generic, NamedTuple, TypeVar

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.report import Report

State = TypeVar("State")


class Ticket(eqx.Module):
    """What a curriculum hands out: the tasks themselves, and where it took them from.

    Reports come back under the ticket, perhaps late, perhaps twice; because it carries its tasks,
    the table it was drawn from may have moved meanwhile.

    Attributes:
        tasks: a task pytree with leading axis `num`.
        slots: the curriculum's own reference for each task, -1 where it has none.
        notes: whatever else the curriculum will want to know when the report comes.
    """

    tasks: PyTree
    slots: Int[Array, "num"]
    notes: PyTree = ()


class AbstractCurriculum(eqx.Module, Generic[State]):
    """Chooses which tasks to practise; `sample` and `metrics` read, `update` writes."""

    @abc.abstractmethod
    def init(self, *, key: Key[Array, ""]) -> State:
        """What a curriculum knows before anything was lived."""

    @abc.abstractmethod
    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """Choose `num` tasks to practise. Reads only."""

    @abc.abstractmethod
    def update(self, state: State, ticket: Ticket, report: Report) -> State:
        """Take in how the ticket's tasks went."""

    @abc.abstractmethod
    def metrics(self, state: State) -> dict[str, Float[Array, ""]]:
        """What it has come to, as numbers worth a line in a log; may be empty."""


class Due(NamedTuple):
    """What an iteration does: practise tasks, examine tasks, both or neither."""

    practise: Bool[Array, ""]
    examine: Bool[Array, ""]


class AbstractExaminer(AbstractCurriculum[State], Generic[State]):
    """A curriculum that also looks at tasks without anybody learning from them.

    Examined tasks are lived like others, but forward only: no gradient is taken. In an iteration
    that does both, practice comes first.
    """

    @abc.abstractmethod
    def due(self, iteration: Int[Array, ""]) -> Due:
        """What an iteration (from 0) does. It knows nothing but the number, so the schedule is the
        same for every seed and can be computed ahead."""

    @abc.abstractmethod
    def examine(self, state: State, *, key: Key[Array, ""]) -> Ticket:
        """Tasks to look at, always equally many. Reads only."""
