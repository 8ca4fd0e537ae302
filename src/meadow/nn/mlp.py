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
        precision: of the hidden layers' products (`meadow.nn.plan.PRECISIONS`); parameters, norm
            and output are float32 in any.

    References: Barth-Maron et al., D4PG, 2018, and Hoffman et al., Acme, 2020, for the norm.
    """

    layers: tuple[Dense, ...]
    normed: bool = eqx.field(static=True, default=False)
    precision: str = eqx.field(static=True, default="float32")

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        gain: float = 1.0,
        normed: bool = False,
        precision: str = "float32",
        key: Key[Array, ""],
    ):
        pairs = list(itertools.pairwise(sizes))
        gains = [2**0.5] * (len(pairs) - 1) + [gain]
        self.layers = tuple(
            Dense(*pair, gain=g, key=k)
            for pair, g, k in zip(pairs, gains, jr.split(key, len(pairs)), strict=True)
        )
        self.normed, self.precision = normed, precision

    def __call__(self, x: Float[Array, "*batch num_in"]) -> Float[Array, "*batch num_out"]:
        """The last layer's output."""
        *hidden, last = self.layers
        for i, layer in enumerate(hidden):
            x = layer(x.astype(self.precision))
            first = self.normed and i == 0
            x = jnp.tanh(normed(x.astype(jnp.float32))) if first else jax.nn.relu(x)
        return last(x.astype(jnp.float32))
