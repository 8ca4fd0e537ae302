"""Places: reading and writing where indices never count from the end.

`x[i]` takes -1 for the last entry, so every index is asked whether it is negative: a kernel more to
compile at each, and a pass over the indices in every step. Nobody's place is negative here.
"""

from typing import Any

from jaxtyping import Array, ArrayLike


def read(x: Array, where: Any) -> Array:
    """`x[where]`, every index sure to lie in it.

    >>> import jax.numpy as jnp
    >>> read(jnp.array([10, 20, 30]), jnp.array([2, 0]))
    Array([30, 10], dtype=int32)
    """
    return x.at[where].get(mode="promise_in_bounds", wrap_negative_indices=False)


def write(x: Array, where: Any, new: ArrayLike) -> Array:
    """`x` with `new` there; beyond its end nothing is written, and -1 is no place.

    >>> import jax.numpy as jnp
    >>> write(jnp.zeros(3), jnp.array([1, 3, -1]), 5.0)
    Array([0., 5., 0.], dtype=float32)
    """
    return x.at[where].set(new, mode="drop", wrap_negative_indices=False)
