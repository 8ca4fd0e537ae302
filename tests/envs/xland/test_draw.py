"""Draw: the picture shows the map, the agent, and what it sees."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.envs.xland.draw import image, map_of, view_image, view_of, view_window
from meadow.envs.xland.environment import State, XLand
from meadow.envs.xland.sprites import AGENT, occupied, sprites
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.tiles import parse


def cell(picture: np.ndarray, y: int, x: int, size: int) -> np.ndarray:
    """The pixels of one tile."""
    return picture[y * size : (y + 1) * size, x * size : (x + 1) * size]


def test_every_cell_shows_its_tile(small: XLand, place: Callable[..., State]):
    things = {(1, 1): "green star", (3, 5): "yellow key", (0, 2): "red closed door"}
    state = place(things, agent=(3, 1), direction=2)
    picture, seen = image(small, state, 16), view_window(small, state)
    assert picture.shape == (5 * 16, 7 * 16, 3) and picture.dtype == np.uint8
    for y, x in np.argwhere(~seen):
        tile = sprites(16)[map_of(small, state)[y, x]]
        assert (cell(picture, y, x, 16) == tile).all(), f"cell {(y, x)} shows another tile"
    assert map_of(small, state)[1, 1] == parse("green star"), "things lie where they were put"


@pytest.mark.parametrize("direction", range(4))
def test_the_agent_stands_on_its_cell_and_the_view_is_lightened(
    small: XLand, place: Callable[..., State], direction: int
):
    state = place({}, agent=(2, 3), direction=direction)
    picture, seen = image(small, state, 16), view_window(small, state)
    assert seen.sum() == 9 and seen[2, 3], "nine cells are seen, the agent's own among them"
    assert (cell(picture, 2, 3, 16)[8, 8] == AGENT).all(), "the agent is drawn"
    seen[2, 3] = False
    for y, x in np.argwhere(seen):
        plain = sprites(16)[map_of(small, state)[y, x]].astype(int)
        expected = plain + 0.2 * (255 - plain)
        away = np.abs(cell(picture, y, x, 16) - expected).max()
        assert away <= 1, f"cell {(y, x)} is not a fifth nearer to white"


@pytest.fixture(scope="module")
def reset(small: XLand) -> Callable:
    return eqx.filter_jit(small.reset)


@pytest.mark.parametrize("seed", range(6))
def test_the_view_is_what_the_agent_observes(
    small: XLand, chain: GridTask, reset: Callable, seed: int
):
    state, timestep = reset(chain, key=jr.key(seed))
    observed = np.asarray(timestep.observation["view"])
    assert (view_of(small, state) == observed).all(), "the picture shows another view"


def test_a_view_has_the_agent_at_the_bottom_centre_looking_up():
    view = np.full((3, 3), parse("floor"), np.uint8)
    view[0, 2] = parse("pink hex")
    picture = view_image(view, 20)
    assert (cell(picture, 0, 2, 20) == sprites(20)[parse("pink hex")]).all(), "tiles in place"
    here = cell(picture, 2, 1, 20)
    assert (here == occupied(20, 0)[parse("floor")]).all(), "the agent faces up"
    assert (cell(picture, 1, 1, 20) == sprites(20)[parse("floor")]).all(), "and is there once"


def test_what_is_hidden_is_not_lightened(place: Callable[..., State]):
    blinkered = XLand("R1", 5, 7, view_size=3, max_steps=6, occlude=True)
    state = place({(2, 2): "red closed door", (2, 3): "grey wall", (2, 4): "grey wall"}, (3, 3))
    seen = view_window(blinkered, state)
    assert seen[2, 2:5].all() and not seen[1].any(), "the wall is seen, nothing behind it"
    _, timestep = jax.jit(blinkered.step)(state, grid_task(("empty",)), jnp.int32(5), key=jr.key(0))
    observed = np.asarray(timestep.observation["view"])
    assert (view_of(blinkered, state) == observed).all() and not observed[0].any()


def test_a_batch_is_refused_with_a_way_out(small: XLand, place: Callable[..., State]):
    batch = jax.tree.map(lambda x: jnp.stack([x, x]), place({}))
    with pytest.raises(SpecError, match=r"Expected one state.*jax.tree.map"):
        image(small, batch)


def test_a_state_of_another_map_is_refused(place: Callable[..., State]):
    with pytest.raises(SpecError, match="9x9 map"):
        image(XLand("R1", 9, 9, 3), place({}))
