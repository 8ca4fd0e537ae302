"""Text: the terminal shows what the picture shows."""

from collections.abc import Callable

import pytest
from rich.cells import cell_len

from meadow.envs.xland.environment import State, XLand
from meadow.envs.xland.text import map_text, status, text
from meadow.tasks.tiles import COLOURS, TILES

PLAIN = """\
##############
##*g. : : : ##
##. . : ^^: ##
##. . . . ky##
####+r########
facing up   holding nothing   step 0/6"""


def test_plain_text_is_ascii_and_complete(small: XLand, place: Callable[..., State]):
    things = {(1, 1): "green star", (3, 5): "yellow key", (4, 2): "red closed door"}
    state = place(things, agent=(2, 4))
    # The row above the map's first free one is wall, whether seen or not.
    assert str(text(small, state, plain=True)) == PLAIN


@pytest.mark.parametrize("direction, arrow", [(0, "^^"), (1, ">>"), (2, "vv"), (3, "<<")])
def test_the_arrow_points_where_the_agent_looks(
    small: XLand, place: Callable[..., State], direction: int, arrow: str
):
    state = place({}, agent=(2, 3), direction=direction)
    row = str(map_text(small, state, plain=True)).splitlines()[2]
    assert row[6:8] == arrow, f"expected {arrow} at column 3 of {row!r}"
    assert sum(mark in row for mark in ("^^", ">>", "vv", "<<")) == 1


@pytest.mark.parametrize("plain", [False, True])
def test_every_tile_is_two_columns_wide_and_unlike_the_others(
    small: XLand, place: Callable[..., State], plain: bool
):
    looks = set()
    things = [f"{colour} {tile}" for tile in TILES[1:] for colour in COLOURS[1:]]
    for thing in things:
        drawn = map_text(small, place({(3, 1): thing}, agent=(1, 5)), plain=plain)
        rows = drawn.split("\n")
        assert all(cell_len(row.plain) == 14 for row in rows), f"{thing} breaks the columns"
        if plain:
            assert drawn.plain.isascii(), f"{thing} is not ASCII"
        looks.add((rows[3].plain[2:4], str(rows[3].spans[1].style if rows[3].spans else "")))
    assert len(looks) == len(things), "two tiles look alike"


def test_colours_are_those_of_the_tiles(small: XLand, place: Callable[..., State]):
    drawn = map_text(small, place({(3, 1): "yellow ball", (1, 1): "red ball"}, agent=(1, 5)))
    styles = {str(span.style) for span in drawn.spans}
    assert "#ffff40 on #000000" in styles, "a yellow ball is yellow, a quarter nearer to white"
    assert "#ff4040 on #000000" in styles, "and a red one red"
    assert any(style.endswith("on #333333") for style in styles), "the view is lightened"


def test_status_says_what_the_map_cannot(small: XLand, place: Callable[..., State]):
    state = place({}, direction=3)
    assert [str(line) for line in status(small, state)] == [
        "facing left",
        "holding nothing",
        "step 0/6",
    ]
