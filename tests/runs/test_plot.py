"""Plots: a picture is drawn, what cannot be drawn is said, and nothing global changes."""

import matplotlib
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.runs import plot
from meadow.runs.metrics import Metrics

LABELS = {"xlabel": "episode", "ylabel": "success", "title": "Adaptation"}


def size(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG file"
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def test_curves_are_drawn_without_touching_global_settings(tmp_path):
    before = dict(matplotlib.rcParams)
    x = np.arange(1, 5)
    series = {
        "agent": (x, x / 5, x / 5 - 0.1, x / 5 + 0.1),
        "an agent whose memory is cleared": (x, x / 9, None, None),
        "broken": (x, np.full(4, np.nan), None, None),
    }
    path = plot.curves(tmp_path / "a.png", series, **LABELS)
    assert min(size(path)) > 400
    assert dict(matplotlib.rcParams) == before, "a global setting was changed"


@pytest.mark.parametrize(
    "curve",
    [
        (np.zeros(0), np.zeros(0), None, None),
        (np.ones(2), np.ones(1), None, None),
        (np.ones(2), np.ones(2), np.ones(1), np.ones(2)),
    ],
    ids=["empty", "short mean", "short low"],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, curve):
    with pytest.raises(SpecError, match="Series 'a' needs x, mean, low and high of one shape"):
        plot.curves(tmp_path / "a.png", {"a": curve}, **LABELS)
    with pytest.raises(SpecError, match="nothing to draw"):
        plot.curves(tmp_path / "a.png", {}, **LABELS)
    assert not list(tmp_path.iterdir())


def test_learning_curve_of_several_seeds_with_gaps(tmp_path):
    with Metrics(tmp_path / "m.jsonl") as metrics:
        for i in range(60):
            success = np.full(3, np.nan if i < 10 else i / 60)
            metrics.write(i, {"steps": i * 1000, "return": i / 2, "success": success})
    both = plot.learning_curve(tmp_path / "m.jsonl", tmp_path / "both.png")
    with Metrics(tmp_path / "n.jsonl") as metrics:
        metrics.write(1, {"success": 0.5})
    one = plot.learning_curve(tmp_path / "n.jsonl", tmp_path / "one.png")
    assert size(both)[1] > size(one)[1], "two metrics need two panels"


def test_learning_curve_without_return_or_success(tmp_path):
    with Metrics(tmp_path / "m.jsonl") as metrics:
        metrics.write(1, {"loss": 0.5})
    with pytest.raises(SpecError, match="the metrics .return., .success. or .judged..*loss"):
        plot.learning_curve(tmp_path / "m.jsonl", tmp_path / "a.png")


def test_smoothing_is_a_running_mean_with_its_range():
    curve = plot._smooth(np.arange(5.0), np.array([0.0, 1.0, 2.0, np.nan, 4.0]))
    np.testing.assert_allclose(curve.mean, [0.5, 1.0, 1.5, 3.0, 4.0])
    np.testing.assert_allclose(curve.low[1], 0.2, err_msg="the 10th percentile of 0, 1, 2")


def test_labels_are_spread_just_enough():
    spread = plot._spread([0.0, 0.1, 0.2, 3.0], 1.0)
    np.testing.assert_allclose(spread, [-0.9, 0.1, 1.1, 3.0])


def test_bars_are_drawn_for_every_row(tmp_path):
    one = {"short": (0.2, 0.1, 0.4), "long": (1.0, 1.0, 1.0)}
    few = plot.bars(tmp_path / "few.png", {"a maze": one}, xlabel="solved", title="Mazes")
    rows = {f"maze {i}": one if i % 2 else {"long": (0.0, 0.0, 0.0)} for i in range(9)}
    many = plot.bars(tmp_path / "many.png", rows, xlabel="solved", title="Mazes")
    assert size(many)[1] > size(few)[1] > 100, "every row has its own place"


def test_bars_that_are_no_shares_are_refused(tmp_path):
    labels = {"xlabel": "solved", "title": "Mazes"}
    for bar in [(0.5, 0.6, 0.7), (1.2, 1.0, 1.3), (np.nan, np.nan, np.nan)]:
        with pytest.raises(SpecError, match=r"Bar 'a, short' needs 0 <= low <= value <= high <= 1"):
            plot.bars(tmp_path / "a.png", {"a": {"short": bar}}, **labels)
    with pytest.raises(SpecError, match="nothing to draw"):
        plot.bars(tmp_path / "a.png", {"a": {}}, **labels)
    assert not list(tmp_path.iterdir())
