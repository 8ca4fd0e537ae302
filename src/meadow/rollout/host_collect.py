"""Collecting from a host: one compiled call for each act, and a chunk of rows made outside.

What `Living.collect` does in a compiled environment: the same rows, and the same luck where the
environment takes ours. Rows are NumPy's until the chunk is whole; what the agent did and wrote down
stays on the device.

A row whose outcome is not known never comes to be: the life begins again and acts anew in that row,
and the row before it is made the last of its episode, as a time limit would.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, PyTree, UInt32

from meadow.core.agent import AbstractAgent
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.rollout.host import AbstractHost, Luck, Outcome, keys_of
from meadow.rollout.life import ACT, Life, Trial, apart, where

# Where in `Said.numbers` they lie.
STEP_TYPE, REWARD, DISCOUNT, EPISODE = range(4)
FIRST, MID, LAST, CUT = map(int, StepType)  # an enumeration is looked up at twenty times the cost
Who = Bool[np.ndarray, "lives"]


class Said(NamedTuple):
    """Time steps as few arrays: each that goes to the device costs as much as a small network.

    Attributes:
        numbers: all but the observation, float32 `[..., 4, lives]`; counts are exact up to 2^24.
        observation: its leaves.
    """

    numbers: Any
    observation: list[Any]


class Acted(NamedTuple):
    """What was done and written down so far, on the device: `[length, lives, ...]`.

    Attributes:
        row: the next.
    """

    row: Int[Array, ""]
    action: PyTree
    record: PyTree


class Rows(NamedTuple):
    """What agents saw and what came of it, being written: `[length, ...]`."""

    seen: Said
    next: Said
    trial_ended: Any


class Lived(NamedTuple):
    """A chunk, not yet a trajectory.

    Attributes:
        rows: of what agents saw, and of what came of it.
        after: where lives stand now; `steps` and `over` with it.
        acted: what they did.
        memory: the agent's, before and after.
    """

    rows: Rows
    after: Said
    steps: Any
    over: Any
    acted: Acted
    memory: tuple[PyTree, PyTree]


class Collector:
    """Lives of a host, and where they stand.

    Args:
        host: whose.
        agent: from whatever `collect` is given; called while tracing.
        trial: how long a task is lived.
        length: rows of a chunk.

    Attributes:
        cut: whose last row of the chunk before was made the last of an episode since, and what
            they saw after it; a store is to be told. None where all went well.
    """

    cut: tuple[Who, list[np.ndarray]] | None

    def __init__(
        self,
        host: AbstractHost,
        agent: Callable[[Any], AbstractAgent],
        trial: Trial,
        length: int,
    ):
        self._host, self._agent, self._length = host, agent, length
        self._budget = trial.episodes, trial.steps
        self._structure: Any = None
        # What was acted is written in place; memories are kept, for they are told of.
        self._act = jax.jit(self._acts, donate_argnums=2)
        self._again = jax.jit(self._acts_again)

    def start(self, life: Life, seed: int) -> None:
        """Take up these lives, or begin others in their place.

        Where the host cannot stand where they stood their episodes are cut, as at a time limit.
        """
        goes_on, said = self._host.start(life, seed), life.timestep
        seen, self._structure = jax.tree.flatten(said.observation)
        numbers = (said.step_type, said.reward, said.discount, said.episode)
        self._now = np.array([np.asarray(x, np.float32) for x in numbers])
        self._steps, self._over = np.array(life.steps), np.array(life.over)
        self._memory, self._stood = life.memory, [np.array(x) for x in seen]
        self._seen: list[np.ndarray] = self._stood
        self.cut = None
        if not goes_on:
            self._end(~self._waits(), None, -1)

    def collect(self, state: Any, luck: Luck) -> Lived:
        """Live a chunk; `state` is what the agent is made of."""
        rows = Rows(self._blank(), self._blank(), np.zeros((self._length, self._host.num), bool))
        memory, acted = self._memory, cast(Any, None)  # nothing yet
        for t in range(self._length):
            luck = luck._replace(row=t)
            self._begin(self._waits(), luck, rows)
            self._write(rows.seen, t)
            self._memory, acted, action = self._act(
                state, self._memory, acted, luck.keys, _row(rows.seen, t)
            )
            outcome = self._host.step(np.asarray(action), luck)
            if outcome.lost.any():
                acted = self._redo(outcome, state, acted, luck, rows)
            else:
                rows.trial_ended[t] = self._step(outcome)
                self._write(rows.next, t)
        # Begin the next episode of trials that go on, so that what follows the last row is known.
        luck = luck._replace(row=self._length)
        self._begin(self._waits() & ~self._over, luck, rows)
        self._seen = self._stood = [np.array(x) for x in self._seen]
        after = Said(self._now.copy(), self._stood)
        ends = after, self._steps.copy(), self._over.copy()
        return Lived(rows, *ends, acted, (memory, self._memory))

    def trajectory(self, lived: Lived) -> Trajectory:
        """The chunk as the compiled rollout would have made it; while tracing."""
        rows, acted, (memory, final) = lived.rows, lived.acted, lived.memory
        seen, told, after = map(self._timestep, (rows.seen, rows.next, lived.after))
        done = (acted.action, told, rows.trial_ended, acted.record)
        return Trajectory(seen, *done, memory=memory, after=after, final_memory=final)

    def life(
        self, lived: Lived, playing: tuple[PyTree, PyTree], number: Int[Array, "lives"]
    ) -> Life:
        """The lives after a chunk; while tracing."""
        after = self._timestep(lived.after)
        return Life(*playing, after, lived.memory[1], lived.steps, lived.over, number)

    def observation(self, leaves: list[Any]) -> PyTree:
        """What agents are shown, of its leaves."""
        return jax.tree.unflatten(self._structure, leaves)

    def _waits(self) -> Who:
        """Whose episode has ended."""
        return self._now[STEP_TYPE] >= LAST

    def _begin(self, who: Who, luck: Luck, rows: Rows, done: Who | None = None) -> None:
        """Begin the next episode of some lives, and of whoever is lost meanwhile, but for those who
        have done this row."""
        done = np.zeros_like(who) if done is None else done
        while who.any():
            observation, lost = self._host.begin(who, self._over, luck)
            self._seen = jax.tree.leaves(observation)
            now, new = self._now, who & self._over
            now[EPISODE, who] += 1
            now[EPISODE, new], now[REWARD, new], self._steps[new] = 0, 0, 0
            now[STEP_TYPE, who], now[DISCOUNT, who] = FIRST, 1
            self._over = self._over & ~who
            self._end(lost & done, rows, luck.row)
            self._end(lost & ~done, rows, luck.row - 1)
            who = lost & ~done

    def _step(self, outcome: Outcome) -> Who:
        """Stand where a step has led, with budgets spent; whose trial is over."""
        (episodes, steps), episode, last = self._budget, self._now[EPISODE], outcome.last
        kind = MID + (LAST - MID) * last
        self._steps += 1
        over = np.zeros(last.shape, bool)
        if steps is not None:
            over = self._steps >= steps
            kind[over & ~last] = CUT
            last = last | over
        if episodes is not None:
            over = over | (last & (episode + 1 >= episodes))
        self._now = np.empty_like(self._now)
        self._now[STEP_TYPE] = kind
        self._now[REWARD], self._now[DISCOUNT] = outcome.reward, outcome.discount
        self._now[EPISODE], self._over = episode, over
        self._seen = jax.tree.leaves(outcome.observation)
        return over

    def _redo(self, outcome: Outcome, state: Any, acted: Acted, luck: Luck, rows: Rows) -> Acted:
        """A step in which some are lost: they do the row again until nobody is."""
        t, attempt = luck.row, 0
        doing, lost = np.ones(self._host.num, bool), outcome.lost.copy()
        while True:
            before, done = (self._now, self._steps.copy(), self._over), doing & ~lost
            over = self._step(outcome)
            self._now, self._steps, self._over = (
                np.where(done, new, old)
                for new, old in zip((self._now, self._steps, over), before, strict=True)
            )
            rows.trial_ended[t, done] = over[done]
            self._write(rows.next, t, done)
            # Who has done this row, and is lost since, ends with it.
            self._end(lost & ~doing, rows, t)
            doing = doing & lost
            if not doing.any():
                return acted
            attempt += 1
            self._end(doing, rows, t - 1)
            self._begin(doing, luck, rows, ~doing)
            self._write(rows.seen, t, doing)
            self._memory, acted, action = self._again(
                *(state, self._memory, acted, luck.keys, _row(rows.seen, t)), doing, attempt
            )
            outcome = self._host.step(np.asarray(action), luck, doing)
            lost = outcome.lost.copy()

    def _end(self, who: Who, rows: Rows | None, t: int) -> None:
        """The episodes and trials of some lives ended with row t, or with the chunk before."""
        if not who.any():
            return
        now = self._now
        if rows is None or t < 0:
            begun = (now[STEP_TYPE] == FIRST) & (now[EPISODE] == 0)
            cut = who & ~self._waits() & ~begun
            if self.cut is not None:
                cut |= self.cut[0]
            self.cut = (cut, self._stood) if cut.any() else None
        else:
            rows.next.numbers[t, STEP_TYPE, who], rows.trial_ended[t, who] = LAST, True
        now[STEP_TYPE, who], self._over[who] = LAST, True

    def _blank(self) -> Said:
        """Rows to be written; new ones every time, for the device may still read the old ones."""
        numbers = np.empty((self._length, *self._now.shape), np.float32)
        return Said(numbers, [np.empty((self._length, *x.shape), x.dtype) for x in self._stood])

    def _write(self, rows: Said, t: int, who: Who | None = None) -> None:
        """Write where lives stand as a row, or some lives' part of it."""
        if who is None:
            rows.numbers[t] = self._now
            for row, x in zip(rows.observation, self._seen, strict=True):
                row[t] = x
            return
        rows.numbers[t, :, who] = self._now.T[who]
        for row, x in zip(rows.observation, self._seen, strict=True):
            row[t, who] = x[who]

    def _timestep(self, said: Said) -> TimeStep:
        """On the device, while tracing."""
        step_type, reward, discount, episode = jnp.moveaxis(said.numbers, -2, 0)
        return TimeStep(
            step_type.astype(jnp.uint8),
            reward,
            discount,
            self.observation(said.observation),
            episode.astype(jnp.int32),
        )

    def _policy(
        self, state: Any, memory: PyTree, keys: Array, seen: Said
    ) -> tuple[PyTree, PyTree, PyTree]:
        agent = self._agent(state)
        return jax.vmap(lambda memory, timestep, key: agent.act(memory, timestep, key=key))(
            memory, self._timestep(seen), keys
        )

    def _acts(
        self,
        state: Any,
        memory: PyTree,
        acted: Acted | None,
        keys: UInt32[Array, "rows lives words"],
        seen: Said,
    ) -> tuple[PyTree, Acted, PyTree]:
        """Act, and write down what was done; None in the first row, before there is anything."""
        row = jnp.int32(0) if acted is None else acted.row
        memory, *done = self._policy(state, memory, apart(keys_of(keys[row]), ACT), seen)
        rows = self._undone(done) if acted is None else list(acted[1:])
        rows = jax.tree.map(lambda rows, x: rows.at[row].set(x), rows, done)
        return memory, Acted(row + 1, *rows), done[0]

    def _undone(self, done: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jnp.zeros((self._length, *x.shape), x.dtype), done)

    def _acts_again(
        self,
        state: Any,
        memory: PyTree,
        acted: Acted,
        keys: UInt32[Array, "rows lives words"],
        seen: Said,
        who: Bool[Array, "lives"],
        attempt: Int[Array, ""],
    ) -> tuple[PyTree, Acted, PyTree]:
        """As `_acts`, in the row before and for some lives, with other luck."""
        row, *rows = acted
        own = jax.vmap(jr.fold_in, (0, None))(keys_of(keys[row - 1]), attempt)
        new, *done = self._policy(state, memory, apart(own, ACT), seen)
        rows = jax.tree.map(
            lambda rows, x: rows.at[row - 1].set(where(who, x, rows[row - 1])), rows, done
        )
        return where(who, new, memory), Acted(row, *rows), done[0]


def _row(rows: Said, t: int) -> Said:
    return Said(rows.numbers[t], [x[t] for x in rows.observation])
