"""Trajectory: what was lived, time-major.

Row t holds what the agent saw, what it did, and what came of that *before any reset*, so an
episode's true final observation is always there and nothing downstream has to guess.
"""

import equinox as eqx
from jaxtyping import Array, Bool, Float, PyTree

from meadow.core.timestep import TimeStep


class Trajectory(eqx.Module):
    """`length` steps of a batch of lives; every leaf is `[time, batch, ...]` unless said.

    Attributes:
        timestep: what the agent saw when it acted (never LAST).
        action: what it did.
        next: what came of it, before any reset (never FIRST). Where `next` is not LAST it is the
            next row's `timestep`.
        trial_ended: the trial, not only the episode, ended with `next`.
        record: what the agent wrote down while acting (log-probabilities, values, ...).
        memory: the agent's memory before the first row, `[batch, ...]`.
        after: what the agent would see next, `[batch]`. Where the trial goes on this is already
            the first step of the next episode; where it ended it is the last row's `next`.
        final_memory: the agent's memory after the last row, `[batch, ...]`.
        weight: how much each column counts; None for all alike.

    Of a window that a store hands out `final_memory` is None, and `memory` too where the store does
    not keep it; `after` is the last row's `next`.
    """

    timestep: TimeStep
    action: PyTree
    next: TimeStep
    trial_ended: Bool[Array, "time batch"]
    record: PyTree
    memory: PyTree
    after: TimeStep
    final_memory: PyTree
    weight: Float[Array, "batch"] | None = None
