"""Truncate: the newest row of some lives was the last of its episode, as was learnt since.

An environment that dies, or cannot be taken up again, leaves an episode whose next row will never
come. No window may run on from its last row into another episode.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from meadow.core.timestep import StepType
from meadow.replay.replay import State
from meadow.replay.ring import read, write


def truncate(state: State, stood: PyTree, who: Bool[Array, "lives"]) -> State:
    """End the episodes and trials of some lives with their newest row, if there is one.

    Args:
        stood: what was seen after that row, `[lives, ...]`.
    """
    rows, lives = state.rows.shape
    at = (state.added - 1) % rows
    who = who & (state.added > 0)
    row, ends = read(state.rows, at * lives + jnp.arange(lives)), state.ends
    new = who & ~row.next.last()
    last = jnp.where(who, StepType.LAST, row.next.step_type).astype(jnp.uint8)
    after = eqx.tree_at(lambda t: t.step_type, row.next, last)
    row = row._replace(next=after, trial_ended=row.trial_ended | who)
    if ends is not None:
        number = jnp.where(new, ends.numbers(new), row.end)
        row, ends = row._replace(end=number), ends.added(new, stood)
    kept = write(state.rows, jax.tree.map(lambda x: x[None], row), at)
    return State(kept, state.memory, ends, state.added, state.selector)
