"""LSTM: a memory of fixed width, and beside it a cell that is shown only in part.

    i, f, o = s(x + U h) each,  g = tanh(x_g + U_g h),  c' = f c + i g,  h' = o tanh(c')

What comes in is projected for all times at once, and the way back is written by hand, for the
reasons given in `meadow.nn.gru`; so are the precisions chosen: the memory is float32 in any.

References: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Gers et al., Learning to
Forget, 2000. No bias holds the forget gate open at the start, as in the UED literature.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from meadow.nn.memory import AbstractMemory
from meadow.nn.product import product

_orthogonal, _glorot = jax.nn.initializers.orthogonal(), jax.nn.initializers.glorot_uniform()


class Kept(NamedTuple):
    """What an LSTM remembers."""

    shown: Float[Array, "*batch width"]
    cell: Float[Array, "*batch width"]


class LSTM(AbstractMemory):
    """One layer, started orthogonally.

    Args:
        num_in: width of the input.
        width: of the memory's two halves, and of the output.
    """

    inward: Float[Array, "num_in gates"]
    recurrent: Float[Array, "width gates"]
    bias: Float[Array, "gates"]

    def __init__(self, num_in: int, width: int, *, key: Key[Array, ""]):
        keys_in, keys_recurrent = jr.split(key, (2, 4))
        self.inward = jnp.concatenate([_glorot(k, (num_in, width)) for k in keys_in], axis=1)
        self.recurrent = jnp.concatenate(
            [_orthogonal(k, (width, width)) for k in keys_recurrent], axis=1
        )
        self.bias = jnp.zeros(4 * width)

    @property
    def width(self) -> int:
        """Of the output."""
        return self.recurrent.shape[0]

    def init(self) -> Kept:
        """Zeros."""
        return Kept(jnp.zeros(self.width), jnp.zeros(self.width))

    def __call__(
        self,
        memory: Kept,
        inputs: Float[Array, "time *batch num_in"],
        forget: Bool[Array, "time *batch"],
    ) -> tuple[Float[Array, "time *batch width"], Kept]:
        """What is shown, and all that is kept, after each step."""
        dtype = inputs.dtype
        projected = product(inputs, self.inward.astype(dtype), dtype) + self.bias.astype(dtype)
        memories = _recur(self.recurrent, memory, projected, forget)
        return memories.shown, memories


class _Gates(NamedTuple):
    """What a step has worked out, and the way back needs."""

    add: Array
    keep: Array
    show: Array
    candidate: Array


@jax.custom_vjp
def _recur(recurrent: Array, memory: Kept, projected: Array, forget: Array) -> Kept:
    return _forward(recurrent, memory, projected, forget)[0]


def _forward(recurrent: Array, memory: Kept, projected: Array, forget: Array) -> tuple[Kept, tuple]:
    dtype = projected.dtype
    weight = recurrent.astype(dtype)

    def step(memory: Kept, row: tuple[Array, Array]) -> tuple[Kept, tuple[Kept, _Gates]]:
        projected, forget = row
        shown, cell = _cleared(memory, forget)
        opened, new = jnp.split(projected + product(shown, weight), [3 * shown.shape[-1]], axis=-1)
        add, keep, show = jnp.split(jax.nn.sigmoid(opened), 3, axis=-1)
        gates = _Gates(add, keep, show, jnp.tanh(new))
        cell = keep * cell + add * gates.candidate
        memory = Kept(show * jnp.tanh(cell), cell)
        return memory, (memory, jax.tree.map(lambda x: x.astype(dtype), gates))

    _, (memories, gates) = jax.lax.scan(step, memory, (projected, forget))
    return memories, (recurrent, memory, memories, gates, forget)


def _backward(saved: tuple, d_memories: Kept) -> tuple[Array, Kept, Array, None]:
    recurrent, memory, memories, gates, forget = saved
    before = jax.tree.map(lambda x, y: jnp.concatenate([x[None], y[:-1]]), memory, memories)
    before = _cleared(before, forget)
    dtype = gates.add.dtype
    # Turned once: within the loop it would be turned in every step.
    turned = jax.lax.optimization_barrier(recurrent.astype(dtype).T)

    def step(d_after: Kept, row: tuple) -> tuple[Kept, Array]:
        d_memory, (add, keep, show, candidate), before, after, forget = row
        d_shown, d_cell = jax.tree.map(jnp.add, d_memory, d_after)
        seen = jnp.tanh(after)
        d_cell = d_cell + d_shown * show * (1.0 - seen**2)
        d_gates = [
            d_cell * candidate * add * (1.0 - add),
            d_cell * before * keep * (1.0 - keep),
            d_shown * seen * show * (1.0 - show),
            d_cell * add * (1.0 - candidate**2),
        ]
        d_projected = jnp.concatenate(d_gates, axis=-1).astype(dtype)
        d_before = Kept(product(d_projected, turned), d_cell * keep)
        return _cleared(d_before, forget), d_projected

    rows = (d_memories, gates, before.cell, memories.cell, forget)
    start = jax.tree.map(jnp.zeros_like, memory)
    d_memory, d_projected = jax.lax.scan(step, start, rows, reverse=True)
    width = memory.cell.shape[-1]
    d_recurrent = product(before.shown.reshape(-1, width).T, d_projected.reshape(-1, 4 * width))
    return d_recurrent, d_memory, d_projected, None


def _cleared(memory: Kept, forget: Array) -> Kept:
    """Nothing where it is forgotten."""
    return jax.tree.map(lambda x: jnp.where(forget[..., None], 0.0, x), memory)


_recur.defvjp(_forward, _backward)
