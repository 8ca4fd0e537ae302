"""Encoders: widths, leading axes, and the two ways of saying the same product."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.nn.encoder import Bytes, Convolutional, Facts, Numbers

BYTES = 156

ENCODERS = {
    "convolutional": (Convolutional(5, 8, (4, 6, 3), key=jr.key(0)), (5, 5), 2 * 2 * 3),
    "one layer": (Convolutional(3, 4, (5,), key=jr.key(0)), (3, 3), 2 * 2 * 5),
    "bytes": (Bytes((3, 3), 7, key=jr.key(0)), (3, 3), 7),
    "a goal": (Facts("bttbb", (5,), 7, key=jr.key(0)), (5,), 7),
    "rules": (Facts("bttt", (3, 4), 7, key=jr.key(0)), (3, 4), 7),
    "a byte": (Bytes((), 7, key=jr.key(0)), (), 7),
    "numbers": (Numbers((4,), 7, key=jr.key(0)), (4,), 7),
    "a number": (Numbers((), 7, key=jr.key(0)), (), 7),
}


def observed(shape: tuple[int, ...]) -> jax.Array:
    return jr.randint(jr.key(1), shape, 0, BYTES).astype(jnp.uint8)


@pytest.mark.parametrize(("encoder", "shape", "width"), ENCODERS.values(), ids=ENCODERS)
def test_any_leading_axes(encoder, shape, width):
    seen = observed((2, 3, *shape))
    together = encoder(seen)
    assert encoder.width == width, "`width` is not the number of features"
    assert together.shape == (2, 3, width), "leading axes are not kept"
    apart = np.stack([[encoder(seen[i, j]) for j in range(3)] for i in range(2)])
    np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-5)
    assert np.ptp(apart, axis=(0, 1)).max() > 0, "what is seen makes no difference"


def test_convolutions_are_convolutions_of_embeddings():
    encoder, shape, _ = ENCODERS["convolutional"]
    seen = observed((6, *shape))
    cells = encoder.cells
    x = jnp.concatenate([cells.tiles[seen // 12], cells.colours[seen % 12]], axis=-1)
    for layer in encoder.layers:
        kernel = layer.weight.reshape(2, 2, x.shape[-1], -1)
        x = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + layer.bias)
    np.testing.assert_allclose(encoder(seen), x.reshape(6, -1), rtol=1e-4, atol=1e-5)


def test_every_tile_and_colour_is_told_apart():
    encoder, _, _ = ENCODERS["a byte"]
    codes = np.asarray(encoder.layer.weight)
    for byte in (0, 7, 12, 61, 13 * 12 + 1, 14 * 12 + 1):
        expected = jax.nn.relu(codes[byte // 12] + codes[16 + byte % 12] + encoder.layer.bias)
        np.testing.assert_allclose(
            encoder(jnp.uint8(byte)), expected, rtol=1e-6, err_msg=f"byte {byte}"
        )


@pytest.mark.parametrize("name", ["a goal", "rules"])
def test_every_byte_of_a_fact_is_told(name):
    encoder, shape, _ = ENCODERS[name]
    # Both rows of bytes are among kinds, tiles and places alike; a kind may have its highest bit.
    seen = np.full(shape, 13, np.uint8)
    before = encoder(jnp.asarray(seen))
    for where in np.ndindex(shape):
        for byte in (14, 25, 141):
            other = seen.copy()
            other[where] = byte
            assert not np.allclose(encoder(jnp.asarray(other)), before), f"byte {where} = {byte}"


def test_a_rule_is_read_alike_wherever_it_stands():
    encoder = Facts("bttt", (2, 4), 16, key=jr.key(0))
    apart = jnp.asarray(
        [[[17, 40, 0, 60], [0, 0, 0, 0]], [[0, 0, 0, 0], [17, 40, 0, 60]]], jnp.uint8
    )
    alike = jax.tree.map(lambda w: jnp.concatenate([w[:16]] * 2), encoder.layer.weight)
    encoder = eqx.tree_at(lambda e: e.layer.weight, encoder, alike)
    first, second = encoder(apart)
    np.testing.assert_allclose(first, second, rtol=1e-5, err_msg="rows share their layer")


def test_tiles_beyond_those_asked_for_are_known_by_their_colour():
    lava, box = jnp.uint8(13 * 12 + 1), jnp.uint8(14 * 12 + 1)
    xland = Bytes((), 7, 13, key=jr.key(0))
    assert (xland(lava) == xland(box)).all(), "colour alone"
    everything = ENCODERS["a byte"][0]
    assert not np.allclose(everything(lava), everything(box)), "sixteen tiles are told apart"


@pytest.mark.parametrize(("encoder", "shape", "width"), ENCODERS.values(), ids=ENCODERS)
def test_half_precision_is_close(encoder, shape, width):
    seen = observed((8, *shape))
    exact, half = encoder(seen), encoder(seen, "bfloat16")
    assert half.dtype == jnp.bfloat16, "worked out in the precision asked for"
    error = np.abs(np.asarray(half, np.float32) - exact).max()
    assert 0 < error < 0.02 * np.abs(exact).max(), "and close to the exact features"
