"""Norm: numbers in units of how they spread within one vector."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def normed(x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
    """Each vector, with mean 0 and variance 1; whoever wants a scale and a shift adds them.

    >>> normed(jnp.array([1.0, 3.0])).round(3).tolist()
    [-1.0, 1.0]

    References: Ba, Kiros and Hinton, Layer Normalization, 2016.
    """
    x = x - x.mean(axis=-1, keepdims=True)
    return x / jnp.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)
