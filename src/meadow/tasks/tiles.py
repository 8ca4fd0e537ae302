"""Tiles: one byte says what lies on a cell, `tile * 12 + colour`.

>>> name(pack("ball", "red"))
'red ball'
>>> parse("green key") == pack(7, 2)
True

The first thirteen are XLand's; the others stand in levels only (`meadow.tasks.minigrid`), and in
XLand they are in the way and no more.

References: Nikulin et al., XLand-MiniGrid, 2023, whose ids the first thirteen are.
"""

import difflib

import numpy as np

from meadow.core.errors import TaskError

TILES = (
    "empty", "floor", "wall", "ball", "square", "pyramid", "goal",
    "key", "locked door", "closed door", "open door", "hex", "star",
    "lava", "box", "key box",
)  # fmt: skip
COLOURS = (
    "empty", "red", "green", "blue", "purple", "yellow",
    "grey", "black", "orange", "white", "brown", "pink",
)  # fmt: skip
NUM_TILES, NUM_COLOURS = len(TILES), len(COLOURS)
NUM_XLAND = 13  # so many tiles are XLand's
NUM_BYTES = NUM_TILES * NUM_COLOURS

_WALKABLE = ("floor", "goal", "open door")
_PICKABLE = ("ball", "square", "pyramid", "key", "hex", "star")
_OPAQUE = ("wall", "locked door", "closed door")


def pack(tile: int | str, colour: int | str) -> int:
    """The byte of a tile, both parts by id or by name.

    Raises:
        TaskError: no such tile or colour.
    """
    return _index(tile, TILES, "tile") * NUM_COLOURS + _index(colour, COLOURS, "colour")


def unpack(byte: int) -> tuple[int, int]:
    """The (tile id, colour id) of a byte."""
    return divmod(int(byte), NUM_COLOURS)


def name(byte: int) -> str:
    """What a person calls it: 'red ball', 'floor', 'nothing'."""
    if byte in (EMPTY, FLOOR, WALL):
        return {EMPTY: "nothing", FLOOR: "floor", WALL: "wall"}[int(byte)]
    tile, colour = unpack(byte)
    return f"{COLOURS[colour]} {TILES[tile]}"


def parse(text: str) -> int:
    """The byte of 'red ball', 'floor', 'wall' or 'nothing': the inverse of `name`.

    Raises:
        TaskError: no such tile or colour.
    """
    plain = {"nothing": EMPTY, "floor": FLOOR, "wall": WALL}
    if text in plain:
        return plain[text]
    colour, _, tile = text.partition(" ")
    return pack(tile, colour)


def _index(value: int | str, names: tuple[str, ...], kind: str) -> int:
    if isinstance(value, str):
        if value not in names:
            close = difflib.get_close_matches(value, names, n=1) or [names[1]]
            raise TaskError(
                f"Expected the name of a {kind}, got {value!r}. Did you mean {close[0]!r}? "
                f"Known: {', '.join(names)}."
            )
        return names.index(value)
    if not 0 <= value < len(names):
        raise TaskError(
            f"Expected a {kind} id in 0..{len(names) - 1}, got {value}. "
            f"Ids count in this order: {', '.join(names)}."
        )
    return int(value)


def _table(tiles: tuple[str, ...]) -> np.ndarray:
    """For every byte, whether its tile is one of `tiles`."""
    return np.repeat([tile in tiles for tile in TILES], NUM_COLOURS)


EMPTY, FLOOR, WALL = pack(0, 0), pack("floor", "black"), pack("wall", "grey")
LAVA = pack("lava", "orange")
WALKABLE, PICKABLE, OPAQUE = _table(_WALKABLE), _table(_PICKABLE), _table(_OPAQUE)
IS_FLOOR = _table(("floor",))
