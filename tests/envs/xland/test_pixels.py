"""Pixels: the view as a picture, on the device."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError, UnknownNameError
from meadow.envs.xland.draw import view_image
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.pixels import Pixels, picture
from meadow.tasks.tiles import NUM_BYTES

SMALL = XLand("R1", 5, 7, view_size=3, max_steps=6, observe=("pocket",))
DRAW = jax.jit(picture, static_argnums=(1, 2))


@pytest.mark.parametrize("size, look", [(7, "published"), (12, "meadow")])
def test_the_device_draws_what_the_host_draws(size: int, look: str):
    rng = np.random.default_rng(size)
    views = rng.integers(0, NUM_BYTES, (8, 5, 5)).astype(np.uint8)
    drawn = np.asarray(DRAW(jnp.asarray(views), size, look))
    assert drawn.shape == (8, 5 * size, 5 * size, 3) and drawn.dtype == np.uint8
    for view, mine in zip(views, drawn, strict=True):
        assert (mine == view_image(view, size, look)).all(), "host and device draw differently"


def test_only_the_view_is_changed(chain):
    shown = Pixels(SMALL, tile=8)

    @jax.jit
    def lived(task, key):
        def live(environment):
            begun = environment.reset(task, key=key)
            return begun, environment.step(begun[0], task, jnp.int32(0), key=key)

        return live(SMALL), live(shown)

    for (state, plain), (other, seen) in zip(*lived(chain, jr.key(0)), strict=True):
        view = seen.observation.pop("view")
        expected = DRAW(plain.observation.pop("view"), 8, "published")
        same = jax.tree.map(jnp.array_equal, (state, plain), (other, seen))
        assert jax.tree.all(same), "pictures change nothing else"
        assert jnp.array_equal(view, expected), "`view` is the picture of the view"
    assert shown.action_spec == SMALL.action_spec


def test_bad_sprites_are_refused_at_the_door():
    with pytest.raises(SpecError, match="at least 4 pixels"):
        Pixels(SMALL, tile=3)
    with pytest.raises(UnknownNameError, match="look called 'pretty'"):
        Pixels(SMALL, look="pretty")
