"""Sprites: every tile can be told from every other."""

import numpy as np
import pytest

from meadow.core.errors import SpecError, UnknownNameError
from meadow.envs.xland.sprites import AGENT, RGB, agent, occupied, sprites
from meadow.tasks.tiles import COLOURS, NUM_BYTES, NUM_COLOURS, TILES, pack


@pytest.mark.parametrize("size", [12, 32])
def test_no_two_tiles_look_alike(size: int):
    sheet = sprites(size).astype(int).reshape(NUM_BYTES, -1)
    real = [0, *range(NUM_COLOURS, NUM_BYTES)]  # EMPTY has one look in all its colours
    for i, a in enumerate(real):
        away = np.abs(sheet[real[i + 1 :]] - sheet[a]).max(-1)
        assert (away > 15).all(), f"tile byte {a} looks like another at size {size}"


def test_impossible_tiles_raise_the_alarm():
    alarm = sprites(32)[pack("empty", "red")]
    for colour in COLOURS[1:]:
        assert (sprites(32)[pack("empty", colour)] == alarm).all(), f"empty {colour} is quiet"
    assert (sprites(32)[0] != alarm).any(), "outside the map is no alarm"


@pytest.mark.parametrize("tile", ["wall", "ball", "square", "pyramid", "goal", "hex", "star"])
def test_a_shape_has_its_colour_in_the_middle(tile: str):
    for colour, rgb in zip(COLOURS, RGB, strict=True):
        middle = sprites(32)[pack(tile, colour)][16, 16]
        if colour != "black":  # black things are lighter, for the floor is black too
            assert (middle == rgb).all(), f"{colour} {tile} is {middle} inside"


def test_floor_is_half_as_bright_and_has_a_grid_line():
    for colour, rgb in zip(COLOURS, RGB, strict=True):
        floor = sprites(32)[pack("floor", colour)]
        assert np.abs(floor[16, 16] - rgb / 2).max() <= 1, f"{colour} floor is not half as bright"
        assert (floor[0] == 100).all() and (floor[:, 0] == 100).all(), "grid line at top and left"


def test_things_stand_on_the_floor():
    floor = sprites(32)[pack("floor", "black")]
    for tile in ("ball", "square", "pyramid", "key", "hex", "star", "box", "key box"):
        thing = sprites(32)[pack(tile, "red")]
        assert (thing[:2] == floor[:2]).all(), f"{tile} hides the floor's edge"


@pytest.mark.parametrize(
    "direction, towards", [(0, (-1, 0)), (1, (0, 1)), (2, (1, 0)), (3, (0, -1))]
)
def test_the_agent_points_where_it_looks(direction: int, towards: tuple[int, int]):
    alpha = agent(32, direction)[..., 3].astype(float)
    y, x = np.mgrid[:32, :32] - 15.5
    blunt = np.array([(alpha * y).sum(), (alpha * x).sum()]) / alpha.sum()
    assert np.dot(blunt, towards) < -1, "a triangle's weight lies away from its tip"
    assert (agent(32, direction)[16, 16] == (*AGENT, 255)).all(), "and it is red"


def test_cached_pictures_cannot_be_painted_over():
    with pytest.raises(ValueError, match="read-only"):
        sprites(32)[0, 0, 0] = 1


def test_too_small_a_tile_and_an_unknown_look_are_refused():
    with pytest.raises(SpecError, match="at least 4 pixels.*size=2"):
        sprites(2)
    with pytest.raises(UnknownNameError, match="Did you mean 'published'"):
        sprites(8, "publish")


@pytest.mark.parametrize("direction", range(4))
def test_the_agent_on_a_tile_is_the_agent_laid_over_it(direction: int):
    tile, over = sprites(16)[pack("goal", "green")], agent(16, direction).astype(float)
    alpha = over[..., 3:] / 255
    laid = alpha * over[..., :3] + (1 - alpha) * tile
    away = np.abs(occupied(16, direction)[pack("goal", "green")] - laid).max()
    assert away <= 2, "two ways to draw the agent must agree to within rounding"


def test_the_looks_differ_only_where_tiles_could_not_be_told():
    meadow, published = sprites(16), sprites(16, "published")
    differ = (meadow != published).any((1, 2, 3)).reshape(len(TILES), len(COLOURS))
    differ[TILES.index("empty")] = differ[TILES.index("goal")] = False
    differ[:, [COLOURS.index("black"), COLOURS.index("empty")]] = False
    assert not differ.any(), "EMPTY, goals, black things, and the colour that nothing has"


def test_every_tile_has_a_shape():
    assert len(sprites(8)) == len(TILES) * len(COLOURS) == 192, "16 tiles in 12 colours"
