"""GRU: a memory of fixed width.

    r = s(x_r + U_r h),  z = s(x_z + U_z h),  n = tanh(x_n + r (U_n h + b)),  h' = (1 - z) n + z h

What comes in is projected for all times at once; only the recurrent product waits its turn.

References: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

_orthogonal, _glorot = jax.nn.initializers.orthogonal(), jax.nn.initializers.glorot_uniform()


class GRU(eqx.Module):
    """One layer; single-example, time-major.

    Args:
        num_in: width of the input.
        width: of the memory.
    """

    inward: Float[Array, "num_in gates"]
    recurrent: Float[Array, "width gates"]
    bias: Float[Array, "gates"]
    candidate_bias: Float[Array, "width"]

    def __init__(self, num_in: int, width: int, *, key: Key[Array, ""]):
        keys_in, keys_recurrent = jr.split(key, (2, 3))
        self.inward = jnp.concatenate([_glorot(k, (num_in, width)) for k in keys_in], axis=1)
        self.recurrent = jnp.concatenate(
            [_orthogonal(k, (width, width)) for k in keys_recurrent], axis=1
        )
        self.bias = jnp.zeros(3 * width)
        self.candidate_bias = jnp.zeros(width)

    @property
    def width(self) -> int:
        """Of the memory."""
        return self.recurrent.shape[0]

    def __call__(
        self,
        memory: Float[Array, "width"],
        inputs: Float[Array, "time num_in"],
        forget: Bool[Array, "time"],
    ) -> Float[Array, "time width"]:
        """The memory after each step; `forget` clears it before a step."""

        def step(memory: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            projected, forget = row
            memory = self._step(jnp.where(forget, 0.0, memory), projected)
            return memory, memory

        return jax.lax.scan(step, memory, (inputs @ self.inward + self.bias, forget))[1]

    def _step(self, memory: Array, projected: Array) -> Array:
        x_reset, x_update, x_new = jnp.split(projected, 3)
        h_reset, h_update, h_new = jnp.split(memory @ self.recurrent, 3)
        reset, update = jax.nn.sigmoid(x_reset + h_reset), jax.nn.sigmoid(x_update + h_update)
        candidate = jnp.tanh(x_new + reset * (h_new + self.candidate_bias))
        return (1.0 - update) * candidate + update * memory
