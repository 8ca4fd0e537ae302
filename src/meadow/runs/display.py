"""Display: one moment of a run, drawn for a terminal or said in one plain line.

>>> print(spark([0.0, 0.25, 0.5, 1.0], cells=4, low=0.0, high=1.0))
▁▃▅█
>>> print(amount(12.7e6), amount(950.0), duration(62.0), duration(3725.0))
12.7M 950 1:02 1:02:05
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

BARS = "▁▂▃▄▅▆▇█"
MISSING = "–"
SPARE = 52  # columns that everything but the small curves takes
WIDEST = 100


@dataclasses.dataclass(frozen=True)
class Moment:
    """How a run stands. NaN is what is not known (yet).

    Attributes:
        iteration: iterations lived, of `total`.
        steps: environment steps lived.
        rate: steps per second, lately.
        elapsed: seconds since this process began.
        left: seconds to go, at the speed of late.
        curves: every value so far of `return` and `success`, those there are.
        note: something to tell the person who watches.
    """

    iteration: int
    total: int
    steps: float
    rate: float
    elapsed: float
    left: float
    curves: dict[str, list[float]]
    note: str


def panel(now: Moment, width: int, *, waiting: bool) -> RenderableType:
    """A few lines for a terminal of `width` columns; while `waiting`, the bar moves by itself."""
    if width < SPARE:
        return Text(f"{line(now)}\n{now.note}".rstrip())
    width = min(width, WIDEST)
    parts: list[RenderableType] = [_bar(now, waiting), Text(), _numbers(now, width)]
    if now.note:
        parts += [Text(), Text(now.note, style="yellow")]
    return Constrain(Padding(Group(*parts), (1, 2, 1, 2)), width)


def line(now: Moment) -> str:
    """One plain line."""
    share = now.iteration / max(now.total, 1)
    parts = [f"{now.iteration:,}/{now.total:,} ({share:.0%})", f"{amount(now.steps)} steps"]
    parts.append(f"{amount(now.rate)} steps/s")
    parts += [f"{name} {_latest(name, values)}" for name, values in now.curves.items()]
    parts += [f"elapsed {duration(now.elapsed)}", f"left {duration(now.left)}"]
    return "  ".join(parts)


def spark(values: Sequence[float], cells: int, low: float, high: float) -> str:
    """A small curve of at most `cells` characters; a space where nothing is known."""
    if not values:
        return ""
    cut = np.linspace(0, len(values), min(cells, len(values)) + 1).astype(int)
    span = (high - low) or 1.0
    drawn = ""
    for start, stop in zip(cut[:-1], cut[1:], strict=True):
        known = [v for v in values[start:stop] if math.isfinite(v)]
        if not known:
            drawn += " "
            continue
        share = (sum(known) / len(known) - low) / span
        drawn += BARS[round(min(max(share, 0.0), 1.0) * (len(BARS) - 1))]
    return drawn


def amount(number: float) -> str:
    """Three digits and a letter."""
    if not math.isfinite(number):
        return MISSING
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            number /= size
            return f"{number:.{0 if number >= 99.95 else 1}f}{letter}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, without empty hours."""
    if not math.isfinite(seconds):
        return MISSING
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _bar(now: Moment, waiting: bool) -> Table:
    bar = ProgressBar(
        max(now.total, 1), now.iteration, pulse=waiting,
        complete_style="green", finished_style="green", pulse_style="green",
    )  # fmt: skip
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    count = Text.assemble(f"{now.iteration:,}", (f" of {now.total:,}", "dim"))
    grid.add_row(bar, count)
    return grid


def _numbers(now: Moment, width: int) -> Table:
    cells = width - SPARE
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    for place, justify in enumerate(("left", "right", "left", "left", "right", "left", "right")):
        grid.add_column(justify=justify, no_wrap=True, ratio=1 if place == 2 else None)
    curves = [
        (Text(name, "dim"), Text(_latest(name, values), "bold"), _curve(name, values, cells))
        for name, values in now.curves.items()
    ]
    curves += [(Text(), Text(), Text())] * (2 - len(curves))
    facts = [
        ("steps", amount(now.steps), "elapsed", duration(now.elapsed)),
        ("steps/s", amount(now.rate), "left", duration(now.left)),
    ]
    for curve, (name, value, time, clock) in zip(curves, facts, strict=True):
        grid.add_row(*curve, Text(name, "dim"), value, Text(time, "dim"), clock)
    return grid


def _curve(name: str, values: list[float], cells: int) -> Text:
    known = [v for v in values if math.isfinite(v)] or [0.0]
    low, high = (0.0, 1.0) if name == "success" else (min(known), max(known))
    return Text(spark(values, cells, low, high), "green")


def _latest(name: str, values: list[float]) -> str:
    if not values or not math.isfinite(values[-1]):
        return MISSING
    return f"{values[-1]:.1%}" if name == "success" else f"{values[-1]:.3f}"
