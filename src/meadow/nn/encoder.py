"""Encoders: from what is observed to a vector of features; any leading axes.

Layers work in the precision that is asked for. Embeddings are float32 in any, and so is what stands
for a byte: 0 or 1, which every precision holds exactly.
"""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, DTypeLike, Float, Key, PyTree, Shaped, UInt8

from meadow.nn.dense import Dense
from meadow.nn.product import product

TILES = 16  # of all grid worlds: XLand's 13, lava and boxes
_COLOURS = 12  # a byte is tile * 12 + colour


class AbstractEncoder(eqx.Module):
    """Observation to features."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Number of features."""

    @abc.abstractmethod
    def __call__(
        self, observation: PyTree, dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features, worked out in `dtype`; the observation may have any leading axes."""


class Cells(eqx.Module):
    """An embedding of bytes: one vector for the tile and one for the colour, side by side.

    A tile beyond the first `num` has its colour alone.
    """

    tiles: Float[Array, "tiles half"]
    colours: Float[Array, "colours half"]

    def __init__(self, width: int, num: int = TILES, *, key: Key[Array, ""]):
        key_tiles, key_colours = jr.split(key)
        self.tiles = jr.normal(key_tiles, (num, width // 2))
        self.colours = jr.normal(key_colours, (_COLOURS, width // 2))

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
        self,
        size: int,
        embedding: int,
        channels: tuple[int, ...],
        tiles: int = TILES,
        *,
        key: Key[Array, ""],
    ):
        key, key_cells = jr.split(key)
        self.cells = Cells(embedding, tiles, key=key_cells)
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

    def __call__(
        self, observation: UInt8[Array, "*batch v v"], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features of a view."""
        # Places lead and the batch follows, so that a shifted copy is made of long runs.
        x = _codes(jnp.moveaxis(observation, (-2, -1), (0, 1)), len(self.cells.tiles), dtype)
        first, *later = self.layers
        weight = self._weight_of_codes().astype(dtype)
        x = jax.nn.relu(product(_patches(x), weight, dtype) + first.bias.astype(dtype))
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
    tiles: int = eqx.field(static=True)

    def __init__(
        self, shape: tuple[int, ...], width: int, tiles: int = TILES, *, key: Key[Array, ""]
    ):
        self.layer = Dense(math.prod(shape) * (tiles + _COLOURS), width, key=key)
        self.axes, self.tiles = len(shape), tiles

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(
        self, observation: UInt8[Array, "..."], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features."""
        batch = observation.shape[: observation.ndim - self.axes]
        flat = _codes(observation, self.tiles, dtype).reshape(*batch, -1)
        return jax.nn.relu(self.layer(flat))


class Facts(AbstractEncoder):
    """What is usually hidden, told: a goal, or rules. Each is a row of bytes that mean different
    things.

    A kind is told as its eight bits, each of which says something, a tile as a one-hot tile beside
    a one-hot colour, a place as its bits. Every row goes through the same layer, so that what a
    rule says is learnt once and not once for each place in the list; a second layer reads all rows.

    References: the context embedding of Nikulin et al., XLand-100B, 2024, has one embedding for
    every byte instead.
    """

    row: Dense
    layer: Dense
    columns: str = eqx.field(static=True)
    axes: int = eqx.field(static=True)
    tiles: int = eqx.field(static=True)

    def __init__(
        self,
        columns: str,
        shape: tuple[int, ...],
        width: int,
        tiles: int = TILES,
        *,
        key: Key[Array, ""],
    ):
        """`columns` has a letter for each byte of a row: t for a tile, b for bits."""
        key_row, key_layer = jr.split(key)
        size = sum(tiles + _COLOURS if letter == "t" else 8 for letter in columns)
        self.row = Dense(size, width, key=key_row)
        self.layer = Dense(math.prod(shape[:-1]) * width, width, key=key_layer)
        self.columns, self.axes, self.tiles = columns, len(shape), tiles

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(
        self, observation: UInt8[Array, "..."], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features of a row `[*batch, columns]`, or of several `[*batch, rows, columns]`."""
        batch = observation.shape[: observation.ndim - self.axes]
        columns = zip(self.columns, jnp.moveaxis(observation, -1, 0), strict=True)
        told = [
            _codes(column, self.tiles, dtype) if letter == "t" else _bits(column, dtype)
            for letter, column in columns
        ]
        rows = jax.nn.relu(self.row(jnp.concatenate(told, axis=-1)))
        return jax.nn.relu(self.layer(rows.reshape(*batch, -1)))


class Numbers(AbstractEncoder):
    """Numbers of any shape, through one dense layer."""

    layer: Dense
    axes: int = eqx.field(static=True)

    def __init__(self, shape: tuple[int, ...], width: int, *, key: Key[Array, ""]):
        self.layer = Dense(math.prod(shape), width, key=key)
        self.axes = len(shape)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(
        self, observation: Shaped[Array, "..."], dtype: DTypeLike = jnp.float32
    ) -> Float[Array, "*batch width"]:
        """The features."""
        batch = observation.shape[: observation.ndim - self.axes]
        return jax.nn.relu(self.layer(observation.reshape(*batch, -1).astype(dtype)))


def _codes(
    observation: UInt8[Array, "*batch"], tiles: int, dtype: DTypeLike
) -> Float[Array, "*batch codes"]:
    """A one-hot tile beside a one-hot colour."""
    tile, colour = observation // _COLOURS, observation % _COLOURS
    parts = [
        part[..., None] == jnp.arange(num, dtype=jnp.uint8)
        for part, num in ((tile, tiles), (colour, _COLOURS))
    ]
    return jnp.concatenate(parts, axis=-1).astype(dtype)


def _bits(observation: UInt8[Array, "*batch"], dtype: DTypeLike) -> Float[Array, "*batch 8"]:
    """A byte as its bits, the lowest first."""
    return ((observation[..., None] >> jnp.arange(8, dtype=jnp.uint8)) & 1).astype(dtype)


def _patches(x: Float[Array, "h w *batch c"]) -> Float[Array, "h-1 w-1 *batch 4*c"]:
    """Every 2x2 patch laid out in one row."""
    h, w = x.shape[0] - 1, x.shape[1] - 1
    shifted = [x[i : i + h, j : j + w] for i in (0, 1) for j in (0, 1)]
    return jnp.concatenate(shifted, axis=-1)
