"""Tiles: every byte has a name, and every name is one byte."""

import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks import tiles


def test_pack_and_unpack_are_inverse():
    for byte in range(tiles.NUM_BYTES):
        assert tiles.pack(*tiles.unpack(byte)) == byte, "pack(unpack(byte)) is the byte"


def test_names_are_inverse_and_distinct():
    names = [tiles.name(byte) for byte in range(tiles.NUM_BYTES)]
    assert len(set(names)) == tiles.NUM_BYTES, "no two tiles have one name"
    assert [tiles.parse(name) for name in names] == list(range(tiles.NUM_BYTES)), (
        "parse(name(byte)) is the byte"
    )


def test_published_ids():
    assert tiles.pack("ball", "red") == 3 * 12 + 1, "a byte is tile * 12 + colour"
    assert (tiles.EMPTY, tiles.FLOOR, tiles.WALL) == (0, 1 * 12 + 7, 2 * 12 + 6), (
        "floor is black and walls are grey"
    )


@pytest.mark.parametrize(
    ("table", "count"), [(tiles.WALKABLE, 3), (tiles.PICKABLE, 6), (tiles.OPAQUE, 3)]
)
def test_tables_know_tiles_and_ignore_colours(table, count):
    by_tile = table.reshape(tiles.NUM_TILES, tiles.NUM_COLOURS)
    assert (by_tile == by_tile[:, :1]).all(), "the colour does not matter"
    assert by_tile[:, 0].sum() == count, "as many tiles as published have the property"


def test_nothing_is_both_walkable_and_pickable_or_opaque():
    assert not np.any(tiles.WALKABLE & (tiles.PICKABLE | tiles.OPAQUE))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tiles.parse("red bal"), "Did you mean 'ball'"),
        (lambda: tiles.parse("redd ball"), "Did you mean 'red'"),
        (lambda: tiles.pack(16, 0), "Expected a tile id in 0..15, got 16"),
        (lambda: tiles.pack(0, -1), "Expected a colour id in 0..11, got -1"),
    ],
)
def test_wrong_tiles_are_explained(call, message):
    with pytest.raises(TaskError, match=message):
        call()
