"""Encoders: from what is observed to a vector of features; any leading axes."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree, UInt8

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

    def __call__(self, cells: UInt8[Array, "*batch"]) -> Float[Array, "*batch width"]:
        """Look both up."""
        tile, colour = cells // _NUM_COLOURS, cells % _NUM_COLOURS
        return jnp.concatenate([self.tiles[tile], self.colours[colour]], axis=-1)


class Convolutional(AbstractEncoder):
    """A view of bytes through 2x2 convolutions, as XLand-MiniGrid's baseline sees it.

    A 2x2 convolution is a dense layer on four shifted copies, which XLA multiplies faster than a
    convolution of this size.
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
        x = self.cells(observation)
        for layer in self.layers:
            x = jax.nn.relu(layer(_patches(x)))
        return x.reshape(*x.shape[:-3], -1)


class Codes(AbstractEncoder):
    """A view of bytes, each cell as a one-hot tile beside a one-hot colour, through one dense
    layer: nothing to look up and nothing to scatter, so quick on a CPU."""

    layer: Dense

    def __init__(self, size: int, width: int, *, key: Key[Array, ""]):
        self.layer = Dense(size * size * (_NUM_TILES + _NUM_COLOURS), width, key=key)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(self, observation: UInt8[Array, "*batch v v"]) -> Float[Array, "*batch width"]:
        """The features of a view."""
        tile, colour = observation // _NUM_COLOURS, observation % _NUM_COLOURS
        code = jnp.concatenate(
            [
                tile[..., None] == jnp.arange(_NUM_TILES, dtype=jnp.uint8),
                colour[..., None] == jnp.arange(_NUM_COLOURS, dtype=jnp.uint8),
            ],
            axis=-1,
        )
        flat = code.reshape(*code.shape[:-3], -1).astype(jnp.float32)
        return jax.nn.relu(self.layer(flat))


class Bits(AbstractEncoder):
    """A view of bytes, each cell as the four bits of its tile and the four of its colour, through
    one dense layer: nothing to look up, so small and quick on a CPU."""

    layer: Dense

    def __init__(self, size: int, width: int, *, key: Key[Array, ""]):
        self.layer = Dense(size * size * 8, width, key=key)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(self, observation: UInt8[Array, "*batch v v"]) -> Float[Array, "*batch width"]:
        """The features of a view."""
        tile, colour = observation // _NUM_COLOURS, observation % _NUM_COLOURS
        code = (tile << 4 | colour)[..., None] >> jnp.arange(8, dtype=jnp.uint8) & 1
        flat = code.reshape(*code.shape[:-3], -1).astype(jnp.float32)
        return jax.nn.relu(self.layer(flat))


class Numbers(AbstractEncoder):
    """A vector of numbers through one dense layer."""

    layer: Dense

    def __init__(self, num_in: int, width: int, *, key: Key[Array, ""]):
        self.layer = Dense(num_in, width, key=key)

    @property
    def width(self) -> int:
        """Number of features."""
        return self.layer.bias.shape[0]

    def __call__(self, observation: Float[Array, "*batch num_in"]) -> Float[Array, "*batch width"]:
        """The features of a vector."""
        return jax.nn.relu(self.layer(observation.astype(jnp.float32)))


def _patches(x: Float[Array, "*batch h w c"]) -> Float[Array, "*batch h-1 w-1 4*c"]:
    """Every 2x2 patch laid out in one row."""
    h, w = x.shape[-3] - 1, x.shape[-2] - 1
    shifted = [x[..., i : i + h, j : j + w, :] for i in (0, 1) for j in (0, 1)]
    return jnp.concatenate(shifted, axis=-1)
