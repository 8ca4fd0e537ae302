"""Hidden: what the agent is not told, goal and rules, as a strip of small tiles and words."""

import functools
from typing import NamedTuple

import numpy as np

from meadow.envs.xland.frame import Frame
from meadow.envs.xland.page import FAINT, GLOW, GLOW_PALE, GOOD, GOOD_PALE, INK, TILE, Page, fitting
from meadow.tasks import show
from meadow.tasks.tiles import name

MARGIN, GAP = 24, 28  # to the left and right; between two columns
ROW, BETWEEN = 30, 12  # height of a line; space between goal and rules
ONE_COLUMN = 6  # more rules than these go into two


class Strip(NamedTuple):
    """Room for the goal and at most `num_rules` rules on `width` pixels."""

    width: int
    num_rules: int

    @property
    def columns(self) -> int:
        """Of rules."""
        return 1 if self.num_rules <= ONE_COLUMN else 2

    @property
    def lines(self) -> int:
        """Of rules in a column."""
        return -(-self.num_rules // self.columns)

    @property
    def height(self) -> int:
        """In pixels."""
        return ROW + (BETWEEN + self.lines * ROW if self.lines else 0)

    @property
    def column_width(self) -> int:
        """In pixels, without what lies between two."""
        return (self.width - 2 * MARGIN - (self.columns - 1) * GAP) // self.columns


def hidden(strip: Strip, frame: Frame) -> Page:
    """The goal and the rules of the frame's task, lit up where they fired. Do not draw on it."""
    rules = np.asarray(frame.task.rules)
    fired, reached = np.zeros(len(rules), bool), False
    if frame.fired is not None:
        fired, reached = np.asarray(frame.fired.rules), bool(frame.fired.goal)
    goal = tuple(int(x) for x in np.asarray(frame.task.goal))
    rows = tuple(
        (*map(int, row), bool(lit)) for row, lit in zip(rules, fired, strict=True) if row[0]
    )
    return _drawn(strip, goal, reached, rows)


@functools.lru_cache(maxsize=64)
def _drawn(
    strip: Strip, goal: tuple[int, ...], reached: bool, rows: tuple[tuple[int, ...], ...]
) -> Page:
    page = Page((strip.width, strip.height))
    middle = ROW / 2
    if reached:
        page.stripe((MARGIN - 8, 0), (strip.width - 2 * MARGIN + 16, ROW), GOOD_PALE, GOOD)
    page.write((MARGIN + 4, middle), "GOAL", 11, GOOD, anchor="lm")
    page.tiles((MARGIN + 52, 4), [tile for tile in goal[1:3] if tile])
    place = (MARGIN + 112, middle)
    page.write(
        place, show.goal_text(goal), 15, INK, fit=strip.width - 2 * MARGIN - 112, anchor="lm"
    )
    for index, row in enumerate(rows):
        column, line = divmod(index, strip.lines)
        x, y = MARGIN + column * (strip.column_width + GAP), ROW + BETWEEN + line * ROW
        if row[4]:
            page.stripe((x - 8, y), (strip.column_width + 16, ROW), GLOW_PALE, GLOW)
        _rule(page, (x, y), index + 1, row, _stops(strip, rows))
    return page


class _Stops(NamedTuple):
    """Where the parts of a rule stand in their column, and how large the type is."""

    number: int
    tiles: int
    words: int
    product: int
    name: int | None
    size: int


def _stops(strip: Strip, rows: tuple[tuple[int, ...], ...]) -> _Stops:
    """One column has room for the product's name; in two all rules take the size of the longest."""
    if strip.columns == 1:
        return _Stops(36, 52, 112, 452, 484, 15)
    words, product = 74, strip.column_width - TILE
    size = min(fitting(show.sentence(*row[:3]), 13, product - 32 - words) for row in rows)
    return _Stops(14, 20, words, product, None, size)


def _rule(
    page: Page, place: tuple[int, int], number: int, row: tuple[int, ...], stops: _Stops
) -> None:
    """Number, the tiles it needs, when it fires, and what it makes."""
    kind, a, b, product, _ = row
    x, y, middle = *place, place[1] + ROW / 2
    page.write((x + stops.number, middle), str(number), 12, FAINT, anchor="rm")
    page.tiles((x + stops.tiles, y + 4), [tile for tile in (a, b) if tile])
    room = stops.product - 32 - stops.words
    page.write(
        (x + stops.words, middle), show.sentence(kind, a, b), stops.size, fit=room, anchor="lm"
    )
    page.arrow((x + stops.product - 27, middle), 20)
    page.tiles((x + stops.product, y + 4), [product])
    if stops.name is not None:
        page.write((x + stops.name, middle), name(product), stops.size, anchor="lm")
