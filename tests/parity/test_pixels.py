"""Pixels against the peer's, at the 32 pixels a tile that it uses: sprites, agent, light, map."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.envs.xland.draw import image
from meadow.envs.xland.environment import State, XLand
from meadow.envs.xland.pixels import picture
from meadow.envs.xland.sprites import occupied, sprites
from meadow.tasks.grid import grid_task
from meadow.tasks.tiles import NUM_COLOURS, NUM_XLAND, name

SIZE = 32
pytestmark = pytest.mark.parity

# Each colour once and each shape twice, since the peer takes a second for a few sprites.
FEW = sorted(
    {(tile, (5 * tile + shift) % NUM_COLOURS) for tile in range(NUM_XLAND) for shift in (1, 6)}
)
ALL = [(tile, colour) for tile in range(NUM_XLAND) for colour in range(NUM_COLOURS)]


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("xminigrid.rendering.rgb_render")


def drawn(peer, tile: tuple[int, int], *options) -> np.ndarray:
    """A sprite of the peer's as it arrives in a picture, in bytes."""
    return peer.render_tile(tile, *options).astype(np.uint8)


def assert_same_pixels(ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
    """No difference at all."""
    away = np.abs(ours.astype(int) - theirs)
    assert not away.any(), f"{what}: {(away > 0).any(-1).sum()} pixels differ by up to {away.max()}"


@pytest.mark.parametrize(
    "tiles", [FEW, pytest.param(ALL, marks=pytest.mark.slow)], ids=["few", "all"]
)
def test_tiles_are_the_same(peer, tiles):
    for light in (False, True):
        ours = sprites(SIZE, "published", light=light)
        for tile, colour in tiles:
            byte = tile * NUM_COLOURS + colour
            theirs = drawn(peer, (tile, colour), None, light)
            assert_same_pixels(ours[byte], theirs, f"{name(byte)}, lightened: {light}")


@pytest.mark.parametrize(
    "tiles", [FEW[::5], pytest.param(ALL, marks=pytest.mark.slow)], ids=["few", "all"]
)
def test_the_agent_is_the_same(peer, tiles):
    for direction, light in ((0, False), (0, True), (1, True), (2, True), (3, True)):
        ours = occupied(SIZE, direction, "published", light=light)
        for tile, colour in tiles[direction::2]:
            byte = tile * NUM_COLOURS + colour
            theirs = drawn(peer, (tile, colour), direction, light)
            assert_same_pixels(ours[byte], theirs, f"agent facing {direction} on {name(byte)}")


def test_a_map_is_the_same(peer):
    from xminigrid.types import AgentState

    environment = XLand("R2", 5, 5, view_size=3)
    task = grid_task(("agent_hold", "red ball"), (), ("red ball", "blue key"))
    state: State = jax.jit(environment.reset)(task, key=jax.random.key(3))[0]
    cells = environment.board.cells()
    place = np.argwhere(cells == int(state.position))[0]
    grid = np.stack(np.divmod(np.asarray(state.grid)[cells], NUM_COLOURS), -1)
    agent = AgentState(position=place, direction=np.int32(state.direction))
    theirs = peer.render(grid, agent, environment.view_size, SIZE)
    assert_same_pixels(image(environment, state, SIZE, "published"), theirs, "the whole map")


def test_an_observation_is_laid_out_the_same(peer):
    view = np.array(
        [[24, 12 + 7, 0], [36 + 1, 12 + 7, 72 + 2], [24 + 6, 120 + 1, 12 + 7]], np.uint8
    )
    rows = [
        np.concatenate(
            [
                drawn(peer, divmod(int(byte), NUM_COLOURS), 0 if (y, x) == (2, 1) else None)
                for x, byte in enumerate(row)
            ],
            axis=1,
        )
        for y, row in enumerate(view)
    ]
    ours = np.asarray(picture(jnp.asarray(view), SIZE))
    assert_same_pixels(ours, np.concatenate(rows), "the view, sprite by sprite")
