"""Pixels: the view as a picture, on the device."""

from functools import partial

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
    for verb in ("reset", "step"):
        if verb == "reset":
            both = [jax.jit(e.reset)(chain, key=jr.key(0)) for e in (SMALL, shown)]
        else:
            step = [jax.jit(partial(e.step, key=jr.key(0))) for e in (SMALL, shown)]
            both = [step(both[0][0], chain, jnp.int32(0)) for step in step]
        (state, plain), (other, seen) = both
        view = seen.observation.pop("view")
        expected = DRAW(plain.observation.pop("view"), 8, "published")
        assert jax.tree.all(jax.tree.map(jnp.array_equal, (state, plain), (other, seen))), verb
        assert jnp.array_equal(view, expected), f"`view` after {verb} is the picture of the view"
    assert shown.action_spec == SMALL.action_spec


def test_bad_sprites_are_refused_at_the_door():
    with pytest.raises(SpecError, match="at least 4 pixels"):
        Pixels(SMALL, tile=3)
    with pytest.raises(UnknownNameError, match="look called 'pretty'"):
        Pixels(SMALL, look="pretty")
