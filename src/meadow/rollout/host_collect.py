"""Collecting from a host: one compiled call for each act, and a chunk of rows made outside.

What `Living.collect` does in a compiled environment: the same rows, and the same luck where the
environment takes ours. Rows are NumPy's until the chunk is whole; what the agent did and wrote down
stays on the device.

A row whose outcome is not known never comes to be: the life begins again and acts anew in that row,
and the row before it is made the last of its episode, as a time limit would.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.rollout.host import AbstractHost, Luck, Outcome
from meadow.rollout.life import ACT, Life, Trial, apart, where


class Said(NamedTuple):
    """A time step, or rows of them: NumPy's arrays, and while tracing `TimeStep(*said)`."""

    step_type: Any
    reward: Any
    discount: Any
    observation: PyTree
    episode: Any


class Acted(NamedTuple):
    """What was done and written down so far, on the device: `[length, lives, ...]`.

    Attributes:
        row: the next.
    """

    row: Int[Array, ""]
    action: PyTree
    record: PyTree


class Lived(NamedTuple):
    """A chunk, not yet a trajectory.

    Attributes:
        seen, next, trial_ended: rows of what agents saw, and of what came of it.
        after: where lives stand now; `steps` and `over` with it.
        acted: what they did.
        memory: the agent's, before and after.
        playing: as the host's.
    """

    seen: Said
    next: Said
    trial_ended: Any
    after: Said
    steps: Any
    over: Any
    acted: Acted
    memory: tuple[PyTree, PyTree]
    playing: tuple[PyTree, PyTree] | None


def trajectory_of(lived: Lived) -> Trajectory:
    """The chunk as the compiled rollout would have made it; while tracing."""
    return Trajectory(
        TimeStep(*lived.seen),
        lived.acted.action,
        TimeStep(*lived.next),
        lived.trial_ended,
        lived.acted.record,
        lived.memory[0],
        TimeStep(*lived.after),
        lived.memory[1],
    )


def life_of(lived: Lived, tasks: PyTree, number: Int[Array, "lives"]) -> Life:
    """The lives after a chunk; while tracing."""
    task, state = (tasks, ()) if lived.playing is None else lived.playing
    after = TimeStep(*lived.after)
    return Life(task, state, after, lived.memory[1], lived.steps, lived.over, number)


class Collector:
    """Lives of a host, and where they stand.

    Attributes:
        cut: whose last row of the chunk before was made the last of an episode since; and `stood`,
            what they saw then. A store is to be told.
    """

    cut: Bool[np.ndarray, "lives"]
    stood: PyTree

    def __init__(
        self,
        host: AbstractHost,
        agent: Callable[[PyTree], AbstractAgent],
        trial: Trial,
        length: int,
    ):
        self._host, self._agent, self._trial, self._length = host, agent, trial, length
        # What was acted is written in place; memories are kept, for they are told of.
        self._act = jax.jit(self._acts, donate_argnums=2)
        self._again = jax.jit(self._acts_again)
        self._blank = jax.jit(self._unacted)

    def start(self, life: Life, seed: int) -> None:
        """Take up these lives, or begin others in their place.

        Where the host cannot stand where they stood their episodes are cut, as at a time limit.
        """
        goes_on = self._host.start(life, seed)
        after = life.timestep
        said = Said(after.step_type, after.reward, after.discount, after.observation, after.episode)
        self._now: Said = jax.tree.map(np.array, jax.device_get(said))
        self._steps, self._over = np.array(life.steps), np.array(life.over)
        self._memory, self.stood = life.memory, self._now.observation
        self.cut = np.zeros(self._host.num, bool)
        if not goes_on:
            self._end(~_last(self._now))

    def collect(self, state: PyTree, luck: Luck) -> Lived:
        """Live a chunk; `state` is of the learner whose agent acts."""
        rows = self._rows(), self._rows()
        seen, told = rows
        ended = np.zeros(seen.reward.shape, bool)
        memory, acted = self._memory, self._blank(state, self._memory, luck, _row(seen, 0))
        for t in range(self._length):
            luck = luck._replace(row=t)
            self._begin(_last(self._now), luck, told, ended)
            _put(seen, t, self._now)
            self._memory, acted, action = self._act(
                state, self._memory, acted, luck.keys, _row(seen, t)
            )
            outcome = self._host.step(jax.tree.map(np.asarray, action), luck)
            lost = outcome.lost
            self._step(outcome, ~lost, told, ended, t)
            if lost.any():
                acted = self._redo(lost.copy(), state, acted, luck, rows, ended)
        # Begin the next episode of trials that go on, so that what follows the last row is known.
        luck = luck._replace(row=self._length)
        self._begin(_last(self._now) & ~self._over, luck, told, ended)
        after = jax.tree.map(np.array, self._now)
        self._now, self.stood = self._now._replace(observation=after.observation), after.observation
        ends = after, self._steps.copy(), self._over.copy()
        return Lived(seen, told, ended, *ends, acted, (memory, self._memory), self._host.playing)

    def _begin(
        self, who: Bool[np.ndarray, "lives"], luck: Luck, told: Said, ended: np.ndarray
    ) -> None:
        """Begin the next episode of some lives, and of whoever is lost meanwhile."""
        while who.any():
            observation, lost = self._host.begin(who, self._over, luck)
            now, new = self._now, who & self._over
            now.episode[who] += 1
            now.episode[new], now.reward[new], self._steps[new] = 0, 0.0, 0
            now.step_type[who], now.discount[who] = StepType.FIRST, 1.0
            self._now, self._over = now._replace(observation=observation), self._over & ~who
            # Of who was to begin nothing more is lost; the others' last row is the one before.
            self._end(lost & ~who, told, ended, luck.row - 1)
            self._over |= lost
            who = lost.copy()

    def _step(
        self,
        outcome: Outcome,
        who: Bool[np.ndarray, "lives"],
        told: Said,
        ended: np.ndarray,
        t: int,
    ) -> None:
        """Write down what came of the step of some lives: a row, with budgets spent."""
        now, trial = self._now, self._trial
        self._steps = self._steps + who
        last = outcome.last
        spent = np.zeros_like(last) if trial.steps is None else self._steps >= trial.steps
        last = last | spent
        over = spent
        if trial.episodes is not None:
            over = over | (last & (now.episode + 1 >= trial.episodes))
        step_type = np.where(last, StepType.LAST, StepType.MID).astype(np.uint8)
        after = Said(step_type, outcome.reward, outcome.discount, outcome.observation, now.episode)
        if who.all():
            self._now = jax.tree.map(np.array, after._replace(observation=()))
            self._now = self._now._replace(observation=outcome.observation)
            self._over = over
            _put(told, t, after)
            ended[t] = over
        else:
            self._now = jax.tree.map(lambda x, y: _choose(who, x, y), after, now)
            self._over = np.where(who, over, self._over)
            _put(told, t, after, who)
            ended[t, who] = over[who]

    def _redo(
        self,
        lost: Bool[np.ndarray, "lives"],
        state: PyTree,
        acted: Acted,
        luck: Luck,
        rows: tuple[Said, Said],
        ended: np.ndarray,
    ) -> Acted:
        """Do this row again for whoever was lost in it, until none is."""
        (seen, told), t, attempt = rows, luck.row, 0
        while lost.any():
            attempt += 1
            self._end(lost, told, ended, t - 1)
            self._begin(lost, luck, told, ended)
            _put(seen, t, self._now, lost)
            self._memory, acted, action = self._again(
                *(state, self._memory, acted, luck.keys, _row(seen, t)), lost, attempt
            )
            outcome = self._host.step(jax.tree.map(np.asarray, action), luck, lost)
            self._step(outcome, lost & ~outcome.lost, told, ended, t)
            # Who had done this row already, and is lost since, ends with it.
            self._end(outcome.lost & ~lost, told, ended, t)
            lost = lost & outcome.lost
        return acted

    def _end(
        self,
        who: Bool[np.ndarray, "lives"],
        told: Said | None = None,
        ended: np.ndarray | None = None,
        t: int = -1,
    ) -> None:
        """The episodes and trials of some lives ended with row t, or with the chunk before."""
        if not who.any():
            return
        if told is None or ended is None or t < 0:
            self.cut |= who & ~_last(self._now) & ~_begins_trial(self._now)
        else:
            told.step_type[t, who], ended[t, who] = StepType.LAST, True
        self._now.step_type[who], self._over[who] = StepType.LAST, True

    def _rows(self) -> Said:
        """Rows to be written; new ones every time, for the device may still read the old ones."""
        return jax.tree.map(lambda x: np.empty((self._length, *x.shape), x.dtype), self._now)

    def _policy(
        self, state: PyTree, memory: PyTree, keys: Key[Array, "lives"], seen: Said
    ) -> tuple[PyTree, PyTree, PyTree]:
        agent = self._agent(state)
        return jax.vmap(lambda memory, timestep, key: agent.act(memory, timestep, key=key))(
            memory, TimeStep(*seen), keys
        )

    def _acts(
        self,
        state: PyTree,
        memory: PyTree,
        acted: Acted,
        keys: Key[Array, "rows lives"],
        seen: Said,
    ) -> tuple[PyTree, Acted, PyTree]:
        row, *rows = acted
        memory, *done = self._policy(state, memory, apart(keys[row], ACT), seen)
        rows = jax.tree.map(lambda rows, x: rows.at[row].set(x), rows, done)
        return memory, Acted(row + 1, *rows), done[0]

    def _acts_again(
        self,
        state: PyTree,
        memory: PyTree,
        acted: Acted,
        keys: Key[Array, "rows lives"],
        seen: Said,
        who: Bool[Array, "lives"],
        attempt: Int[Array, ""],
    ) -> tuple[PyTree, Acted, PyTree]:
        """As `_acts`, in the row before and for some lives, with other luck."""
        row, *rows = acted
        own = jax.vmap(jr.fold_in, (0, None))(keys[row - 1], attempt)
        new, *done = self._policy(state, memory, apart(own, ACT), seen)
        rows = jax.tree.map(
            lambda rows, x: rows.at[row - 1].set(where(who, x, rows[row - 1])), rows, done
        )
        return where(who, new, memory), Acted(row, *rows), done[0]

    def _unacted(self, state: PyTree, memory: PyTree, luck: Luck, seen: Said) -> Acted:
        shapes = jax.eval_shape(self._policy, state, memory, luck.keys[0], seen)[1:]
        blank = jax.tree.map(lambda x: jnp.zeros((self._length, *x.shape), x.dtype), shapes)
        return Acted(jnp.int32(0), *blank)


def _last(said: Said) -> Bool[np.ndarray, "lives"]:
    return said.step_type == StepType.LAST


def _begins_trial(said: Said) -> Bool[np.ndarray, "lives"]:
    return (said.step_type == StepType.FIRST) & (said.episode == 0)


def _row(rows: Said, t: int) -> Said:
    return jax.tree.map(lambda x: x[t], rows)


def _put(rows: Said, t: int, said: Said, who: Any = ...) -> None:
    """Write a row, or some lives' part of it."""
    for x, y in zip(jax.tree.leaves(rows), jax.tree.leaves(said), strict=True):
        x[t, who] = y if who is ... else y[who]


def _choose(who: Bool[np.ndarray, "lives"], yes: np.ndarray, no: np.ndarray) -> np.ndarray:
    return np.where(who.reshape(-1, *(1,) * (yes.ndim - 1)), yes, no)
