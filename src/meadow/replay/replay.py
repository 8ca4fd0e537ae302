"""Replay: a ring of what was lived, handed out again in windows.

Rows of all lives lie side by side, as they were lived. A window is `length` rows of one life; it
begins at every `period`-th row, and may span chunks and the ends of episodes. So a transition, n
steps, a sequence with a burn-in and whole chunks are one thing, and nothing is kept twice for them.

What followed a row is the next row's observation, except where an episode ended. With `ends` only
the last observations of so many episodes are kept beside the rows, and every observation once.

References: Cassirer et al., Reverb, 2021, for items as ranges of shared steps.
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.store import AbstractStore, Draw
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.replay.selector import AbstractSelector, Span
from meadow.replay.uniform import Uniform


class Rows(NamedTuple):
    """Of a chunk, or of the ring: `[rows, lives, ...]`; `next` without its observation where every
    observation is kept once."""

    timestep: TimeStep
    action: PyTree
    next: TimeStep
    trial_ended: Bool[Array, "rows lives"]
    record: PyTree


class Ends(NamedTuple):
    """Attributes:
    seen: last observations, `[ends, ...]`.
    number: of each row the number of the episode end that followed it; -1 for none.
    total: episode ends there have been.
    """

    seen: PyTree
    number: Int[Array, "rows lives"]
    total: Int[Array, ""]


class State(eqx.Module):
    """Attributes:
    rows: the ring.
    memory: the agent's before every chunk, `[rows / chunk, lives, ...]`.
    ends: how episodes ended, where every observation is kept once.
    added: rows there have been.
    selector: its state.
    """

    rows: Rows
    memory: PyTree
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

        def ring(x: Array, size: int = rows, axis: int = 1) -> Array:
            return jnp.zeros((size, *x.shape[axis:]), x.dtype)

        ends = None
        if self.ends is not None:
            num = self.ends
            seen = jax.tree.map(lambda x: ring(x, num, 2), trajectory.next.observation)
            ends = Ends(seen, jnp.full((rows, lives), -1, jnp.int32), jnp.int32(0))
        return State(
            jax.tree.map(ring, self._kept(trajectory)),
            jax.tree.map(lambda x: ring(x, rows // chunk, 0), self._memory(trajectory)),
            ends,
            jnp.int32(0),
            self.selector.init(rows // self.period, lives),
        )

    def add(self, state: State, trajectory: Trajectory) -> State:
        """Write a chunk behind the newest.

        Raises:
            SpecError: the chunk is not of the form that `init` was shown (while tracing).
        """
        new = self._kept(trajectory)
        _check(state.rows, new)
        chunk, rows = trajectory.trial_ended.shape[0], state.rows.trial_ended.shape[0]
        at = state.added % rows

        def write(ring: Array, new: Array) -> Array:
            return jax.lax.dynamic_update_slice_in_dim(ring, new, at, axis=0)

        def remember(ring: Array, new: Array) -> Array:
            return jax.lax.dynamic_update_index_in_dim(ring, new, at // chunk, axis=0)

        ends = state.ends
        if ends is not None:
            last = trajectory.next.last()
            number = jnp.where(last, ends.total + jnp.cumsum(last).reshape(last.shape) - 1, -1)
            num = jax.tree.leaves(ends.seen)[0].shape[0]
            place = jnp.where(last, number % num, num)
            seen = jax.tree.map(
                lambda x, y: x.at[place].set(y, mode="drop"), ends.seen, trajectory.next.observation
            )
            ends = Ends(seen, write(ends.number, number), ends.total + last.sum())
        after = State(
            jax.tree.map(write, state.rows, new),
            jax.tree.map(remember, state.memory, self._memory(trajectory)),
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
        rows, life = state.rows.trial_ended.shape[0], chosen.life
        first = chosen.number * self.period

        def window(ring: Array, more: int = 0) -> Array:
            which = first + jnp.arange(self.length + more)[:, None]
            return ring[which % rows, life]

        timestep, action, after, trial_ended, record = jax.tree.map(window, state.rows)
        weight = chosen.weight
        if state.ends is not None:
            seen = jax.tree.map(lambda x: window(x, 1), state.rows.timestep.observation)
            timestep = _seeing(timestep, jax.tree.map(lambda x: x[:-1], seen))
            observation, known = _after(state.ends, window(state.ends.number), seen)
            after = _seeing(after, observation)
            weight = jnp.where(known.all(axis=0), weight, 0.0)
        memory = jax.tree.map(
            lambda ring: ring[first % rows // (rows // ring.shape[0]), life], state.memory
        )
        ending = jax.tree.map(lambda x: x[-1], after)
        trajectory = Trajectory(
            *(timestep, action, after, trial_ended, record, memory, ending, None), weight
        )
        return Draw(trajectory, chosen)

    def update(self, state: State, draw: Draw, surprise: Float[Array, "num"] | None) -> State:
        """Tell the selector."""
        span = self._span(state)
        selector = self.selector.update(state.selector, span, draw.places, surprise)
        return eqx.tree_at(lambda s: s.selector, state, selector)

    def _kept(self, trajectory: Trajectory) -> Rows:
        """What is kept of a chunk's rows."""
        after = trajectory.next
        if self.ends is not None:
            after = _seeing(after, None)
        known = trajectory.record if isinstance(trajectory.record, dict) else {}
        for name in self.record:
            if name not in known:
                raise UnknownNameError("part of what the agent wrote down", name, known)
        record = {name: known[name] for name in self.record}
        return Rows(trajectory.timestep, trajectory.action, after, trajectory.trial_ended, record)

    def _memory(self, trajectory: Trajectory) -> PyTree:
        return trajectory.memory if self.memory else None

    def _span(self, state: State) -> Span:
        """Windows of which every row is there; where observations are kept once, the row after,
        too."""
        rows, lives = state.rows.trial_ended.shape
        usable = state.added - (self.ends is not None)
        oldest = -(-jnp.maximum(state.added - rows, 0) // self.period)
        end = jnp.maximum((usable - self.length) // self.period + 1, 0)
        return Span(oldest, jnp.maximum(end, oldest), rows // self.period, lives)


def _after(ends: Ends, number: Int[Array, "length num"], seen: PyTree) -> tuple[PyTree, Array]:
    """What followed every row of some windows, and whether it is still known.

    Args:
        number: of the end that followed it; -1 for none.
        seen: observations of the rows, and of one row more.
    """
    num = jax.tree.leaves(ends.seen)[0].shape[0]
    ended, known = number >= 0, ends.total - number <= num

    def one(seen: Array, last: Array) -> Array:
        mask = ended.reshape(*ended.shape, *(1,) * (last.ndim - 1))
        return jnp.where(mask, last[number % num], seen[1:])

    return jax.tree.map(one, seen, ends.seen), known | ~ended


def _seeing(timestep: TimeStep, observation: PyTree) -> TimeStep:
    """The time step with another observation."""
    return eqx.tree_at(lambda t: t.observation, timestep, observation, is_leaf=lambda x: x is None)


def _check(ring: Rows, chunk: Rows) -> None:
    if jax.tree.structure(chunk) != jax.tree.structure(ring):
        raise SpecError(
            f"`Replay` keeps rows of {jax.tree.structure(ring)}, got {jax.tree.structure(chunk)}. "
            "Add chunks of the form that `init` was shown."
        )
    time, (rows, lives) = chunk.trial_ended.shape[0], ring.trial_ended.shape
    for held, new in zip(jax.tree.leaves(ring), jax.tree.leaves(chunk), strict=True):
        wanted = (time, lives, *held.shape[2:])
        if new.shape != wanted or new.dtype != held.dtype or rows % time:
            raise SpecError(
                f"Expected a chunk {held.dtype}{list(wanted)} for `Replay.add`, got "
                f"{new.dtype}{list(new.shape)}. Chunks are as long, and of as many lives, as the "
                "one `init` was shown."
            )
