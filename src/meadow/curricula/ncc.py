"""NCC: a distribution over kept tasks climbs towards what there is most to learn in.

The curriculum is one side of a game, a vector y of chances over the kept tasks, in which the
agent's scores s are the slope:

    y <- Proj( y + rate / v^power * g ),   g = s - entropy * (log y + 1),   v <- v + |g|^2

which is gradient ascent on y.s + entropy * H(y) with the step size of TiAda, held to the simplex by
`projected`. The entropy keeps y from falling on one task, so that the game has a solution that
gradient steps find.

**examines** in every iteration all kept tasks, and new ones which are kept if they score higher
  than the worst; a newcomer has the chance of the task it replaces. Forward only, but of many
  tasks.
**practises** tasks drawn from y, with replacement.
**differs from the paper in** the order within an iteration: the agent learns before tasks are
  examined, so y moves by the scores of the agent that has learnt.
**reference** Monette et al., An Optimisation Framework for Unsupervised Environment Design, 2025,
  algorithm 1; Li et al., TiAda: A Time-scale Adaptive Algorithm for Nonconvex Minimax Optimization,
  2023, algorithm 1, of which this is the ascent; Duchi et al., Efficient Projections onto the
  l1-Ball, 2008, figure 1.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.curriculum import AbstractExaminer, Due, Ticket
from meadow.core.errors import SpecError
from meadow.core.report import Report
from meadow.core.task import AbstractTaskSpace
from meadow.curricula import buffer
from meadow.curricula.keep import Origin, described, example, fresh, judged, recalled

Chances = Float[Array, "capacity"]


class State(NamedTuple):
    """Attributes:
    kept: the buffer's state.
    chances: y.
    moment: v.
    """

    kept: buffer.State
    chances: Chances
    moment: Float[Array, ""]


class NCC(AbstractExaminer[State]):
    """The curriculum.

    Attributes:
        space: where tasks come from.
        capacity: how many are kept, all of them examined in every iteration.
        candidates: new tasks examined with them.
        score: a score of `meadow.scores`.
        rate: of the ascent.
        power: of v in the step size; TiAda asks for less than 1/2.
        entropy: weight of the entropy of y.
        floor: the least chance of a kept task.
    """

    space: AbstractTaskSpace
    capacity: int = eqx.field(static=True, default=256)
    candidates: int = eqx.field(static=True, default=64)
    score: str = eqx.field(static=True, default="learnability")
    rate: float = eqx.field(static=True, default=0.1)
    power: float = eqx.field(static=True, default=0.4)
    entropy: float = eqx.field(static=True, default=0.05)
    floor: float = eqx.field(static=True, default=1e-5)

    def __check_init__(self) -> None:
        if self.capacity < 1 or self.candidates < 1 or self.rate <= 0:
            raise SpecError(
                "`NCC` needs capacity, candidates >= 1 and rate > 0, got "
                f"{self.capacity}, {self.candidates} and {self.rate}."
            )
        if not 0 < self.floor * self.capacity < 1:
            raise SpecError(
                "`NCC` leaves every kept task its floor, so 0 < floor * capacity < 1, got "
                f"{self.floor} * {self.capacity}."
            )

    @property
    def _buffer(self) -> buffer.Buffer:
        return buffer.Buffer(self.capacity, prioritisation="uniform", eviction="score")

    def init(self, *, key: Key[Array, ""]) -> State:
        """Nothing is kept, and every slot has the same chance."""
        alike = jnp.full(self.capacity, 1 / self.capacity)
        return State(self._buffer.init(example(self.space)), alike, jnp.zeros(()))

    def due(self, iteration: Int[Array, ""]) -> Due:
        """Both, always."""
        return Due(jnp.ones((), bool), jnp.ones((), bool))

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """Tasks drawn from y; new ones while nothing is kept."""
        key_slots, key_new = jr.split(key)
        chances = state.chances * state.kept.entries.valid
        slots = buffer.again(chances, num, key=key_slots)
        return recalled(self.space, state.kept, slots, key=key_new)

    def examine(self, state: State, *, key: Key[Array, ""]) -> Ticket:
        """All kept tasks, new ones in place of those that are missing, and more new ones."""
        key_kept, key_new = jr.split(key)
        slots = jnp.where(state.kept.entries.valid, jnp.arange(self.capacity), -1)
        kept = recalled(self.space, state.kept, slots, key=key_kept)
        notes = Origin(kept.notes.parent, kept.notes.generation, examined=True)
        new = fresh(self.space, self.candidates, key=key_new)
        return jax.tree.map(
            lambda *parts: jnp.concatenate(parts), Ticket(kept.tasks, kept.slots, notes), new
        )

    def update(self, state: State, ticket: Ticket, report: Report) -> State:
        """One step of y after an examination; practice says nothing that this does not."""
        if not ticket.notes.examined:
            return state
        lived = judged(self.space, self._buffer, self.score, state.kept, (ticket, report))
        kept = self._buffer.insert(state.kept, lived, ticket.slots)
        valid, y = kept.entries.valid, state.chances
        slope = kept.entries.score - self.entropy * (jnp.log(jnp.maximum(y, self.floor)) + 1)
        slope = jnp.where(valid, slope, 0)
        moment = state.moment + jnp.sum(slope**2)
        step = self.rate / jnp.maximum(moment, 1e-12) ** self.power
        climbed = projected(y + step * slope, valid, self.floor)
        return State(kept, jnp.where(jnp.any(valid), climbed, y), moment)

    def metrics(self, state: State) -> dict[str, Float[Array, ""]]:
        """What is kept (`keep.described`), y's `entropy`, and `mass`, its largest chance."""
        y = state.chances * state.kept.entries.valid
        told = described(self.space, state.kept.entries, y)
        return told | {"entropy": -jnp.sum(jax.scipy.special.xlogy(y, y)), "mass": jnp.max(y)}


def projected(point: Chances, valid: Bool[Array, "capacity"], floor: float) -> Chances:
    """The nearest vector of chances: at least `floor` where `valid`, 0 elsewhere, 1 in all.

    >>> chances = projected(jnp.array([0.5, 1.5, 9.0]), jnp.array([True, True, False]), 0.1)
    >>> [round(chance, 3) for chance in chances.tolist()]
    [0.1, 0.9, 0.0]
    """
    count = jnp.sum(valid)
    mass, place = 1 - floor * count, jnp.arange(1, len(point) + 1)
    # Where only differences matter, numbers near 0 lose least when they are summed.
    point = point - jnp.max(jnp.where(valid, point, -jnp.inf))
    falling = jnp.sort(jnp.where(valid, point, -jnp.inf), descending=True)
    level = (jnp.cumsum(jnp.where(place <= count, falling, 0)) - mass) / place
    above = jnp.sum((falling > level) & (place <= count))
    return jnp.where(valid, floor + jnp.maximum(point - level[above - 1], 0), 0)
