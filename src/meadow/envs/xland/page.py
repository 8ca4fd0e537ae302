"""Page: a sheet of paper to draw on, in one hand: few colours, one typeface, small tiles."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from meadow.envs.xland.sprites import Number, sprites

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]

PAPER, INK, FAINT, LINE = (250, 250, 247), (36, 38, 44), (136, 138, 146), (222, 222, 216)
GOOD, GOOD_PALE, BAD = (34, 150, 94), (214, 240, 222), (196, 196, 190)
GLOW, GLOW_PALE = (240, 160, 20), (255, 238, 196)

TILE = 22  # pixels across a tile that stands in a line of text
BURST = 6  # pictures of a celebration


class Page:
    """A sheet of paper to draw on; places are (x, y) from the top left, in pixels."""

    def __init__(self, size: tuple[int, int]):
        from PIL import Image, ImageDraw

        self.sheet = Image.new("RGB", size, PAPER)
        self.pen = ImageDraw.Draw(self.sheet)

    def picture(self, x: int, y: int, pixels: np.ndarray) -> None:
        """Paste pixels."""
        from PIL import Image

        self.sheet.paste(Image.fromarray(pixels), (x, y))

    def paste(self, x: int, y: int, page: "Page") -> None:
        """Lay another page on this one."""
        self.sheet.paste(page.sheet, (x, y))

    def tiles(self, place: tuple[int, int], tiles: list[int]) -> None:
        """A row of small tiles."""
        for index, tile in enumerate(tiles):
            self.picture(place[0] + index * (TILE + 4), place[1], sprites(TILE)[tile])

    def write(
        self,
        place: tuple[Number, Number],
        words: str,
        size: int,
        colour: Colour = INK,
        *,
        fit: Number | None = None,
        anchor: str = "la",
    ) -> float:
        """Write, smaller where it would be wider than `fit`; where it ends."""
        size = size if fit is None else fitting(words, size, fit)
        self.pen.text(place, words, fill=colour, font=_font(size), anchor=anchor)
        return place[0] + _font(size).getlength(words)

    def box(self, start: tuple[int, int], stop: tuple[int, int], colour: Colour) -> None:
        """A filled box; `stop` is outside."""
        self.pen.rectangle((*start, stop[0] - 1, stop[1] - 1), fill=colour)

    def frame(
        self, place: tuple[int, int], size: tuple[int, int], colour: Colour, width: int
    ) -> None:
        """An outline."""
        stop = (place[0] + size[0] - 1, place[1] + size[1] - 1)
        self.pen.rectangle((*place, *stop), outline=colour, width=width)

    def stripe(
        self, place: tuple[int, int], size: tuple[int, int], colour: Colour, edge: Colour
    ) -> None:
        """A tinted row with a strong left edge."""
        x, y = place
        self.box(place, (x + size[0], y + size[1]), colour)
        self.box(place, (x + 4, y + size[1]), edge)

    def arrow(self, place: tuple[Number, Number], length: int) -> None:
        """An arrow to the right."""
        x, y = place
        self.pen.line((x, y, x + length - 4, y), fill=FAINT, width=2)
        head = [(x + length - 7, y - 4), (x + length - 7, y + 4), (x + length, y)]
        self.pen.polygon(head, fill=FAINT)

    def banner(self, words: str, middle: tuple[Number, Number], colour: Colour) -> None:
        """Words in a coloured pill."""
        half = _font(17).getlength(words) / 2 + 18
        box = (middle[0] - half, middle[1] - 17, middle[0] + half, middle[1] + 17)
        self.pen.rounded_rectangle(box, 17, fill=colour, outline=PAPER, width=2)
        self.write(middle, words, 17, PAPER, anchor="mm")

    def burst(self, middle: tuple[Number, Number], size: int, time: int) -> None:
        """Sparks that fly off, `time` pictures after they were lit."""
        share = (time + 1) / BURST
        for index in range(12):
            angle = 2 * np.pi * index / 12
            reach = size * (0.7 + (1.7 + 0.5 * (index % 2)) * (1 - (1 - share) ** 2))
            x, y = middle[0] + reach * np.cos(angle), middle[1] + reach * np.sin(angle)
            radius = max(size * 0.16 * (1 - 0.7 * share), 1.5)
            colour = (GLOW, GOOD, (255, 220, 90))[index % 3]
            self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


@functools.lru_cache(maxsize=1024)
def fitting(words: str, size: int, width: Number) -> int:
    """The largest type, up to `size`, in which the words are no wider than `width`."""
    while size > 8 and _font(size).getlength(words) > width:
        size -= 1
    return size


@functools.lru_cache(maxsize=32)
def _font(size: int) -> "FreeTypeFont | ImageFont":
    from PIL import ImageFont

    return ImageFont.load_default(size)
