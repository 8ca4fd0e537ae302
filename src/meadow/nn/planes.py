"""Planes: a map of yes and no, `[h, w, planes]`, through one convolution or one dense layer.

References: the student of Jiang et al., minimax, 2023, and Coward et al., JaxUED, 2024: 16 filters
of 3x3 over a view of 5x5; their teachers: 128 over a whole map.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float, Key

from meadow.core.errors import SpecError
from meadow.nn.convolution import convolution
from meadow.nn.dense import Dense
from meadow.nn.encoder import AbstractEncoder
from meadow.nn.product import product


class Planes(AbstractEncoder):
    """A map of booleans through one `kernel x kernel` convolution within its edges.

    A convolution over a map of a few kernels is spread into the one matrix that it is, which XLA
    multiplies, and above all differentiates, two to four times faster on a CPU.

    Args:
        shape: of the map: height, width and planes.
        filters: how many; 0 for one dense layer of `features` over the whole map.
        kernel: cells either way.
        features: width of that layer.

    Raises:
        SpecError: a map smaller than the kernel.
    """

    layer: Dense
    shape: tuple[int, int, int] = eqx.field(static=True)
    kernel: int = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, int, int],
        filters: int = 16,
        kernel: int = 3,
        features: int = 64,
        *,
        key: Key[Array, ""],
    ):
        height, width, planes = shape
        if filters and min(height, width) < kernel:
            raise SpecError(
                f"A map of {height}x{width} is smaller than a convolution of {kernel}x{kernel}. "
                "Give `Plan` a smaller `kernel`, or `planes=0` for one dense layer."
            )
        self.shape, self.kernel = shape, kernel if filters else 0
        size = kernel**2 * planes if filters else math.prod(shape)
        self.layer = Dense(size, filters or features, key=key)

    @property
    def width(self) -> int:
        """Number of features."""
        return math.prod(self._places) * self.layer.bias.shape[0]

    def __call__(
        self, observation: Bool[Array, "*batch h w planes"], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features of a map."""
        x = observation.astype(dtype)
        if not self.kernel:
            return jax.nn.relu(self.layer(x.reshape(*x.shape[:-3], -1)))
        height, width, _ = self.shape
        few = height * width <= 4 * self.kernel**2
        y = self._spread(x) if few else self._convolved(x)
        y = y.reshape(*x.shape[:-3], -1, self.layer.bias.shape[0])
        return jax.nn.relu(y + self.layer.bias.astype(dtype)).reshape(*x.shape[:-3], -1)

    @property
    def _places(self) -> tuple[int, int]:
        """Where a kernel fits."""
        if not self.kernel:
            return 1, 1
        return self.shape[0] - self.kernel + 1, self.shape[1] - self.kernel + 1

    def _spread(self, x: Array) -> Array:
        """The convolution as one product: `[*batch, features]`."""
        weight = self.layer.weight.reshape(self.kernel**2, self.shape[2], -1)
        matrix = jnp.einsum("spk,kcf->scpf", _meeting(self.shape, self.kernel), weight)
        matrix = matrix.reshape(math.prod(self.shape), -1).astype(x.dtype)
        return product(x.reshape(*x.shape[:-3], -1), matrix, x.dtype)

    def _convolved(self, x: Array) -> Array:
        """The convolution as such: `[examples, h, w, filters]`."""
        weight = self.layer.weight.reshape(self.kernel, self.kernel, self.shape[2], -1)
        return convolution(x.reshape(-1, *self.shape), weight.astype(x.dtype), 1)


def _meeting(shape: tuple[int, int, int], kernel: int) -> np.ndarray:
    """Whether a cell of the map meets a cell of the kernel, for each place of the kernel:
    `[map cells, places, kernel cells]`."""

    def along(size: int) -> np.ndarray:
        cell, place, own = np.ogrid[:size, : size - kernel + 1, :kernel]
        return (cell == place + own).astype(np.float32)

    both = np.einsum("ahi,bwj->abhwij", along(shape[0]), along(shape[1]))
    return both.reshape(shape[0] * shape[1], -1, kernel**2)
