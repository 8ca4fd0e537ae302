"""The radar: a picture of shares, and nothing of what is none."""

import pytest
from matplotlib.projections.polar import PolarAxes

from meadow.core.errors import SpecError
from meadow.runs.plot import COLOURS
from meadow.runs.radar import radar

SHARES = {"basic": 0.9, "noise": 0.4, "credit_assignment": 0.7, "memory": 0.0}


def test_it_is_drawn(tmp_path):
    path = radar({"DQN": SHARES, "R2D2": dict.fromkeys(SHARES, 0.5)}, tmp_path / "radar.png")
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000


def test_no_agent_is_left_out(tmp_path, monkeypatch):
    drawn = []
    plot = PolarAxes.plot

    def noted(self, x, y, line, **style):
        drawn.append((style["label"], line, style["color"]))
        return plot(self, x, y, line, **style)

    monkeypatch.setattr(PolarAxes, "plot", noted)
    names = [f"agent {i}" for i in range(2 * len(COLOURS) + 1)]
    radar(dict.fromkeys(names, SHARES), tmp_path / "radar.png")
    assert [name for name, *_ in drawn] == names
    assert len({(line, colour) for _, line, colour in drawn}) == len(names), "and all look apart"


def test_a_radar_of_nobody_is_refused(tmp_path):
    with pytest.raises(SpecError, match="an agent or more, got none"):
        radar({}, tmp_path / "radar.png")


@pytest.mark.parametrize(
    "agents",
    [{"a": {"x": 0.5, "y": 0.5}}, {"a": SHARES | {"basic": 1.5}}, {"a": SHARES, "b": {"x": 0.1}}],
)
def test_what_is_no_radar_is_refused(agents, tmp_path):
    with pytest.raises(SpecError, match="three or more shares"):
        radar(agents, tmp_path / "radar.png")
    assert not list(tmp_path.iterdir())
