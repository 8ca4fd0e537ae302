"""PLR: practise again what there is still something to learn in (prioritised level replay).

**keeps** the best of all tasks that were lived, by a score of how much there is to learn.
**practises** what it keeps, with chances by score and by how long ago (`buffer`).
**robust** new tasks are only examined, so that nothing is learnt from tasks nobody chose; otherwise
  they are practised like any others.
**parallel** every iteration practises kept tasks and examines new ones; otherwise one coin for each
  iteration says which.
**differs from the papers in** drawing no task twice for one batch, a temperature of 1 instead of
  0.3 (`Buffer` has all of it), and, where new tasks are only examined, in when replay begins: after
  as many iterations as fill the share `warm` of the buffer if every task is worth keeping. So the
  schedule is known beforehand. Should there be fewer to practise than asked for, new tasks take
  their places.
**reference** Jiang et al., Prioritized Level Replay, 2021, algorithm 1; Jiang et al.,
  Replay-Guided Adversarial Environment Design, 2021, algorithm 1 (robust); Jiang et al., minimax,
  2023 (parallel).
"""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.curriculum import AbstractExaminer, Due, Ticket
from meadow.core.errors import SpecError
from meadow.core.report import Report
from meadow.core.task import AbstractTaskSpace
from meadow.curricula.buffer import Buffer, State
from meadow.curricula.entries import Entries
from meadow.curricula.keep import described, example, fresh, judged, recalled

_COINS = 0x504C52  # the same in every run, so that all seeds do the same at the same time


class PLR(AbstractExaminer[State]):
    """The curriculum; its state is that of its buffer.

    Attributes:
        space: where new tasks come from.
        buffer: how many are kept, and how they are drawn.
        score: a score of `meadow.scores`.
        replay: probability that an iteration replays.
        candidates: new tasks that are examined at a time.
        warm: share of the buffer to be filled before anything is replayed.
        robust: whether new tasks are only examined.
        parallel: whether every iteration both practises and examines.
    """

    space: AbstractTaskSpace
    buffer: Buffer = Buffer()
    score: str = eqx.field(static=True, default="max_mc")
    replay: float = eqx.field(static=True, default=0.5)
    candidates: int = eqx.field(static=True, default=32)
    warm: float = eqx.field(static=True, default=0.5)
    robust: bool = eqx.field(static=True, default=True)
    parallel: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.parallel and not self.robust:
            raise SpecError(
                "`PLR` in parallel practises what it keeps and examines what is new, so it is "
                "robust; write robust=True."
            )
        if not (0 <= self.replay <= 1 and 0 <= self.warm <= 1 and self.candidates >= 1):
            raise SpecError(
                "`PLR` needs replay and warm in [0, 1] and candidates >= 1, got "
                f"{self.replay}, {self.warm} and {self.candidates}."
            )

    @property
    def filling(self) -> int:
        """Iterations at the start that only examine."""
        return math.ceil(self.warm * self.buffer.capacity / self.candidates)

    def init(self, *, key: Key[Array, ""]) -> State:
        """Nothing is kept yet."""
        return self.buffer.init(example(self.space))

    def due(self, iteration: Int[Array, ""]) -> Due:
        """New tasks while the buffer fills; then a coin decides, or both are due."""
        true = jnp.ones((), bool)
        if not self.robust:
            return Due(true, ~true)
        full = iteration >= self.filling
        if self.parallel:
            return Due(full, true)
        replays = full & self.coin(iteration)
        return Due(replays, ~replays)

    def coin(self, iteration: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether this iteration replays, once enough is kept."""
        return jr.bernoulli(jr.fold_in(jr.key(_COINS), iteration), self.replay)

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """Kept tasks; where they are not robust, by the toss of a coin all new ones instead."""
        key_coin, key_slots, key_new = jr.split(key, 3)
        slots = self.buffer.sample(state, num, key=key_slots)
        if not self.robust:
            enough = jnp.mean(state.entries.valid) >= self.warm
            slots = jnp.where(enough & jr.bernoulli(key_coin, self.replay), slots, -1)
        return recalled(self.space, state, slots, key=key_new)

    def examine(self, state: State, *, key: Key[Array, ""]) -> Ticket:
        """New tasks."""
        return fresh(self.space, self.candidates, key=key)

    def update(self, state: State, ticket: Ticket, report: Report) -> State:
        """Bring kept tasks up to date, and keep what is worth it of the others."""
        return self.buffer.insert(state, self.judged(state, ticket, report), ticket.slots)

    def judged(self, state: State, ticket: Ticket, report: Report) -> Entries:
        """The ticket's tasks with their scores."""
        return judged(self.space, self.buffer, self.score, state, (ticket, report))

    def metrics(self, state: State) -> dict[str, Float[Array, ""]]:
        """What is kept (`keep.described`), and how `distinct` a batch of it would be."""
        told = described(self.space, state.entries, self.buffer.chances(state))
        return told | {"distinct": self.buffer.distinct(state, self.candidates)}
