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
from meadow.replay.ring import read, write


def truncate(state: State, stood: PyTree, who: Bool[Array, "lives"]) -> State:
    """End the episodes and trials of some lives with their newest row, if there is one.

    Args:
        stood: what was seen after that row, `[lives, ...]`.
    """
    (num, lives), ends = state.rows.shape, state.ends
    at = (state.added - 1) % num
    rows = read(state.rows, at * lives + jnp.arange(lives)[None])
    new = who & (state.added > 0) & ~rows.next.last()
    step_type = jnp.where(new, StepType.LAST, rows.next.step_type).astype(jnp.uint8)
    ended = rows.trial_ended | (who & (state.added > 0))
    rows = eqx.tree_at(lambda r: (r.next.step_type, r.trial_ended), rows, (step_type, ended))
    if ends is not None:
        places = jax.tree.leaves(ends.seen)[0].shape[0]
        end = jnp.where(new, ends.total + jnp.cumsum(new).reshape(new.shape) - 1, rows.end)
        place = jnp.where(new, end % places, places)[0]
        seen = jax.tree.map(lambda x, y: x.at[place].set(y, mode="drop"), ends.seen, stood)
        rows, ends = rows._replace(end=end), Ends(seen, ends.total + new.sum())
    changed = write(state.rows, rows, at), ends
    return eqx.tree_at(lambda s: (s.rows, s.ends), state, changed, is_leaf=lambda x: x is None)
