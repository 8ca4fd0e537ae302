"""Head: what reads a memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

from meadow.nn.dense import Dense


class Head(eqx.Module):
    """A hidden layer, where there is one, and a linear one.

    Attributes:
        relu: whether the hidden layer has a ReLU, rather than tanh.
    """

    hidden: Dense | None
    last: Dense
    relu: bool = eqx.field(static=True, default=False)

    def __call__(
        self, x: Float[Array, "*batch width"], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch num_out"]:
        """Read it; the hidden layer works in `dtype`, what comes out is float32."""
        if self.hidden is not None:
            squash = jax.nn.relu if self.relu else jnp.tanh
            x = squash(self.hidden(x.astype(dtype))).astype(jnp.float32)
        return self.last(x)
