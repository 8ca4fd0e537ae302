"""Feedforward: no memory at all, for what can be seen at a glance."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from meadow.nn.dense import Dense
from meadow.nn.memory import AbstractMemory


class Feedforward(AbstractMemory):
    """A dense layer where a memory would stand; what it remembers is an empty array.

    >>> layer = Feedforward(3, 4, key=jax.random.key(0))
    >>> outputs, memories = layer(layer.init(), jnp.ones((5, 3)), jnp.zeros(5, bool))
    >>> outputs.shape, memories.shape
    ((5, 4), (5, 0))

    Args:
        num_in: width of the input.
        width: of the output.
    """

    layer: Dense

    def __init__(self, num_in: int, width: int, *, key: Key[Array, ""]):
        self.layer = Dense(num_in, width, key=key)

    @property
    def width(self) -> int:
        """Of the output."""
        return self.layer.bias.shape[0]

    def init(self) -> Float[Array, "0"]:
        """Nothing."""
        return jnp.zeros(0)

    def __call__(
        self,
        memory: Float[Array, "*batch 0"],
        inputs: Float[Array, "time *batch num_in"],
        forget: Bool[Array, "time *batch"],
    ) -> tuple[Float[Array, "time *batch width"], Float[Array, "time *batch 0"]]:
        """The output of each step alone."""
        outputs = jax.nn.relu(self.layer(inputs)).astype(jnp.float32)
        return outputs, jnp.zeros((*forget.shape, 0))
