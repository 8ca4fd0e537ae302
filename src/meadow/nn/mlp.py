"""MLP: dense layers, one after the other."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from meadow.nn.dense import Dense
from meadow.nn.norm import normed


class MLP(eqx.Module):
    """Hidden layers with a ReLU, and a linear one.

    Where it is normed, the first hidden layer has a layer norm and a tanh instead.

    Args:
        sizes: widths, from the input to the output.
        gain: scale of the last layer at the start.
        normed: whether it is.

    References: Barth-Maron et al., D4PG, 2018, and Hoffman et al., Acme, 2020, for the norm.
    """

    layers: tuple[Dense, ...]
    normed: bool = eqx.field(static=True, default=False)

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        gain: float = 1.0,
        normed: bool = False,
        key: Key[Array, ""],
    ):
        pairs = list(itertools.pairwise(sizes))
        gains = [2**0.5] * (len(pairs) - 1) + [gain]
        self.layers = tuple(
            Dense(*pair, gain=g, key=k)
            for pair, g, k in zip(pairs, gains, jr.split(key, len(pairs)), strict=True)
        )
        self.normed = normed

    def __call__(self, x: Float[Array, "*batch num_in"]) -> Float[Array, "*batch num_out"]:
        """The last layer's output."""
        *hidden, last = self.layers
        for i, layer in enumerate(hidden):
            x = layer(x)
            x = jnp.tanh(normed(x)) if self.normed and i == 0 else jax.nn.relu(x)
        return last(x)
