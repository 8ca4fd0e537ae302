"""Progress: the right numbers, as lines in a pipe and as a display in a terminal."""

import io

import numpy as np
import pytest
from rich.console import Console

from meadow.runs import display
from meadow.runs.progress import Progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def plain():
    return Console(file=io.StringIO(), force_terminal=False)


def text(console):
    return console.file.getvalue()


def chunk(progress, clock, iteration, seconds=1.0, **metrics):
    clock.now += seconds
    progress.show(iteration, {"steps": iteration * 1000, "return": 0.5, **metrics})


def test_minimax_7_jaxued_5_speed_and_time_left_leave_out_compilation(clock):
    with Progress(100, console=plain(), clock=clock) as progress:
        chunk(progress, clock, 10, seconds=60.0)
        assert np.isnan(progress.moment().rate), "one chunk says nothing about speed"
        chunk(progress, clock, 20, seconds=2.0)
        now = progress.moment()
    assert (now.rate, now.left, now.elapsed) == (5000.0, 16.0, 62.0)


def test_speed_is_that_of_late(clock):
    with Progress(10_000, console=plain(), clock=clock) as progress:
        for i in range(1, 50):
            chunk(progress, clock, i, seconds=1.0)
        for i in range(50, 100):
            chunk(progress, clock, i, seconds=2.0)
        assert progress.moment().rate == pytest.approx(500.0)


def test_a_pipe_gets_a_line_now_and_then_and_a_last_one(clock):
    console = plain()
    with Progress(20, every=5.0, console=console, clock=clock) as progress:
        for i in range(1, 13):
            chunk(progress, clock, i, success=np.array([0.5, 1.0]))
    lines = text(console).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["1/20", "6/20", "11/20", "12/20"]
    assert lines[-1].startswith(
        "12/20 (60%)  12.0k steps  1.0k steps/s  return 0.500  success 75.0%"
    ), lines[-1]
    assert "\x1b" not in text(console), "no control characters in a pipe"


def test_the_end_is_not_printed_twice(clock):
    console = plain()
    with Progress(1, console=console, clock=clock) as progress:
        chunk(progress, clock, 1)
    assert len(text(console).splitlines()) == 2


def test_say_and_a_run_without_chunks(clock):
    console = plain()
    with Progress(10, start=4, console=console, clock=clock) as progress:
        progress.say("Stopping [soon].")
        assert progress.moment().iteration == 4, "a resumed run does not begin at 0"
    assert text(console).splitlines()[1:] == ["Stopping [soon]."]


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_the_display_fits_every_terminal(clock, width):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    with Progress(1000, console=console, clock=clock) as progress:
        progress.say("A note.")
        for i in range(10, 210, 10):
            chunk(progress, clock, i, success=i / 200)
    shown = Console(file=io.StringIO(), width=width, color_system=None)
    shown.print(progress)
    lines = text(shown).splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(text(shown).split())
    for word in (
        "200",
        "1,000",
        "return",
        "0.500",
        "success",
        "100.0%",
        "200k",
        "10.0k",
        "1:20",
        "note.",
    ):
        assert word in words, f"the display at width {width} must show {word!r}:\n{text(shown)}"


def test_metrics_that_are_missing_or_nan_are_not_an_error(clock):
    with Progress(10, console=plain(), clock=clock) as progress:
        progress.show(1, {"return": float("nan"), "loss": 3.0})
        progress.show(2, {})
        assert "return –" in display.line(progress.moment())
        shown = Console(file=io.StringIO(), width=80)
        shown.print(progress)


def test_spark():
    assert display.spark([], 5, 0.0, 1.0) == ""
    assert display.spark([float("nan"), 2.0, -3.0], 9, 0.0, 1.0) == " █▁", "clipped to its range"
    assert display.spark([1.0, 1.0], 9, 1.0, 1.0) == "▁▁", "a flat curve is drawn flat"
    assert len(display.spark([float(i) for i in range(1000)], 24, 0.0, 999.0)) == 24


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0, "0"), (999.0, "999"), (999.6, "1.0k"), (99_960.0, "100k"), (1e9, "1.0G"), (np.nan, "–")],
)
def test_amount(number, shown):
    assert display.amount(number) == shown
