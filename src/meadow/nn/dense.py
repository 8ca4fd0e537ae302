"""Dense: an affine map of the last axis, initialised orthogonally.

It works in the precision of what comes in; its parameters stay as they are.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from meadow.nn.product import product


class Dense(eqx.Module):
    """`x @ weight + bias`, for any leading axes.

    Args:
        num_in, num_out: widths.
        gain: scale of the orthogonal start; sqrt(2) before a ReLU, 0.01 for a policy's last layer.
    """

    weight: Float[Array, "num_in num_out"]
    bias: Float[Array, "num_out"]

    def __init__(self, num_in: int, num_out: int, *, gain: float = 2**0.5, key: Key[Array, ""]):
        start = jax.nn.initializers.orthogonal(gain)

        # One matrix after the other also under `vmap`: of several batches of factorisations that
        # run at once, XLA on a CPU lets each wait for threads that the others hold, for ever.
        @jax.custom_batching.sequential_vmap
        def drawn(key: Key[Array, ""]) -> Float[Array, "num_in num_out"]:
            return start(key, (num_in, num_out), jnp.float32)

        self.weight = drawn(key)
        self.bias = jnp.zeros(num_out)

    def __call__(self, x: Float[Array, "*batch num_in"]) -> Float[Array, "*batch num_out"]:
        """The map."""
        return product(x, self.weight.astype(x.dtype), x.dtype) + self.bias.astype(x.dtype)
