"""Sprites: what every tile and the agent look like, as small square pictures.

A tile is painted once, three times too large, with inks: the floor's line, "the tile's colour",
"half of it". Then every colour mixes its inks, and the picture is averaged down:

    tile -> inks [3 size, 3 size] -> palette[colour][inks] -> mean of 3 x 3 pixels

There are two looks. In "published" every pixel is XLand-MiniGrid's, so that agents trained on
pictures see what they know. There some tiles look alike (a grey goal and a wall, a black ball and
floor) and what lies outside the map shouts. "meadow", for people, mends that and nothing else.

References: Chevalier-Boisvert et al., MiniGrid, 2023, for the shapes of keys, doors, lava and
boxes; Nikulin et al., XLand-MiniGrid, 2023, for the others and the colours.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from meadow.core.errors import SpecError, UnknownNameError
from meadow.tasks.tiles import COLOURS, NUM_BYTES, NUM_COLOURS, TILES

Number = int | float

LOOKS = ("meadow", "published")
LIGHT = 0.2  # how far what the agent sees is lightened towards white, on a picture of the map
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

_FINE = 3  # painted so many times larger, then averaged
_LINE = 0.031  # width of the grid line, in tiles
_BLACK, _SHEEN = COLOURS.index("black"), 36  # black things would be lost on the black floor

# Inks of one colour, then those of the tile's own.
_PAPER, _NIGHT, _GRID, _RED, _LEAF, _FOLD = range(6)
_WHOLE, _HALF, _THING, _DIM, _EDGE, _RIM = range(6, 12)
_PLAIN = [(255, 255, 255), (0, 0, 0), GRID_LINE, AGENT, (248, 248, 246), (228, 228, 224)]

Mask = Bool[np.ndarray, "fine fine"]
Inks = UInt8[np.ndarray, "fine fine"]


@functools.lru_cache(maxsize=16)
def sprites(
    size: int, look: str = "meadow", *, light: bool = False
) -> UInt8[np.ndarray, "tiles size size 3"]:
    """Every tile in every colour: index it with tile bytes. Cached, and not to be written to.

    Args:
        size: pixels across, at least 4.
        look: "meadow" or "published".
        light: as seen by the agent on a picture of the map.

    Raises:
        SpecError: a size too small.
        UnknownNameError: no such look.
    """
    return _sheet(size, look, light, None)


@functools.lru_cache(maxsize=16)
def occupied(
    size: int, direction: int, look: str = "meadow", *, light: bool = False
) -> UInt8[np.ndarray, "tiles size size 3"]:
    """The same with the agent on every tile, facing up, right, down or left (0 to 3)."""
    return _sheet(size, look, light, direction)


@functools.lru_cache(maxsize=32)
def agent(size: int, direction: int) -> UInt8[np.ndarray, "size size 4"]:
    """The agent alone, RGBA, to be laid over a tile. A dark rim keeps it visible on a red one."""
    within, around = _agent(size * _FINE, direction)
    alpha = _averaged((within | around)[..., None].astype(float))
    ink = _averaged(within[..., None].astype(float))
    colour = ink * AGENT / np.maximum(alpha, 1e-6)
    return np.concatenate([colour, 255 * alpha], axis=-1).round().astype(np.uint8)


def _sheet(
    size: int, look: str, light: bool, direction: int | None
) -> UInt8[np.ndarray, "tiles size size 3"]:
    if size < 4:
        raise SpecError(f"A tile needs at least 4 pixels to be told from others, got size={size}.")
    if look not in LOOKS:
        raise UnknownNameError("look", look, LOOKS)
    kind, fine = look == "meadow", size * _FINE
    palette = _palette(look, light)
    sheet = np.empty((len(TILES), NUM_COLOURS, size, size, 3), np.uint8)
    for tile, name in enumerate(TILES):
        inks = _occupy(_painted(name, fine), direction, rim=kind)
        for colour in range(NUM_COLOURS):
            sheet[tile, colour] = _averaged(palette[colour][inks])
    if kind:
        inks = _occupy(_folds(fine), direction, rim=True)
        sheet[0, 0] = _averaged(palette[0][inks])
    sheet = sheet.reshape(NUM_BYTES, size, size, 3)
    sheet.setflags(write=False)
    return sheet


def _palette(look: str, light: bool) -> UInt8[np.ndarray, "12 inks 3"]:
    """What each ink is in each colour."""
    whole = RGB.astype(float)
    if look == "published":
        whole[0] = 255
    thing = whole.copy()
    edge, rim = np.broadcast_to(np.array(GRID_LINE, float), whole.shape), thing.copy()
    if look == "meadow":
        thing[_BLACK], rim[_BLACK] = _SHEEN, 2 * _SHEEN
        edge = thing / 2
    own = np.stack([whole, whole / 2, thing, 0.45 * thing, edge, rim], axis=1)
    plain = np.broadcast_to(np.array(_PLAIN, float), (NUM_COLOURS, len(_PLAIN), 3))
    palette = np.concatenate([plain, own], axis=1).astype(np.uint8)
    if light:
        palette = (palette + LIGHT * (255 - palette)).astype(np.uint8)
    if look == "meadow":
        palette[:, _RED] = AGENT  # stands out where it sees
    return palette


def _averaged(pixels: np.ndarray) -> Float[np.ndarray, "size size channels"]:
    """Blocks of pixels as one; along rows first, since the order decides how halves are cut."""
    size = len(pixels) // _FINE
    blocks = pixels.reshape(size, _FINE, size, _FINE, pixels.shape[-1])
    return blocks.mean(axis=3).mean(axis=1)


# --- shapes --------------------------------------------------------------------------------------


class _Canvas:
    """Paints shapes one over the other; coordinates run from 0 to 1, down and right."""

    def __init__(self, fine: int):
        self.inks = np.full((fine, fine), _PAPER, np.uint8)
        centres = (np.arange(fine) + 0.5) / fine
        self.y, self.x = centres[:, None], centres[None, :]

    def box(self, ink: int, *edges: Number) -> "_Canvas":
        """A rectangle: left, right, top, bottom."""
        x0, x1, y0, y1 = edges
        return self._fill(ink, (self.x >= x0) & (self.x <= x1) & (self.y >= y0) & (self.y <= y1))

    def frame(self, ink: int, width: Number) -> "_Canvas":
        """All but a margin of that width."""
        return self.box(ink, width, 1 - width, width, 1 - width)

    def disc(self, ink: int, x: Number, y: Number, radius: Number) -> "_Canvas":
        return self._fill(ink, (self.x - x) ** 2 + (self.y - y) ** 2 <= radius * radius)

    def triangle(self, ink: int, *corners: tuple[Number, Number]) -> "_Canvas":
        return self._fill(ink, _in_triangle(self.x, self.y, corners))

    def hexagon(self, ink: int, size: Number) -> "_Canvas":
        x, y = np.abs(self.x - 0.5), np.abs(self.y - 0.5)
        return self._fill(ink, y < math.sqrt(3) * np.minimum(size - x, size / 2))

    def floor(self, ink: int = _NIGHT, line: int = _GRID) -> "_Canvas":
        """A full tile with a line at the left and at the top."""
        return self.box(line, 0, 1, 0, 1).box(ink, _LINE, 1, _LINE, 1)

    def _fill(self, ink: int, mask: Mask) -> "_Canvas":
        self.inks[mask] = ink
        return self


def _in_triangle(x: np.ndarray, y: np.ndarray, corners: tuple[tuple[Number, Number], ...]) -> Mask:
    """Which points lie in a triangle: those whose barycentric coordinates are not negative."""
    # Corners in single precision, as published; it decides about points on an edge.
    a, b, c = np.array(corners, np.float32)
    along, across = c - a, b - a
    px, py = x - a[0], y - a[1]
    aa, ab, bb = along @ along, along @ across, across @ across
    pa, pb = along[0] * px + along[1] * py, across[0] * px + across[1] * py
    scale = 1 / (aa * bb - ab * ab)
    u, v = (bb * pa - ab * pb) * scale, (aa * pb - ab * pa) * scale
    return (u >= 0) & (v >= 0) & (u + v < 1)


def _painted(name: str, fine: int) -> Inks:
    """The inks of a tile; where black would lie on black, what it covers gets a rim."""
    ground, canvas = _Canvas(fine).floor().inks, _Canvas(fine)
    _SHAPES[name](canvas)
    covers = canvas.inks != ground
    if name not in ("empty", "floor", "wall"):
        canvas.inks[covers & ~_shrunk(covers) & (canvas.inks == _THING)] = _RIM
    return canvas.inks


def _shrunk(mask: Mask) -> Mask:
    """A mask without the points nearest to its edge; a tile's own border is none."""
    width = max(1, len(mask) // 48)
    padded = np.pad(mask, width, mode="edge")
    ends = (slice(None, -2 * width), slice(2 * width, None), slice(width, -width))
    rows = padded[ends[0], ends[2]] & padded[ends[1], ends[2]]
    return mask & rows & padded[ends[2], ends[0]] & padded[ends[2], ends[1]]


def _agent(fine: int, direction: int) -> tuple[Mask, Mask]:
    """The agent, and itself with the rim around it."""
    canvas = _Canvas(fine)
    within = _in_triangle(canvas.x, canvas.y, ((0.12, 0.19), (0.87, 0.50), (0.12, 0.81)))
    around = _in_triangle(canvas.x, canvas.y, ((0.07, 0.12), (0.96, 0.50), (0.07, 0.88)))
    return np.rot90(within, 1 - direction), np.rot90(around, 1 - direction)


def _occupy(inks: Inks, direction: int | None, *, rim: bool) -> Inks:
    if direction is None:
        return inks
    within, around = _agent(len(inks), direction)
    if rim:
        inks = np.where(around, np.uint8(_NIGHT), inks)
    return np.where(within, np.uint8(_RED), inks)


def _folds(fine: int) -> Inks:
    """Quiet hatching for what is outside the map, since every view at a wall shows much of it."""
    y, x = np.mgrid[:fine, :fine] // _FINE
    return np.where((x + y) % max(fine // _FINE // 4, 2) == 0, _FOLD, _LEAF).astype(np.uint8)


def _empty(canvas: _Canvas) -> None:
    canvas.box(_RED, 0.45, 0.55, 0.2, 0.65).box(_RED, 0.45, 0.55, 0.7, 0.85)
    for edges in ((0, _LINE, 0, 1), (1 - _LINE, 1, 0, 1), (0, 1, 0, _LINE), (0, 1, 1 - _LINE, 1)):
        canvas.box(_RED, *edges)


def _floor(canvas: _Canvas) -> None:
    canvas.floor(_HALF)


def _wall(canvas: _Canvas) -> None:
    canvas.box(_WHOLE, 0, 1, 0, 1)


def _ball(canvas: _Canvas) -> None:
    canvas.floor().disc(_THING, 0.5, 0.5, 0.31)


def _square(canvas: _Canvas) -> None:
    canvas.floor().box(_THING, 0.25, 0.75, 0.25, 0.75)


def _pyramid(canvas: _Canvas) -> None:
    canvas.floor().triangle(_THING, (0.15, 0.8), (0.85, 0.8), (0.5, 0.2))


def _goal(canvas: _Canvas) -> None:
    canvas.floor(_THING, line=_EDGE)


def _key(canvas: _Canvas) -> None:
    canvas.floor().box(_THING, 0.50, 0.63, 0.31, 0.88)
    canvas.box(_THING, 0.38, 0.50, 0.59, 0.66).box(_THING, 0.38, 0.50, 0.81, 0.88)
    canvas.disc(_THING, 0.56, 0.28, 0.19).disc(_NIGHT, 0.56, 0.28, 0.064)


def _locked_door(canvas: _Canvas) -> None:
    canvas.frame(_THING, 0).frame(_DIM, 0.06).box(_THING, 0.52, 0.75, 0.50, 0.56)


def _closed_door(canvas: _Canvas) -> None:
    canvas.frame(_THING, 0).frame(_NIGHT, 0.04).frame(_THING, 0.08).frame(_NIGHT, 0.12)
    canvas.disc(_THING, 0.75, 0.50, 0.08)


def _open_door(canvas: _Canvas) -> None:
    canvas.floor().box(_THING, 0.88, 1, 0, 1).box(_NIGHT, 0.92, 0.96, 0.04, 0.96)


def _hex(canvas: _Canvas) -> None:
    canvas.floor().hexagon(_THING, 0.35)


def _star(canvas: _Canvas) -> None:
    canvas.floor().triangle(_THING, (0.15, 0.3), (0.85, 0.3), (0.5, 0.9))
    canvas.triangle(_THING, (0.15, 0.75), (0.85, 0.75), (0.5, 0.15))


def _lava(canvas: _Canvas) -> None:
    canvas.box(_THING, 0, 1, 0, 1)
    for y in (0.3, 0.5, 0.7):
        for x in (0.1, 0.5):  # a wave is two crests
            canvas.triangle(_NIGHT, (x, y), (x + 0.2, y + 0.1), (x + 0.2, y + 0.18))
            canvas.triangle(_NIGHT, (x, y), (x, y + 0.08), (x + 0.2, y + 0.18))
            canvas.triangle(_NIGHT, (x + 0.4, y), (x + 0.2, y + 0.1), (x + 0.2, y + 0.18))
            canvas.triangle(_NIGHT, (x + 0.4, y), (x + 0.4, y + 0.08), (x + 0.2, y + 0.18))


def _box(canvas: _Canvas) -> None:
    canvas.floor().frame(_THING, 0.12).frame(_NIGHT, 0.18).box(_THING, 0.16, 0.84, 0.47, 0.53)


def _key_box(canvas: _Canvas) -> None:
    _box(canvas)
    canvas.disc(_THING, 0.5, 0.5, 0.2)


_SHAPES: dict[str, Callable[[_Canvas], None]] = dict(
    zip(
        TILES,
        (
            _empty, _floor, _wall, _ball, _square, _pyramid, _goal,
            _key, _locked_door, _closed_door, _open_door, _hex, _star,
            _lava, _box, _key_box,
        ),
        strict=True,
    )
)  # fmt: skip
