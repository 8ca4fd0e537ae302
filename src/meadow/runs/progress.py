"""Progress: how a run is going, live in the terminal, or as a plain line now and then."""

import collections
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live

from meadow.runs import display

CURVES = ("return", "success")
RECENT = 20.0  # seconds over which speed is measured
WAITING = "Compiling. The first chunk takes longest."


class _Seen(NamedTuple):
    """When how much had been lived."""

    time: float
    iteration: int
    steps: float


class Progress:
    """Shows a run while it goes on; call `show` after every chunk.

        with Progress(total=1000) as progress:
            progress.show(10, {"steps": 20480, "return": 0.12, "success": 0.31})

    Of the metrics it shows `steps`, `return` and `success`, those there are; an array (one value
    per seed) by its mean. In a terminal the display moves; elsewhere (a pipe, CI) it prints a plain
    line at the first chunk, then every few seconds, and at the end. All of it goes to stderr, so
    that stdout is left for results.
    """

    def __init__(
        self,
        total: int,
        *,
        start: int = 0,
        every: float = 5.0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Args:
        total: iterations at which the run ends.
        start: iterations lived before, where a run is resumed.
        every: seconds between plain lines.
        console: where to; stderr by default.
        clock: tells the time in seconds.
        """
        self._total, self._start, self._every, self._clock = total, start, every, clock
        self._console = console or Console(file=sys.stderr, highlight=False)
        self._curves: dict[str, list[float]] = {}
        self._recent: collections.deque[_Seen] = collections.deque()
        self._began, self._printed, self._note = clock(), -math.inf, ""
        self._live: Live | None = None

    def __enter__(self) -> "Progress":
        self._began = self._clock()
        if self._console.is_terminal:
            self._live = Live(self, console=self._console, refresh_per_second=8)
            self._live.start()
        else:
            self._print(WAITING)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        elif self._recent and self._recent[-1].time > self._printed:
            self._print_line()

    def show(self, iteration: int, metrics: Mapping[str, ArrayLike]) -> None:
        """Take in what a chunk brought.

        Args:
            iteration: how many iterations have been lived.
            metrics: may hold `steps` (lived in all), `return` and `success` (in [0, 1]).
        """
        now = {name: float(np.mean(np.asarray(value))) for name, value in metrics.items()}
        for name in CURVES:
            if name in now:
                self._curves.setdefault(name, []).append(now[name])
        self._recent.append(_Seen(self._clock(), iteration, now.get("steps", math.nan)))
        while len(self._recent) > 2 and self._recent[1].time < self._recent[-1].time - RECENT:
            self._recent.popleft()
        if not self._live and self._recent[-1].time - self._printed >= self._every:
            self._print_line()

    def say(self, note: str) -> None:
        """Tell the person who watches something, without disturbing the display."""
        self._note = note
        if not self._live:
            self._print(note)

    def moment(self) -> display.Moment:
        """How the run stands."""
        last = self._recent[-1] if self._recent else _Seen(self._began, self._start, math.nan)
        iterations, steps = self._speed()
        since = self._clock() - last.time
        left = (self._total - last.iteration) / iterations - since if iterations else math.nan
        return display.Moment(
            iteration=last.iteration,
            total=self._total,
            steps=last.steps,
            rate=steps,
            elapsed=self._clock() - self._began,
            left=0.0 if last.iteration >= self._total else max(left, 0.0),
            curves=dict(self._curves),
            note=self._note or ("" if self._recent else WAITING),
        )

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        yield display.panel(self.moment(), options.max_width, waiting=not self._recent)

    def _speed(self) -> tuple[float, float]:
        """Iterations and steps per second, lately; NaN until two chunks have been seen.

        The time before the first chunk does not count: it went into compilation.
        """
        if len(self._recent) < 2 or self._recent[-1].time <= self._recent[0].time:
            return math.nan, math.nan
        first, last = self._recent[0], self._recent[-1]
        seconds = last.time - first.time
        return (last.iteration - first.iteration) / seconds, (last.steps - first.steps) / seconds

    def _print_line(self) -> None:
        self._printed = self._clock()
        self._print(display.line(self.moment()))

    def _print(self, text: str) -> None:
        # Not through rich: a pipe has no width, and a line must not be broken at column 80.
        print(text, file=self._console.file, flush=True)
