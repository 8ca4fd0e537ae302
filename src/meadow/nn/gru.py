"""GRU: a memory of fixed width.

    r = s(x_r + U_r h),  z = s(x_z + U_z h),  n = tanh(x_n + r (U_n h + b)),  h' = (1 - z) n + z h

What comes in is projected for all times at once; only the recurrent product waits its turn. The
way back is written by hand for the same reason: the gradient of the recurrent weights is one
product over all times after the backward recurrence, where differentiating the loop would add a
matrix of that size to itself at every step.

It multiplies in the precision of what comes in, forward and back. The memory itself and what is
summed are float32: a memory lives through thousands of steps, and what is rounded away at each of
them is lost.

References: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from meadow.nn.memory import AbstractMemory
from meadow.nn.product import product

_orthogonal, _glorot = jax.nn.initializers.orthogonal(), jax.nn.initializers.glorot_uniform()


class GRU(AbstractMemory):
    """One layer. Its output is its memory.

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

    def init(self) -> Float[Array, "width"]:
        """Zeros."""
        return jnp.zeros(self.width)

    def __call__(
        self,
        memory: Float[Array, "*batch width"],
        inputs: Float[Array, "time *batch num_in"],
        forget: Bool[Array, "time *batch"],
    ) -> tuple[Float[Array, "time *batch width"], Float[Array, "time *batch width"]]:
        """The memory after each step, twice; `forget` clears it before a step."""
        dtype = inputs.dtype
        projected = product(inputs, self.inward.astype(dtype), dtype) + self.bias.astype(dtype)
        memories = _recur(self.recurrent, self.candidate_bias, memory, projected, forget)
        return memories, memories


class _Gates(NamedTuple):
    """What a step has worked out, and the way back needs."""

    reset: Array
    update: Array
    recalled: Array  # U_n h + b
    candidate: Array


@jax.custom_vjp
def _recur(recurrent: Array, bias: Array, memory: Array, projected: Array, forget: Array) -> Array:
    return _forward(recurrent, bias, memory, projected, forget)[0]


def _forward(
    recurrent: Array, bias: Array, memory: Array, projected: Array, forget: Array
) -> tuple[Array, tuple]:
    dtype = projected.dtype
    weight = recurrent.astype(dtype)

    def step(memory: Array, row: tuple[Array, Array]) -> tuple[Array, tuple[Array, _Gates]]:
        projected, forget = row
        memory = jnp.where(forget[..., None], 0.0, memory)
        x_reset, x_update, x_new = jnp.split(projected, 3, axis=-1)
        h_reset, h_update, h_new = jnp.split(product(memory, weight), 3, axis=-1)
        reset, update = jax.nn.sigmoid(x_reset + h_reset), jax.nn.sigmoid(x_update + h_update)
        recalled = h_new + bias
        candidate = jnp.tanh(x_new + reset * recalled)
        memory = (1.0 - update) * candidate + update * memory
        gates = _Gates(reset, update, recalled, candidate)
        return memory, (memory, jax.tree.map(lambda x: x.astype(dtype), gates))

    _, (memories, gates) = jax.lax.scan(step, memory, (projected, forget))
    return memories, (recurrent, memory, memories, gates, forget)


def _backward(saved: tuple, d_memories: Array) -> tuple[Array, Array, Array, Array, None]:
    recurrent, memory, memories, gates, forget = saved
    before = jnp.concatenate([memory[None], memories[:-1]])
    before = jnp.where(forget[..., None], 0.0, before)
    dtype = gates.reset.dtype
    # Turned once: within the loop it would be turned in every step.
    turned = jax.lax.optimization_barrier(recurrent.astype(dtype).T)

    def step(d_after: Array, row: tuple) -> tuple[Array, tuple[Array, Array]]:
        d_memory, (reset, update, recalled, candidate), before, forget = row
        d_memory = d_memory + d_after
        d_new = d_memory * (1.0 - update) * (1.0 - candidate**2)
        d_update = d_memory * (before - candidate) * update * (1.0 - update)
        d_reset = d_new * recalled * reset * (1.0 - reset)
        d_recalled = jnp.concatenate([d_reset, d_update, d_new * reset], axis=-1)
        d_before = d_memory * update + product(d_recalled, turned)
        d_gates = (d_recalled.astype(dtype), d_new.astype(dtype))
        return jnp.where(forget[..., None], 0.0, d_before), d_gates

    rows = (d_memories, gates, before, forget)
    start = jnp.zeros_like(memory)
    d_memory, (d_recalled, d_new) = jax.lax.scan(step, start, rows, reverse=True)
    width = memory.shape[-1]
    d_projected = jnp.concatenate([d_recalled[..., : 2 * width], d_new], axis=-1)
    d_recalled = d_recalled.reshape(-1, 3 * width)
    d_recurrent = product(before.reshape(-1, width).T, d_recalled)
    d_bias = d_recalled[:, 2 * width :].astype(jnp.float32).sum(axis=0)
    return d_recurrent, d_bias, d_memory, d_projected, None


_recur.defvjp(_forward, _backward)
