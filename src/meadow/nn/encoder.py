"""Encoders: from what is observed to a vector of features; any leading axes."""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree, Shaped, UInt8

from meadow.nn.dense import Dense

_NUM_TILES, _NUM_COLOURS = 13, 12  # a byte is tile * 12 + colour


class AbstractEncoder(eqx.Module):
    """Observation to features."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Number of features."""

    @abc.abstractmethod
    def __call__(self, observation: PyTree) -> Float[Array, "*batch width"]:
        """The features; the observation may have any leading axes."""


class Cells(eqx.Module):
    """An embedding of bytes: one vector for the tile and one for the colour, side by side."""

    tiles: Float[Array, "tiles half"]
    colours: Float[Array, "colours half"]

    def __init__(self, width: int, *, key: Key[Array, ""]):
        key_tiles, key_colours = jr.split(key)
        self.tiles = jr.normal(key_tiles, (_NUM_TILES, width // 2))
        self.colours = jr.normal(key_colours, (_NUM_COLOURS, width // 2))

    @property
    def table(self) -> Float[Array, "codes width"]:
        """What each place of a byte's code adds to its embedding."""
        return jax.scipy.linalg.block_diag(self.tiles, self.colours)


class Convolutional(AbstractEncoder):
    """A view of bytes through 2x2 convolutions, as XLand-MiniGrid's baseline sees it.

    A 2x2 convolution is a dense layer on four shifted copies, which XLA multiplies (and above all
    differentiates) faster on a CPU than a convolution of this size. For the same reason nothing is
    looked up: the embedding is a product with one-hot codes, and made one with the first layer.
    """

    cells: Cells
    layers: tuple[Dense, ...]
    size: int = eqx.field(static=True)

    def __init__(
        self, size: int, embedding: int, channels: tuple[int, ...], *, key: Key[Array, ""]
    ):
        key, key_cells = jr.split(key)
        self.cells = Cells(embedding, key=key_cells)
        widths = (embedding, *channels)
        keys = jr.split(key, len(channels))
        self.layers = tuple(
            Dense(4 * a, b, key=k) for a, b, k in zip(widths, channels, keys, strict=False)
        )
        self.size = size - len(channels)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.size**2 * self.layers[-1].bias.shape[0]

    def __call__(self, observation: UInt8[Array, "*batch v v"]) -> Float[Array, "*batch width"]:
        """The features of a view."""
        # Places lead and the batch follows, so that a shifted copy is made of long runs.
        x = _codes(jnp.moveaxis(observation, (-2, -1), (0, 1)))
        first, *later = self.layers
        x = jax.nn.relu(_patches(x) @ self._weight_of_codes() + first.bias)
        for layer in later:
            x = jax.nn.relu(layer(_patches(x)))
        x = jnp.moveaxis(x, (0, 1), (-3, -2))
        return x.reshape(*x.shape[:-3], -1)

    def _weight_of_codes(self) -> Float[Array, "patch channels"]:
        """The first layer's weight as seen from the codes, embedding included."""
        table, weight = self.cells.table, self.layers[0].weight
        num_codes, width = table.shape
        return (table @ weight.reshape(4, width, -1)).reshape(4 * num_codes, -1)


class Bytes(AbstractEncoder):
    """Bytes of any shape, each as a one-hot tile beside a one-hot colour, through one dense layer.

    Nothing to look up and nothing to scatter back, so it is quick on a CPU.
    """

    layer: Dense
    axes: int = eqx.field(static=True)

    def __init__(self, shape: tuple[int, ...], width: int, *, key: Key[Array, ""]):
        self.layer = Dense(math.prod(shape) * (_NUM_TILES + _NUM_COLOURS), width, key=key)
        self.axes = len(shape)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(self, observation: UInt8[Array, "..."]) -> Float[Array, "*batch width"]:
        """The features."""
        flat = _codes(observation).reshape(*observation.shape[: observation.ndim - self.axes], -1)
        return jax.nn.relu(self.layer(flat))


class Numbers(AbstractEncoder):
    """A vector of numbers, or one number, through one dense layer."""

    layer: Dense
    single: bool = eqx.field(static=True)

    def __init__(self, shape: tuple[int, ...], width: int, *, key: Key[Array, ""]):
        self.layer = Dense(math.prod(shape), width, key=key)
        self.single = not shape

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(self, observation: Shaped[Array, "..."]) -> Float[Array, "*batch width"]:
        """The features of a vector."""
        numbers = observation[..., None] if self.single else observation
        return jax.nn.relu(self.layer(numbers.astype(jnp.float32)))


def _codes(observation: UInt8[Array, "*batch"]) -> Float[Array, "*batch codes"]:
    """A one-hot tile beside a one-hot colour."""
    tile, colour = observation // _NUM_COLOURS, observation % _NUM_COLOURS
    parts = [
        part[..., None] == jnp.arange(num, dtype=jnp.uint8)
        for part, num in ((tile, _NUM_TILES), (colour, _NUM_COLOURS))
    ]
    return jnp.concatenate(parts, axis=-1).astype(jnp.float32)


def _patches(x: Float[Array, "h w *batch c"]) -> Float[Array, "h-1 w-1 *batch 4*c"]:
    """Every 2x2 patch laid out in one row."""
    h, w = x.shape[0] - 1, x.shape[1] - 1
    shifted = [x[i : i + h, j : j + w] for i in (0, 1) for j in (0, 1)]
    return jnp.concatenate(shifted, axis=-1)
