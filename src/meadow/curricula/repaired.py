"""REPAIRED: PAIRED with replay; students learn only from what a teacher built and a buffer kept.

**examines** tasks that a teacher builds (`designed`); nobody learns from them but the teacher,
  who is paid the students' regret.
**practises** kept ones, with chances by that same regret (`plr`, robust).
**reference** Jiang et al., Replay-Guided Adversarial Environment Design, 2021, algorithm 2. Its
  students have a buffer each; ours share one.
"""

from typing import NamedTuple

from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.core.curriculum import AbstractExaminer, Due, Ticket
from meadow.core.errors import SpecError
from meadow.core.report import Report
from meadow.curricula import buffer, designed
from meadow.curricula.designed import Designed
from meadow.curricula.keep import Origin
from meadow.curricula.plr import PLR


class State(NamedTuple):
    """What is kept, and what the teacher knows."""

    kept: buffer.State
    taught: designed.State


class Notes(NamedTuple):
    """Of examined tasks: where they come from, and how they were built."""

    origin: Origin
    built: PyTree


class REPAIRED(AbstractExaminer[State]):
    """The curriculum.

    Attributes:
        plr: how tasks are kept and practised; robust, its `score` a regret, and its space where
            tasks come from while nothing is kept.
        designed: how the others are built; what they are `worth` is the same regret.
    """

    plr: PLR
    designed: Designed

    def __check_init__(self) -> None:
        if not self.plr.robust or self.plr.score != self.designed.worth:
            raise SpecError(
                "`REPAIRED` needs a robust `PLR` that ranks by what its teacher is paid for, got "
                f"robust={self.plr.robust}, score={self.plr.score!r} and "
                f"worth={self.designed.worth!r}. Write the same regret for both."
            )

    def init(self, *, key: Key[Array, ""]) -> State:
        """Nothing kept, a teacher that has learnt nothing."""
        return State(self.plr.init(key=key), self.designed.init(key=key))

    def due(self, iteration: Int[Array, ""]) -> Due:
        """As in PLR."""
        return self.plr.due(iteration)

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """Kept tasks."""
        return self.plr.sample(state.kept, num, key=key)

    def examine(self, state: State, *, key: Key[Array, ""]) -> Ticket:
        """Tasks of the teacher."""
        ticket = self.designed.sample(state.taught, self.plr.candidates, key=key)
        origin = Origin(ticket.slots, ticket.slots + 1, examined=True)
        return Ticket(ticket.tasks, ticket.slots, Notes(origin, ticket.notes))

    def update(self, state: State, ticket: Ticket, report: Report) -> State:
        """Keep what is worth it; the teacher is paid for what it built."""
        taught = state.taught
        if isinstance(ticket.notes, Notes):
            origin, notes = ticket.notes
            built = Ticket(ticket.tasks, ticket.slots, notes)
            taught = self.designed.update(taught, built, report)
            ticket = Ticket(ticket.tasks, ticket.slots, origin)
        return State(self.plr.update(state.kept, ticket, report), taught)

    def metrics(self, state: State) -> dict[str, Float[Array, ""]]:
        """What is kept, and what the teacher's last tasks were worth."""
        return self.plr.metrics(state.kept) | self.designed.metrics(state.taught)
