"""Replay: a ring of what was lived, handed out again in windows.

Rows of all lives lie side by side, as they were lived. A window is `length` rows of one life; it
begins at every `period`-th row, and may span chunks and the ends of episodes. So a transition, n
steps, a sequence with a burn-in and whole chunks are one thing, and nothing is kept twice for them.

What followed a row is the next row's observation, except where an episode ended. With `ends` only
the last observations of so many episodes are kept beside the rows, and every observation once.

References: Cassirer et al., Reverb, 2021, for items as ranges of shared steps.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core import places
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.store import AbstractStore, Draw
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.replay.ring import Ring, check, empty, form_of, read, write
from meadow.replay.selector import AbstractSelector, Span
from meadow.replay.uniform import Uniform


class Rows(NamedTuple):
    """What is kept of rows.

    Attributes:
        timestep, action, next, trial_ended, record: as of a trajectory; `next` without its
            observation where every observation is kept once.
        end: then the number of the episode end that followed a row, -1 for none; else None.
    """

    timestep: TimeStep
    action: PyTree
    next: TimeStep
    trial_ended: Bool[Array, "*rows"]
    record: PyTree
    end: PyTree


class Ends(NamedTuple):
    """Attributes:
    seen: last observations, `[ends, ...]`; number n lies in place n % ends.
    total: episode ends there have been.
    """

    seen: PyTree
    total: Int[Array, ""]

    @property
    def num(self) -> int:
        """Ends that are kept."""
        return jax.tree.leaves(self.seen)[0].shape[0]

    def numbers(self, new: Bool[Array, "*rows"]) -> Int[Array, "*rows"]:
        """Of rows with which episodes end, in their order; -1 of others."""
        return jnp.where(new, self.total + jnp.cumsum(new).reshape(new.shape) - 1, -1)

    def added(self, new: Bool[Array, "*rows"], seen: PyTree) -> "Ends":
        """With those of rows with which episodes end, and what was seen then."""
        place = jnp.where(new, self.numbers(new) % self.num, self.num)
        kept = jax.tree.map(lambda x, y: places.write(x, place, y), self.seen, seen)
        return Ends(kept, self.total + new.sum())

    def known(self, number: Int[Array, "*rows"]) -> Bool[Array, "*rows"]:
        """Whether it is still known how these rows ended; of those that did not it is."""
        return (number < 0) | (self.total - number <= self.num)


class State(eqx.Module):
    """Attributes:
    rows: the ring, of `Rows`.
    memory: the agent's before every chunk, a ring of these.
    ends: how episodes ended, where every observation is kept once.
    added: rows there have been.
    selector: its state.
    """

    rows: Ring
    memory: Ring
    ends: Ends | None
    added: Int[Array, ""]
    selector: Any


class Replay(AbstractStore[State]):
    """The newest `capacity` steps, by windows.

    Attributes:
        capacity: steps of all lives together; rounded up to whole chunks and windows.
        length: rows of a window.
        period: a window begins at every so many rows.
        selector: which windows are drawn.
        record: names of what the agent wrote down that are kept; what a learner does not ask for
            need not be.
        memory: whether windows come with the agent's memory before their first row. They must
            begin where chunks do.
        ends: of so many episodes, over all lives, the last observation is kept; None to keep what
            followed of every row, which is twice the memory. A window whose end is not kept any
            more has weight 0.

    Raises:
        SpecError: sizes below 1; while tracing, chunks that do not suit.
        UnknownNameError: the agent writes nothing of that name down (while tracing).
    """

    capacity: int = eqx.field(static=True)
    length: int = eqx.field(static=True, default=1)
    period: int = eqx.field(static=True, default=1)
    selector: AbstractSelector = Uniform()
    record: tuple[str, ...] = eqx.field(static=True, default=())
    memory: bool = eqx.field(static=True, default=False)
    ends: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        sizes = (self.capacity, self.length, self.period, 1 if self.ends is None else self.ends)
        if min(sizes) < 1:
            raise SpecError(
                f"`Replay` needs capacity, length, period and ends of at least 1, got {sizes}."
            )

    def share(self, of: int) -> "Replay":
        """What each of so many devices keeps of it."""
        ends = None if self.ends is None else -(-self.ends // of)
        return dataclasses.replace(self, capacity=-(-self.capacity // of), ends=ends)

    def init(self, trajectory: Trajectory) -> State:
        """No rows."""
        chunk, lives = trajectory.trial_ended.shape
        if self.memory and self.period % chunk:
            raise SpecError(
                f"Windows begin at every {self.period}th row, but memories are known before every "
                f"{chunk}th. Make `period` a multiple of the chunk's length, or memory=False."
            )
        if self.ends is not None and self.ends < chunk * lives:
            raise SpecError(
                f"In one chunk {chunk * lives} episodes may end, more than ends={self.ends}. "
                f"Write ends={chunk * lives} or more."
            )
        whole = math.lcm(chunk, self.period)
        least = self.length + 2 * max(chunk, self.period)
        rows = -(-max(-(-self.capacity // lives), least) // whole) * whole

        ends = None
        if self.ends is not None:
            seen = trajectory.next.observation
            seen = jax.tree.map(lambda x: jnp.zeros((self.ends, *x.shape[2:]), x.dtype), seen)
            ends = Ends(seen, jnp.int32(0))
        kept = jax.eval_shape(lambda x: (self._kept(x, ends), self._memory(x)), trajectory)
        form, form_memory = map(form_of, kept)
        return State(
            empty(form, rows, lives),
            empty(form_memory, rows // chunk, lives),
            ends,
            jnp.int32(0),
            self.selector.init(rows // self.period, lives),
        )

    def add(self, state: State, trajectory: Trajectory) -> State:
        """Write a chunk behind the newest.

        Raises:
            SpecError: the chunk is not of the form that `init` was shown (while tracing).
        """
        new, memory = self._kept(trajectory, state.ends), self._memory(trajectory)
        (rows, lives), (chunks, _) = state.rows.shape, state.memory.shape
        chunk = rows // chunks
        check(state.rows, new, (chunk, lives), "`Replay.add`")
        check(state.memory, memory, (1, lives), "the memory in `Replay.add`")
        ends, at = state.ends, state.added % rows
        if ends is not None:
            ends = ends.added(trajectory.next.last(), trajectory.next.observation)
        after = State(
            write(state.rows, new, at),
            write(state.memory, memory, at // chunk),
            ends,
            state.added + chunk,
            state.selector,
        )
        most = -(-chunk // self.period)
        spans = self._span(state), self._span(after)
        selector = self.selector.add(state.selector, *spans, most)
        return eqx.tree_at(lambda s: s.selector, after, selector)

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Draw:
        """`num` windows `[length, num]`; before there is one, rows of zeros."""
        chosen = self.selector.sample(state.selector, self._span(state), num, key=key)
        (rows, lives), (chunks, _) = state.rows.shape, state.memory.shape
        first = chosen.number * self.period % rows
        time = first + jnp.arange(self.length + (state.ends is not None))[:, None]
        # Found once, and not anew by every leaf of the rows for every number that it reads.
        where, before = jax.lax.optimization_barrier(
            (time % rows * lives + chosen.life, first // (rows // chunks) * lives + chosen.life)
        )
        kept, weight = read(state.rows, where), chosen.weight
        if state.ends is not None:
            kept, known = _completed(kept, state.ends)
            weight = jnp.where(known.all(axis=0), weight, 0.0)
        ending, memory = jax.tree.map(lambda x: x[-1], kept.next), read(state.memory, before)
        trajectory = Trajectory(
            *(kept.timestep, kept.action, kept.next, kept.trial_ended, kept.record),
            *(memory, ending, None, weight),
        )
        return Draw(trajectory, chosen)

    def update(self, state: State, draw: Draw, surprise: Float[Array, "num"] | None) -> State:
        """Tell the selector."""
        span = self._span(state)
        selector = self.selector.update(state.selector, span, draw.places, surprise)
        return eqx.tree_at(lambda s: s.selector, state, selector)

    def _kept(self, trajectory: Trajectory, ends: Ends | None) -> Rows:
        """What is kept of a chunk's rows."""
        after, end = trajectory.next, None
        if ends is not None:
            after, end = after.showing(None), ends.numbers(after.last())
        known = trajectory.record if isinstance(trajectory.record, dict) else {}
        for name in self.record:
            if name not in known:
                raise UnknownNameError("part of what the agent wrote down", name, known)
        record = {name: known[name] for name in self.record}
        rows = trajectory.timestep, trajectory.action, after, trajectory.trial_ended, record
        return Rows(*rows, end)

    def _memory(self, trajectory: Trajectory) -> PyTree:
        """The agent's before the chunk, as a row."""
        return jax.tree.map(lambda x: x[None], trajectory.memory) if self.memory else None

    def _span(self, state: State) -> Span:
        """Windows of which every row is there; where observations are kept once, the row after,
        too."""
        rows, lives = state.rows.shape
        usable = state.added - (self.ends is not None)
        oldest = -(-jnp.maximum(state.added - rows, 0) // self.period)
        end = jnp.maximum((usable - self.length) // self.period + 1, 0)
        return Span(oldest, jnp.maximum(end, oldest), rows // self.period, lives)


def _completed(rows: Rows, ends: Ends) -> tuple[Rows, Bool[Array, "length num"]]:
    """Windows, with what followed every row but the last, and whether that is still known."""
    seen, rows = rows.timestep.observation, jax.tree.map(lambda x: x[:-1], rows)
    ended, place = rows.end >= 0, jax.lax.optimization_barrier(rows.end % ends.num)

    def follows(seen: Array, last: Array) -> Array:
        mask = ended.reshape(*ended.shape, *(1,) * (last.ndim - 1))
        return jnp.where(mask, places.read(last, place), seen[1:])

    after = rows.next.showing(jax.tree.map(follows, seen, ends.seen))
    return rows._replace(next=after), ends.known(rows.end)
