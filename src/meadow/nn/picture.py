"""Picture: an image through four 3x3 convolutions of stride 2.

References: the image encoder of Nikulin et al., XLand-MiniGrid, 2023; theirs takes 0 to 255 as it
is, ours 0 to 1, which the orthogonal start is made for.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, DTypeLike, Float, Key, UInt8

from meadow.core.errors import SpecError
from meadow.nn.convolution import convolution
from meadow.nn.encoder import AbstractEncoder

CHANNELS = (16, 32, 32, 32)
SMALLEST = 2 ** (len(CHANNELS) + 1) - 1  # what leaves one pixel after the last layer

_orthogonal = jax.nn.initializers.orthogonal(2**0.5)


class Picture(AbstractEncoder):
    """An RGB image of bytes.

    Args:
        height, width: in pixels.

    Raises:
        SpecError: smaller than four layers can take.
    """

    weights: tuple[Float[Array, "3 3 num_in num_out"], ...]
    biases: tuple[Float[Array, "num_out"], ...]
    size: tuple[int, int] = eqx.field(static=True)

    def __init__(self, height: int, width: int, *, key: Key[Array, ""]):
        if min(height, width) < SMALLEST:
            raise SpecError(
                f"An image of {height}x{width} is too small for {len(CHANNELS)} convolutions of "
                f"stride 2: it takes {SMALLEST} pixels either way. Give tiles more pixels."
            )
        keys = jr.split(key, len(CHANNELS))
        layers = list(zip(keys, (3, *CHANNELS), CHANNELS, strict=False))
        self.weights = tuple(_orthogonal(k, (3, 3, a, b), jnp.float32) for k, a, b in layers)
        self.biases = tuple(jnp.zeros(b) for b in CHANNELS)
        for _ in CHANNELS:
            height, width = (height - 1) // 2, (width - 1) // 2
        self.size = (height, width)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.size[0] * self.size[1] * CHANNELS[-1]

    def __call__(
        self, observation: UInt8[Array, "*batch h w 3"], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features of an image."""
        *batch, _, _, _ = observation.shape
        x = observation.reshape(-1, *observation.shape[-3:]).astype(dtype) / 255
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = jax.nn.relu(convolution(x, weight.astype(dtype), 2) + bias.astype(dtype))
        return x.reshape(*batch, -1)
