"""Truncate: the newest row of some lives was the last of its episode, as was learnt since.

An environment that dies, or cannot be taken up again, leaves an episode whose next row will never
come. No window may run on from its last row into another episode.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from meadow.core.timestep import StepType
from meadow.replay.replay import Ends, State


def truncate(state: State, stood: PyTree, who: Bool[Array, "lives"]) -> State:
    """End the episodes and trials of some lives with their newest row, if there is one.

    Args:
        stood: what was seen after that row, `[lives, ...]`.
    """
    rows = state.rows
    at = (state.added - 1) % rows.trial_ended.shape[0]
    who = who & (state.added > 0)
    ended_already = rows.next.step_type[at] == StepType.LAST
    last = jnp.where(who, StepType.LAST, rows.next.step_type[at]).astype(jnp.uint8)
    state = eqx.tree_at(
        lambda s: (s.rows.next.step_type, s.rows.trial_ended),
        state,
        (rows.next.step_type.at[at].set(last), rows.trial_ended.at[at].max(who)),
    )
    if state.ends is None:
        return state
    new = who & ~ended_already
    seen, numbers, total = state.ends.seen, state.ends.number, state.ends.total
    number = jnp.where(new, total + jnp.cumsum(new) - 1, numbers[at])
    num = jax.tree.leaves(seen)[0].shape[0]
    place = jnp.where(new, number % num, num)
    seen = jax.tree.map(lambda x, y: x.at[place].set(y, mode="drop"), seen, stood)
    ends = Ends(seen, numbers.at[at].set(number), total + new.sum())
    return eqx.tree_at(lambda s: s.ends, state, ends)
