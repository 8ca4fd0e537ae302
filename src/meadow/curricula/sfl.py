"""SFL: practise what is solved half of the time (sampling for learnability).

**examines** every `period` iterations many new tasks, and keeps those with the highest p (1 - p),
  p being the share of episodes that succeed. Nothing is carried over from the last time.
**practises** a `share` of tasks drawn from these, all alike and with replacement; the others are
  new. In an iteration that also examines practice comes first, so the very first is of new tasks.
**differs from the paper's code in** that a task of which no episode was finished is never kept;
  there its score is no number, and sorts above all others.
**reference** Rutherford et al., No Regrets: Investigating and Improving Regret Approximations for
  Curriculum Discovery, 2024, algorithm 1.
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from meadow.core.curriculum import AbstractExaminer, Due, Ticket
from meadow.core.errors import SpecError
from meadow.core.report import Report
from meadow.core.task import AbstractTaskSpace
from meadow.curricula.buffer import Buffer, State
from meadow.curricula.keep import described, example, fresh, judged, recalled


class SFL(AbstractExaminer[State]):
    """The curriculum; its state is that of a buffer.

    Attributes:
        space: where tasks come from.
        capacity: how many are kept.
        candidates: how many are examined at a time.
        period: iterations from one examination to the next.
        share: how much of practice is of kept tasks.
        score: a score of `meadow.scores`; where success is not yes or no, take
            `generalised_learnability`.
    """

    space: AbstractTaskSpace
    capacity: int = eqx.field(static=True, default=128)
    candidates: int = eqx.field(static=True, default=1024)
    period: int = eqx.field(static=True, default=50)
    share: float = eqx.field(static=True, default=0.5)
    score: str = eqx.field(static=True, default="learnability")

    def __check_init__(self) -> None:
        if not 1 <= self.capacity <= self.candidates or self.period < 1:
            raise SpecError(
                "`SFL` keeps the best of its candidates, every period: it needs 1 <= capacity <= "
                f"candidates and period >= 1, got {self.capacity}, {self.candidates} and "
                f"{self.period}."
            )
        if not 0 <= self.share <= 1:
            raise SpecError(f"`SFL` needs share in [0, 1], got {self.share}.")

    @property
    def _buffer(self) -> Buffer:
        return Buffer(
            self.capacity, prioritisation="uniform", staleness=0.0, replace=True, eviction="score"
        )

    def init(self, *, key: Key[Array, ""]) -> State:
        """Nothing is kept yet."""
        return self._buffer.init(example(self.space))

    def due(self, iteration: Int[Array, ""]) -> Due:
        """Practice always; in every `period`-th iteration, the first included, examination."""
        return Due(jnp.ones((), bool), iteration % self.period == 0)

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """A share of kept tasks, which come first, and new ones."""
        key_slots, key_new = jr.split(key)
        slots = self._buffer.sample(state, num, key=key_slots)
        ours = jnp.arange(num) < round(self.share * num)
        return recalled(self.space, state, jnp.where(ours, slots, -1), key=key_new)

    def examine(self, state: State, *, key: Key[Array, ""]) -> Ticket:
        """New tasks, many."""
        return fresh(self.space, self.candidates, key=key)

    def update(self, state: State, ticket: Ticket, report: Report) -> State:
        """Of what was examined the best is kept instead of all before; practice says nothing."""
        if not ticket.notes.examined:
            return state
        blank = State(self._buffer.init(example(self.space)).entries, state.clock)
        lived = judged(self.space, self._buffer, self.score, blank, (ticket, report))
        return self._buffer.insert(blank, lived, ticket.slots)

    def metrics(self, state: State) -> dict[str, Float[Array, ""]]:
        """What is kept; see `keep.described`."""
        return described(self.space, state.entries, self._buffer.chances(state))
