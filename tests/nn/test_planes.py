"""Planes: a convolution in either form, any leading axes, half precision close."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.nn.actor_critic import actor_critic
from meadow.nn.plan import Plan
from meadow.nn.planes import Planes

# A view of a few kernels is spread into one matrix, a map of many is convolved.
SHAPES = {"a view": (5, 4, 2), "a map": (9, 7, 3)}


def seen(shape: tuple[int, ...]) -> jax.Array:
    return jr.bernoulli(jr.key(1), 0.5, (2, 3, *shape))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_is_a_convolution(shape):
    encoder = Planes(shape, 4, key=jr.key(0))
    x = np.asarray(seen(shape), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    weight = np.asarray(encoder.layer.weight).reshape(3, 3, shape[2], 4)
    expected = np.maximum(np.einsum("bthwcij,ijcd->bthwd", windows, weight), 0).reshape(2, 3, -1)
    got = jax.jit(lambda x: encoder(x))(seen(shape))
    assert got.shape == (2, 3, encoder.width), "leading axes are kept, `width` is what it says"
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(encoder(seen(shape)[1, 2]), expected[1, 2], atol=1e-5)
    half = np.asarray(encoder(seen(shape), "bfloat16"), np.float32)
    assert 0 < np.abs(half - got).max() < 0.03 * np.abs(got).max(), "close in half precision"


def test_without_filters_it_is_one_layer():
    encoder = Planes((5, 4, 2), 0, features=7, key=jr.key(0))
    x = seen((5, 4, 2)).reshape(2, 3, -1).astype(jnp.float32)
    expected = jax.nn.relu(x @ encoder.layer.weight)
    assert encoder.width == 7, "`features` wide"
    np.testing.assert_allclose(encoder(seen((5, 4, 2))), expected, atol=1e-5)


def test_a_plan_takes_maps_of_booleans():
    view = seen((5, 5, 2))[0, 0]

    def build(seen, action_spec, *, key):
        return actor_critic(Plan(memory=4), seen, action_spec, key=key)

    network = jax.eval_shape(lambda key: build({"view": view}, Discrete(3), key=key), jr.key(0))
    assert network.trunk.encoders["view"].width == 144, "16 filters of 3x3 over a view of 5x5"
    with pytest.raises(SpecError, match="map of 2x5 is smaller than a convolution of 3x3"):
        build({"view": view[:2]}, Discrete(3), key=jr.key(0))
