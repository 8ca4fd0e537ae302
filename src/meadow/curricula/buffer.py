"""Buffer: a fixed number of tasks worth keeping, the rule by which they are drawn and replaced.

A task has the chance

    P = (1 - c) P_score + c P_stale

where P_score comes from its score (`prioritise`), P_stale from how long ago it was lived, and c is
`staleness`. The clock counts batches that came in.

**in** `insert` takes a batch of lived tasks. One that is here already is brought up to date; of all
others and those that are here the best `capacity` stay, by P or by score. A tie is decided for what
is here, and what has no score never comes in.
**out** `sample` draws slots by P, by default no slot twice: batches drawn with replacement from
ranks are mostly copies of one task.

All of it is one pass over arrays, no loop over tasks. References: Jiang et al., Prioritized Level
Replay, 2021, section 3; Vieira, Gumbel-max trick and weighted reservoir sampling, 2014.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree, UInt32

from meadow.core.errors import SpecError, UnknownNameError
from meadow.curricula.entries import Entries, fold
from meadow.curricula.prioritise import prioritisation

EVICTIONS = ("priority", "score")


class State(eqx.Module):
    """Attributes:
    entries: the rows, `capacity` of them.
    clock: how many batches came in.
    """

    entries: Entries
    clock: Int[Array, ""]


class Buffer(eqx.Module):
    """The rule; what is kept is in a `State`.

    Attributes:
        capacity: how many tasks are kept.
        prioritisation: `rank`, `proportional`, `softmax`, `top_k` or `uniform`.
        temperature: T of these; the lower, the fewer tasks are drawn. Rank weights over 4,000
            tasks draw as if from 48 alike with T = 1, from 1.3 with T = 0.3.
        top: how many the chance is spread over in `top_k`.
        staleness: c, the share of chance given by how long ago a task was lived.
        replace: whether a task may be drawn twice in one batch.
        unique: whether a task may be kept only once.
        eviction: what decides who stays, `priority` (P) or `score`.
        smoothing: share of a new score in what is kept; 1 forgets the old one.
    """

    capacity: int = eqx.field(static=True, default=4000)
    prioritisation: str = eqx.field(static=True, default="rank")
    temperature: float = eqx.field(static=True, default=1.0)
    top: int = eqx.field(static=True, default=32)
    staleness: float = eqx.field(static=True, default=0.3)
    replace: bool = eqx.field(static=True, default=False)
    unique: bool = eqx.field(static=True, default=True)
    eviction: str = eqx.field(static=True, default="priority")
    smoothing: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        prioritisation(self.prioritisation)
        if self.eviction not in EVICTIONS:
            raise UnknownNameError("eviction", self.eviction, EVICTIONS)
        if self.capacity < 1 or self.top < 1 or self.temperature <= 0:
            raise SpecError(
                "`Buffer` needs capacity >= 1, top >= 1 and temperature > 0, got "
                f"{self.capacity}, {self.top} and {self.temperature}."
            )
        if not (0 <= self.staleness <= 1 and 0 < self.smoothing <= 1):
            raise SpecError(
                "`Buffer` needs staleness in [0, 1] and smoothing in (0, 1], got "
                f"{self.staleness} and {self.smoothing}."
            )

    def init(self, example: PyTree) -> State:
        """Nothing kept yet.

        Args:
            example: one task, or the shapes and types of one.
        """
        return State(Entries.nothing(example, self.capacity), jnp.zeros((), jnp.int32))

    def chances(self, state: State) -> Float[Array, "capacity"]:
        """P of every slot; sums to 1, or to 0 while nothing is kept."""
        order, chance = self._ranked(_scores(state.entries), state.entries.visited, state.clock)
        return jnp.zeros(self.capacity).at[order].set(chance)

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Int[Array, "num"]:
        """Draw slots by P; -1 where there are too few to draw from."""
        key_ties, key_draw = jr.split(key)
        # Equal scores take neighbouring ranks in the order of their slots. Which of them comes
        # first is left to chance.
        shift = (jr.bits(key_ties) % self.capacity).astype(jnp.int32)
        scores, visited = (
            jnp.roll(x, -shift) for x in (_scores(state.entries), state.entries.visited)
        )
        order, chance = self._ranked(scores, visited, state.clock)
        if self.replace:
            drawn = again(chance, num, key=key_draw)
            there = drawn >= 0
        else:
            luck = jnp.log(chance) + jr.gumbel(key_draw, (self.capacity,))
            luck, drawn = jax.lax.top_k(luck, min(num, self.capacity))
            there = luck > -jnp.inf
        slots = jnp.where(there, (order[drawn] + shift) % self.capacity, -1)
        return jnp.full(num, -1, jnp.int32).at[: len(slots)].set(slots)

    def distinct(self, state: State, num: int) -> Float[Array, ""]:
        """The share of different tasks to be expected in a batch of `num`."""
        chances = self.chances(state)
        expected = 1 - (1 - chances) ** num if self.replace else chances > 0
        return jnp.minimum(jnp.sum(expected), num) / num

    def locate(
        self, state: State, fingerprint: UInt32[Array, "num 2"], slots: Int[Array, "num"]
    ) -> Int[Array, "num"]:
        """Where tasks are kept now, -1 where they are not.

        A slot may have been given to another task since it was drawn, so none is taken on trust.

        Args:
            slots: where they were; looked at only where a task may be kept twice.
        """
        kept = state.entries
        if not self.unique:
            same = jnp.all(kept.fingerprint[slots] == fingerprint, 1) & kept.valid[slots]
            return jnp.where(same & (slots >= 0), slots, -1)
        # Comparing all pairs is several times faster than sorting both.
        first, second = (kept.fingerprint[:, i] == fingerprint[:, i, None] for i in (0, 1))
        return jnp.max(jnp.where(first & second & kept.valid, jnp.arange(self.capacity), -1), 1)

    def insert(self, state: State, lived: Entries, slots: Int[Array, "num"]) -> State:
        """Take in a batch of lived tasks, known ones and new ones.

        Args:
            lived: the batch; its clocks are not looked at.
            slots: where the tasks were drawn from, -1 for nowhere.
        """
        slots = self.locate(state, lived.fingerprint, slots)
        lived = fold(lived, self._identity(lived, slots))
        state = State(self._revisit(state, lived, slots), state.clock + 1)
        return State(self._admit(state, lived, (slots < 0) & lived.valid), state.clock)

    def _identity(self, lived: Entries, slots: Int[Array, "num"]) -> UInt32[Array, "num words"]:
        if self.unique:
            return lived.fingerprint
        alone = self.capacity + jnp.arange(len(slots))
        return jnp.where(slots < 0, alone, slots).astype(jnp.uint32)[:, None]

    def _revisit(self, state: State, lived: Entries, slots: Int[Array, "num"]) -> Entries:
        """Bring known tasks up to date; where no episode was finished, only the clock."""
        kept, heard = state.entries, jnp.isfinite(lived.score)
        share = self.smoothing
        mixed = share * lived.score + (1 - share) * kept.score[slots]
        score = jnp.where(heard, mixed, kept.score[slots])
        # One past the end is nowhere: what is written there is dropped.
        at = jnp.where((slots >= 0) & lived.valid, slots, self.capacity)
        return eqx.tree_at(
            lambda e: (e.score, e.best, e.episodes, e.successes, e.visits, e.visited),
            kept,
            (
                kept.score.at[at].set(score, mode="drop"),
                # The best *ever*: what is seen on one visit never lowers it.
                kept.best.at[at].max(lived.best, mode="drop"),
                kept.episodes.at[at].add(lived.episodes, mode="drop"),
                kept.successes.at[at].add(lived.successes, mode="drop"),
                kept.visits.at[at].add(lived.visits, mode="drop"),
                kept.visited.at[at].set(state.clock + 1, mode="drop"),
            ),
        )

    def _admit(self, state: State, lived: Entries, new: Array) -> Entries:
        """Of those that are kept and those that are new, keep the best `capacity`."""
        kept, num = state.entries, len(new)
        new = new & jnp.isfinite(lived.score)
        lost = self._lost(state, jnp.where(new, lived.score, -jnp.inf))
        # Exactly as many slots are given up as there are newcomers to stay: the n-th gets the n-th.
        free = jnp.sort(jnp.where(lost < self.capacity, lost, self.capacity))
        stays = jnp.ones(num, bool).at[jnp.where(lost < self.capacity, num, lost - self.capacity)]
        stays = stays.set(False, mode="drop")
        at = jnp.where(stays, free[jnp.cumsum(stays) - 1], self.capacity)
        now = jnp.broadcast_to(state.clock, (num,))
        lived = eqx.tree_at(lambda e: (e.visited, e.inserted), lived, (now, now))
        return jax.tree.map(lambda old, row: old.at[at].set(row, mode="drop"), kept, lived)

    def _lost(self, state: State, scores: Float[Array, "num"]) -> Int[Array, "num"]:
        """Who does not stay: `num` of the slots and, behind them, the newcomers."""
        num, kept = len(scores), state.entries
        union = jnp.concatenate([_scores(kept), scores])
        if self.eviction == "score":
            worth, order = union, jnp.arange(len(union))
        else:
            clocks = jnp.concatenate([kept.visited, jnp.broadcast_to(state.clock, (num,))])
            order, worth = self._ranked(union, clocks, state.clock)
        # Newcomers without a score leave first, then empty slots, then whoever is worth least.
        absent = jnp.where(order < self.capacity, -1e38, -jnp.inf)
        worth = jnp.where(jnp.isfinite(union[order]), worth, absent)
        # Of equals the first is taken: turned round, the last, which is the newer or the worse.
        return order[::-1][jax.lax.top_k(-worth[::-1], num)[1]]

    def _ranked(
        self, scores: Float[Array, "num"], visited: Int[Array, "num"], clock: Int[Array, ""]
    ) -> tuple[Int[Array, "num"], Float[Array, "num"]]:
        """Indices in falling order of score, and P of each in this order.

        Nothing is brought back to the order of the slots: scattering costs more than sorting.
        """
        # Of all but one, `top_k` is six times faster than a sort; of all it becomes a sort.
        scores, order = jax.lax.top_k(jnp.append(scores, -jnp.inf), len(scores))
        weigh, present = prioritisation(self.prioritisation), jnp.isfinite(scores)
        by_score = weigh(scores, self.temperature, self.top)
        age = jnp.where(present, clock - visited[order], 0).astype(jnp.float32)
        # All of one age: staleness says nothing.
        age = jnp.where(jnp.any(age > 0), age, present)
        chance = (1 - self.staleness) * _shares(by_score) + self.staleness * _shares(age)
        return order, chance


def again(chances: Float[Array, "capacity"], num: int, *, key: Key[Array, ""]) -> Int[Array, "num"]:
    """Draw indices with replacement; -1 where all chances are 0."""
    ends = jnp.cumsum(chances)
    at = jnp.searchsorted(ends, jr.uniform(key, (num,)) * ends[-1], side="right")
    return jnp.where(ends[-1] > 0, jnp.minimum(at, len(chances) - 1), -1)


def _scores(entries: Entries) -> Float[Array, "num"]:
    return jnp.where(entries.valid, entries.score, -jnp.inf)


def _shares(weights: Float[Array, "num"]) -> Float[Array, "num"]:
    total = jnp.sum(weights)
    return weights / jnp.where(total > 0, total, 1)
