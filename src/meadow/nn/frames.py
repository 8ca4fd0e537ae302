"""Frames: what was seen last, side by side, for networks that look at several frames at once.

A store keeps each frame once; they are put side by side when they are looked at. Before an
episode began there was nothing to see: such frames are 0.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree, Shaped


def pushed(frames: PyTree, observation: PyTree, first: Bool[Array, "*batch"]) -> PyTree:
    """The frames after one more, the oldest forgotten; all others, too, where an episode begins.

    Args:
        frames: of each part of an observation `[*batch, ..., num]`, the newest last.
        observation: its last axis is that of frames, of size 1.
    """

    def one(frames: Array, new: Array) -> Array:
        begins = first.reshape(*first.shape, *(1,) * (frames.ndim - first.ndim))
        before = jnp.where(begins, jnp.zeros_like(frames), frames)
        return jnp.concatenate([before[..., 1:], new], axis=-1)

    return jax.tree.map(one, frames, observation)


def blank(observation: PyTree, num: int) -> PyTree:
    """Nothing was seen yet."""
    return jax.tree.map(
        lambda x: jnp.zeros((*jnp.shape(x)[:-1], num), jnp.result_type(x)), observation
    )


def stacked(observation: PyTree, first: Bool[Array, "time batch"], num: int) -> PyTree:
    """Of rows that follow one another, the frames at each from the `num`-th row on.

    Args:
        observation: `[time, batch, ..., 1]`.
        first: an episode begins with this row.

    Returns:
        `[time - num + 1, batch, ..., num]`.
    """
    length = first.shape[0] - num + 1

    def one(x: Shaped[Array, "time batch ..."]) -> Shaped[Array, "rows batch ..."]:
        shown = []
        for back in range(num - 1, -1, -1):
            start = num - 1 - back
            frame = x[start : start + length]
            # Hidden where an episode began in one of the rows after it.
            began = [first[start + i : start + i + length] for i in range(1, back + 1)]
            hidden = jnp.any(jnp.stack(began), axis=0) if began else jnp.zeros_like(first[:length])
            mask = hidden.reshape(*hidden.shape, *(1,) * (x.ndim - 2))
            shown.append(jnp.where(mask, jnp.zeros_like(frame), frame))
        return jnp.concatenate(shown, axis=-1)

    return jax.tree.map(one, observation)
