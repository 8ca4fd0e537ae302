"""Nature: frames of a video game through the three convolutions that everybody compares with.

32 filters of 8x8 with stride 4, 64 of 4x4 with stride 2, 64 of 3x3 with stride 1, each with a ReLU.

References: Mnih et al., Human-level control through deep reinforcement learning, 2015.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, DTypeLike, Float, Key, UInt8

from meadow.core.errors import SpecError
from meadow.nn.convolution import convolution
from meadow.nn.encoder import AbstractEncoder

LAYERS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))  # filters, kernel, stride
SMALLEST = 36  # what leaves one place after the last layer

_orthogonal = jax.nn.initializers.orthogonal(2**0.5)


class Nature(AbstractEncoder):
    """Frames of bytes, side by side in the last axis.

    Args:
        shape: height and width in pixels, and frames.

    Raises:
        SpecError: smaller than three layers can take.
    """

    weights: tuple[Float[Array, "_ _ num_in num_out"], ...]
    biases: tuple[Float[Array, "_"], ...]
    size: tuple[int, int] = eqx.field(static=True)

    def __init__(self, shape: tuple[int, int, int], *, key: Key[Array, ""]):
        height, width, num_in = shape
        if min(height, width) < SMALLEST:
            raise SpecError(
                f"Frames of {height}x{width} are too small for convolutions that were made for "
                f"84x84: they take {SMALLEST} pixels either way."
            )
        weights = []
        for k, (filters, kernel, stride) in zip(jr.split(key, len(LAYERS)), LAYERS, strict=True):
            weights.append(_orthogonal(k, (kernel, kernel, num_in, filters), jnp.float32))
            height, width = ((x - kernel) // stride + 1 for x in (height, width))
            num_in = filters
        self.weights = tuple(weights)
        self.biases = tuple(jnp.zeros(filters) for filters, _, _ in LAYERS)
        self.size = (height, width)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.size[0] * self.size[1] * LAYERS[-1][0]

    def __call__(
        self, observation: UInt8[Array, "*batch h w frames"], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features of frames."""
        *batch, _, _, _ = observation.shape
        x = observation.reshape(-1, *observation.shape[-3:]).astype(dtype) / 255
        for weight, bias, (_, _, stride) in zip(self.weights, self.biases, LAYERS, strict=True):
            x = convolution(x, weight.astype(dtype), stride)
            x = jax.nn.relu(x + bias.astype(dtype))
        return x.reshape(*batch, -1)
