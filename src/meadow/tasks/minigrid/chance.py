"""Chance: choices made from numbers in [0, 1), of which a level draws all it needs at once.

On a CPU a draw costs more than what is drawn.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int


def below(luck: Float[Array, "..."], num: ArrayLike) -> Int[Array, "..."]:
    """A number in 0..num - 1 for each."""
    return jnp.minimum((luck * num).astype(jnp.int32), num - 1)


def one_of(
    luck: Float[Array, "height width"], allowed: Bool[Array | np.ndarray, "height width"]
) -> Int[Array, "2"]:
    """One of the allowed cells, (y, x)."""
    first = jnp.argmax(jnp.where(allowed, luck, -1.0))
    return jnp.stack(jnp.divmod(first, luck.shape[1]))


def cut(luck: Float[Array, " total"], *shapes: tuple[int, ...]) -> list[Array]:
    """The numbers dealt out: an array of each shape, which together need all of them."""
    sizes = np.array([int(np.prod(shape)) for shape in shapes])
    parts = jnp.split(luck, sizes.cumsum()[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
