"""Framed: a learner, and its agent, that look at several frames side by side.

Whoever acts remembers what it saw last; a store keeps every frame once, and windows are as many
rows longer as there are frames before the first row. Chunks that come with the agent's memory need
no such rows.

References: Mnih et al., Human-level control through deep reinforcement learning, 2015.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.frames import blank, pushed, stacked


class Memory(NamedTuple):
    """What was seen last, and what the agent within remembers."""

    frames: PyTree
    inner: PyTree


class Looking(AbstractAgent[Memory]):
    """The agent within, shown several frames.

    Attributes:
        blank: frames of nothing.
    """

    agent: AbstractAgent
    blank: PyTree

    def init_memory(self) -> Memory:
        """Nothing was seen yet."""
        return Memory(self.blank, self.agent.init_memory())

    def act(
        self, memory: Memory, timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[Memory, PyTree, PyTree]:
        """Show it one frame more."""
        frames = pushed(memory.frames, timestep.observation, timestep.first())
        inner, action, record = self.agent.act(memory.inner, timestep.showing(frames), key=key)
        return Memory(frames, inner), action, record


class State(NamedTuple):
    """The learner within, and frames of nothing."""

    learner: PyTree
    blank: PyTree


class Framed(AbstractLearner[State]):
    """Learns and acts from several frames.

    Attributes:
        learner: any.
        num: frames, of which each is what an observation's last axis, of size 1, holds.

    Raises:
        SpecError: fewer than two frames; or, while tracing, windows too short to hold them.
    """

    learner: AbstractLearner
    num: int = eqx.field(static=True, default=4)

    def __check_init__(self) -> None:
        if self.num < 2:
            raise SpecError(f"`Framed` shows two frames or more, got num={self.num}.")

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Of the learner within, for so many frames.

        Raises:
            SpecError: an observation whose last axis is not of size 1.
        """
        for x in jax.tree.leaves(timestep.observation):
            if not x.ndim or x.shape[-1] != 1:
                raise SpecError(
                    f"`Framed` puts frames side by side in a last axis of size 1, got "
                    f"observations of shape {list(x.shape)}."
                )
        nothing = blank(timestep.observation, self.num)
        return State(self.learner.init(timestep.showing(nothing), action_spec, key=key), nothing)

    def agent(self, state: State) -> Looking:
        """The agent within, shown several frames."""
        return Looking(self.learner.agent(state.learner), state.blank)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """Of the learner within, which is shown rows that have all their frames."""
        learner, metrics = self.learner.update(state.learner, self.framed(trajectory), key=key)
        return State(learner, state.blank), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """Of the learner within."""
        return self.learner.score(state.learner, self.framed(trajectory))

    def framed(self, trajectory: Trajectory) -> Trajectory:
        """What the learner within is given: the rows that have all their frames, with them."""
        before = self.num - 1
        seen, first = trajectory.timestep.observation, trajectory.timestep.first()
        if trajectory.memory is None:
            if first.shape[0] <= before:
                raise SpecError(
                    f"Windows of {first.shape[0]} rows hold no row with {self.num} frames. Write "
                    f"`Replay(..., length={before + 1})` or more."
                )
            trajectory = _later(trajectory, before)
        else:
            frames: Any = trajectory.memory.frames
            seen = jax.tree.map(_preceded, frames, seen)
            first = jnp.concatenate([jnp.zeros((before, *first.shape[1:]), bool), first])
        shown = stacked(seen, first, self.num)
        after = jax.tree.map(_followed, shown, trajectory.next.observation)
        last = jax.tree.map(_followed, jax.tree.map(lambda x: x[-1], shown),
                            trajectory.after.observation)  # fmt: skip
        memory, final = (
            None if x is None else x.inner for x in (trajectory.memory, trajectory.final_memory)
        )
        return dataclasses.replace(
            trajectory,
            timestep=trajectory.timestep.showing(shown),
            next=trajectory.next.showing(after),
            memory=memory,
            after=trajectory.after.showing(self._after(trajectory, last)),
            final_memory=final,
        )

    def _after(self, trajectory: Trajectory, last: PyTree) -> PyTree:
        """What the agent will see next; of an episode that has just begun one frame alone."""
        nothing = jax.tree.map(jnp.zeros_like, last)
        begun = pushed(nothing, trajectory.after.observation, trajectory.after.first())
        begins = trajectory.after.first()

        def one(begun: Array, last: Array) -> Array:
            mask = begins.reshape(*begins.shape, *(1,) * (last.ndim - begins.ndim))
            return jnp.where(mask, begun, last)

        return jax.tree.map(one, begun, last)


def _later(trajectory: Trajectory, rows: int) -> Trajectory:
    """Without its first rows."""
    named = ("timestep", "action", "next", "trial_ended", "record")
    later = {name: jax.tree.map(lambda x: x[rows:], getattr(trajectory, name)) for name in named}
    return dataclasses.replace(trajectory, **later)


def _preceded(frames: Array, seen: Array) -> Array:
    """Rows with those before them, `[time + frames - 1, batch, ..., 1]`."""
    before = jnp.moveaxis(frames[..., 1:], -1, 0)[..., None]
    return jnp.concatenate([before, seen])


def _followed(shown: Array, new: Array) -> Array:
    """Frames after one more of the same episode."""
    return jnp.concatenate([shown[..., 1:], new], axis=-1)
