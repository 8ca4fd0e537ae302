"""Sprites: what every tile and the agent look like, as small square pictures.

A shape is drawn once, large, as two grey pictures, and then coloured for all colours at once:

    pixel = ink * colour + (1 - cover) * floor

`cover` says where the shape hides the floor, `ink` how much of its colour shows there.

References: Chevalier-Boisvert et al., MiniGrid, 2023, for the shapes of keys and doors; Nikulin et
al., XLand-MiniGrid, 2023, for the others and the colours.
"""

import functools
import math

import numpy as np
from jaxtyping import Float, UInt8

from meadow.core.errors import SpecError
from meadow.tasks.tiles import COLOURS, NUM_BYTES, NUM_COLOURS, TILES

Number = int | float

RGB = np.array(
    [
        (0, 170, 170),  # no published task has a thing of the colour "empty"
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (112, 39, 195),
        (255, 255, 0),
        (100, 100, 100),
        (0, 0, 0),
        (255, 140, 0),
        (255, 255, 255),
        (160, 82, 45),
        (225, 20, 147),
    ],
    np.uint8,
)  # fmt: skip
GRID_LINE = (100, 100, 100)
AGENT = (255, 0, 0)

_LINE = 0.031  # width of the grid line, in tiles
_FINE = 4  # drawn so many times larger, then averaged
_BLACK, _SHEEN = COLOURS.index("black"), 36
_NOTHING = ((248, 248, 246), (228, 228, 224))  # paper and hatching of what is outside the map
_ALARM = ((255, 255, 255), (255, 0, 0))


@functools.lru_cache(maxsize=8)
def sprites(size: int) -> UInt8[np.ndarray, "192 size size 3"]:
    """Every tile in every colour: index it with tile bytes. Cached, and not to be written to.

    EMPTY is quiet hatching, since every view at a wall shows much of it; EMPTY in a colour, which
    nothing should ever make, is a red exclamation mark.

    Args:
        size: pixels across, at least 4.
    """
    if size < 4:
        raise SpecError(f"A tile needs at least 4 pixels to be told from others, got size={size}.")
    sheet = np.empty((len(TILES), NUM_COLOURS, size, size, 3), np.float32)
    floor = np.zeros((size, size, 3)) + _grid_line(size)[..., None] * GRID_LINE
    for tile, name in enumerate(TILES[1:], start=1):
        ink, cover, rim = _SHAPES[name](_Pen(size)).layers()
        sheet[tile] = ink[..., None] * RGB[:, None, None] + (1 - cover)[..., None] * floor
        if name not in ("floor", "wall"):  # else black on black
            sheet[tile, _BLACK] += ink[..., None] * _SHEEN + rim[..., None] * GRID_LINE
    sheet[0] = _exclamation(size)
    sheet[0, 0] = _hatching(size)
    finished = np.clip(sheet.round(), 0, 255).astype(np.uint8).reshape(NUM_BYTES, size, size, 3)
    finished.setflags(write=False)
    return finished


@functools.lru_cache(maxsize=32)
def agent(size: int, direction: int) -> UInt8[np.ndarray, "size size 4"]:
    """The agent facing up, right, down or left (0 to 3), RGBA, to be laid over a tile.

    A dark rim keeps it visible on a red tile.
    """
    pen = _Pen(size).polygon((0.12, 0.19), (0.87, 0.5), (0.12, 0.81))
    ink, cover, _ = pen.layers()
    rim = _Pen(size).polygon((0.07, 0.12), (0.96, 0.5), (0.07, 0.88)).layers()[1]
    alpha = np.maximum(cover, rim)
    colour = ink[..., None] * AGENT / np.maximum(alpha, 1e-6)[..., None]
    picture = np.concatenate([colour, 255 * alpha[..., None]], axis=-1).round().astype(np.uint8)
    return np.ascontiguousarray(np.rot90(picture, 1 - direction))


class _Pen:
    """Draws one shape into its two layers; coordinates run from 0 to 1, down and right."""

    def __init__(self, size: int):
        from PIL import Image, ImageDraw

        self.size, self.scale = size, size * _FINE
        self.pictures = [Image.new("L", (self.scale, self.scale)) for _ in range(2)]
        self.draws = [ImageDraw.Draw(picture) for picture in self.pictures]

    def polygon(self, *points: tuple[Number, Number], ink: Number = 1.0) -> "_Pen":
        places = [(x * self.scale - 0.5, y * self.scale - 0.5) for x, y in points]
        for draw, value in zip(self.draws, (ink, 1.0), strict=True):
            draw.polygon(places, fill=round(255 * value))
        return self

    def box(self, x0: Number, x1: Number, y0: Number, y1: Number, ink: Number = 1.0) -> "_Pen":
        start, stop = [
            (round(x * self.scale), round(y * self.scale)) for x, y in ((x0, y0), (x1, y1))
        ]
        for draw, value in zip(self.draws, (ink, 1.0), strict=True):
            draw.rectangle([start, (stop[0] - 1, stop[1] - 1)], fill=round(255 * value))
        return self

    def disc(self, x: Number, y: Number, radius: Number, *, hole: bool = False) -> "_Pen":
        ends = [c * self.scale - 0.5 for c in (x - radius, y - radius, x + radius, y + radius)]
        for draw in self.draws:
            draw.ellipse(ends, fill=0 if hole else 255)
        return self

    def layers(self) -> tuple[Float[np.ndarray, "size size"], ...]:
        """Ink, cover, and the shape's rim (about a thirtieth of a tile wide), all in [0, 1]."""
        from PIL import ImageFilter

        width = 2 * max(1, self.scale // 48) + 1
        inner = self.pictures[1].filter(ImageFilter.MinFilter(width))
        ink, cover, inside = (self._averaged(p) for p in (*self.pictures, inner))
        return ink, cover, cover - inside

    def _averaged(self, picture: object) -> Float[np.ndarray, "size size"]:
        fine = np.asarray(picture, np.float32) / 255
        return fine.reshape(self.size, _FINE, self.size, _FINE).mean((1, 3))


def _floor(pen: _Pen) -> _Pen:
    return _lined(pen.box(0, 1, 0, 1, ink=0.5))


def _wall(pen: _Pen) -> _Pen:
    return pen.box(0, 1, 0, 1)


def _ball(pen: _Pen) -> _Pen:
    return pen.disc(0.5, 0.5, 0.31)


def _square(pen: _Pen) -> _Pen:
    return pen.box(0.25, 0.75, 0.25, 0.75)


def _pyramid(pen: _Pen) -> _Pen:
    return pen.polygon((0.15, 0.8), (0.85, 0.8), (0.5, 0.2))


def _goal(pen: _Pen) -> _Pen:
    # Its line is of its own colour: with the grid's, a grey one would be a wall.
    return pen.box(0, 1, 0, 1, ink=0.5).box(_LINE, 1, _LINE, 1)


def _key(pen: _Pen) -> _Pen:
    pen.box(0.50, 0.63, 0.31, 0.88)
    pen.box(0.38, 0.50, 0.59, 0.66).box(0.38, 0.50, 0.81, 0.88)
    return pen.disc(0.56, 0.28, 0.19).disc(0.56, 0.28, 0.064, hole=True)


def _locked_door(pen: _Pen) -> _Pen:
    return pen.box(0, 1, 0, 1).box(0.06, 0.94, 0.06, 0.94, ink=0.45).box(0.52, 0.75, 0.50, 0.56)


def _closed_door(pen: _Pen) -> _Pen:
    for edge, ink in ((0, 1), (0.04, 0), (0.08, 1), (0.12, 0)):
        pen.box(edge, 1 - edge, edge, 1 - edge, ink=ink)
    return pen.disc(0.75, 0.5, 0.08)


def _open_door(pen: _Pen) -> _Pen:
    return pen.box(0.88, 1, 0, 1).box(0.92, 0.96, 0.04, 0.96, ink=0)


def _hex(pen: _Pen) -> _Pen:
    angles = [math.tau * i / 6 for i in range(6)]
    return pen.polygon(*((0.5 + 0.35 * math.cos(a), 0.5 + 0.35 * math.sin(a)) for a in angles))


def _star(pen: _Pen) -> _Pen:
    pen.polygon((0.15, 0.75), (0.85, 0.75), (0.5, 0.15))
    return pen.polygon((0.15, 0.3), (0.85, 0.3), (0.5, 0.9))


def _lava(pen: _Pen) -> _Pen:
    pen.box(0, 1, 0, 1)
    for y in (0.3, 0.5, 0.7):
        tops = ((0.1, y), (0.3, y + 0.1), (0.5, y), (0.7, y + 0.1), (0.9, y))
        below = [(x, y + 0.08) for x, y in reversed(tops)]
        pen.polygon(*tops, *below, ink=0)
    return pen


def _box(pen: _Pen) -> _Pen:
    pen.box(0.12, 0.88, 0.12, 0.88).box(0.18, 0.82, 0.18, 0.82, ink=0)
    return pen.box(0.16, 0.84, 0.47, 0.53)


def _key_box(pen: _Pen) -> _Pen:
    return _box(pen).disc(0.5, 0.5, 0.2)


_SHAPES = dict(
    zip(
        TILES[1:],
        (
            _floor, _wall, _ball, _square, _pyramid, _goal,
            _key, _locked_door, _closed_door, _open_door, _hex, _star,
            _lava, _box, _key_box,
        ),
        strict=True,
    )
)  # fmt: skip


def _lined(pen: _Pen) -> _Pen:
    """Cut the grid line out of a full tile, so that the floor's line shows through."""
    width = max(1, round(_LINE * pen.scale))
    for draw in pen.draws:
        draw.rectangle((0, 0, pen.scale, width - 1), fill=0)
        draw.rectangle((0, 0, width - 1, pen.scale), fill=0)
    return pen


def _grid_line(size: int) -> Float[np.ndarray, "size size"]:
    return 1 - _floor(_Pen(size)).layers()[1]


def _hatching(size: int) -> Float[np.ndarray, "size size 3"]:
    paper, line = np.array(_NOTHING, float)
    y, x = np.mgrid[:size, :size]
    return np.where(((x + y) % max(size // 4, 2) == 0)[..., None], line, paper)


def _exclamation(size: int) -> Float[np.ndarray, "size size 3"]:
    paper, red = np.array(_ALARM, float)
    pen = _Pen(size).box(0, 1, 0, 1).box(0.06, 0.94, 0.06, 0.94, ink=0)
    ink = pen.box(0.45, 0.55, 0.2, 0.6).box(0.45, 0.55, 0.7, 0.8).layers()[0][..., None]
    return ink * red + (1 - ink) * paper
