"""Picture: the convolutions it says, any leading axes, half precision close."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.nn.actor_critic import actor_critic
from meadow.nn.picture import Picture
from meadow.nn.plan import Plan

SEEN = jr.randint(jr.key(1), (2, 3, 33, 47, 3), 0, 256).astype(jnp.uint8)


@pytest.fixture(scope="module")
def encoder() -> Picture:
    return Picture(33, 47, key=jr.key(0))


def windows(x: np.ndarray) -> np.ndarray:
    """Every second 3x3 window, `[h, w, 3, 3, c]`."""
    every = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))
    return np.moveaxis(every[::2, ::2], 2, -1)


def test_it_is_four_convolutions(encoder):
    x = np.asarray(SEEN[1, 2], np.float32) / 255
    for weight, bias in zip(encoder.weights, encoder.biases, strict=True):
        x = np.maximum(np.einsum("hwijc,ijcd->hwd", windows(x), weight) + bias, 0)
    got = jax.jit(lambda seen: encoder(seen))(SEEN)
    assert got.shape == (2, 3, encoder.width), "leading axes are kept, `width` is what it says"
    np.testing.assert_allclose(got[1, 2], x.reshape(-1), atol=1e-5)
    half = np.asarray(jax.jit(lambda seen: encoder(seen, "bfloat16"))(SEEN), np.float32)
    assert 0 < np.abs(half - got).max() < 0.03 * np.abs(got).max(), "close in half precision"


def test_a_plan_takes_pictures():
    network = actor_critic(Plan(memory=4), {"view": SEEN[0, 0]}, Discrete(2), key=jr.key(0))
    assert isinstance(network.trunk.encoders["view"], Picture)


def test_a_picture_too_small_is_refused():
    assert Picture(31, 31, key=jr.key(0)).width == 32, "one pixel is left"
    with pytest.raises(SpecError, match="image of 30x40 is too small"):
        Picture(30, 40, key=jr.key(0))
