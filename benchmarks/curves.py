"""Curves: a file of numbers, and a figure of its curves with their intervals."""

import json
import platform
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from meadow.evaluation.interval import Estimate, estimate

RESULTS = Path(__file__).parent / "results"
COLOURS = ("#2a6f4e", "#c8553d", "#4a6fa5", "#b8902a", "#7b5ea7", "#6b6b6b")

Runs = Mapping[str, Mapping[str, np.ndarray]]
"""Curves `[looks, seeds]` by method and name."""

Panels = Mapping[str, Sequence[str]]


def interval(values: Sequence[float] | np.ndarray) -> Estimate:
    """The mean over seeds, with a bootstrap interval of 95 %."""
    return estimate(np.asarray(values, float))


def area(curve: np.ndarray) -> np.ndarray:
    """The mean height of a curve, by seed: what is under it over its length."""
    return np.asarray((curve[1:] + curve[:-1]).mean(0) / 2)


class Figures(NamedTuple):
    """All figures about one thing.

    Attributes:
        what: it; also the folder of results, and the name of the command.
    """

    what: str

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return RESULTS / self.what

    def save(
        self,
        name: str,
        claim: str,
        runs: Runs,
        shown: Panels,
        verdict: Mapping[str, Any],
        *,
        along: str = "updates",
    ) -> None:
        """Write `NAME.json`, draw `NAME.png` and say the verdict as a line of JSON.

        Args:
            claim: what the figure is about, a sentence.
            shown: for each panel's title the names of the curves in it; most have one.
            verdict: what was found, and whether it passes.
            along: the curve that is the horizontal axis.
        """
        self.write(
            name, claim, runs, verdict, panels={t: list(n) for t, n in shown.items()}, along=along
        )
        self.redraw(name)

    def write(
        self, name: str, claim: str, runs: Runs, verdict: Mapping[str, Any], **more: Any
    ) -> None:
        """Write `NAME.json`, one curve a line, and say the verdict as a line of JSON."""
        self.folder.mkdir(parents=True, exist_ok=True)
        head = {
            "claim": claim,
            "command": f"make figures-{self.what} ROWS={name}",
            "machine": _machine(),
            "verdict": _plain(verdict),
            **more,
        }
        methods = (
            f"  {json.dumps(method)}: {{\n"
            + ",\n".join(
                f"   {json.dumps(key)}: {json.dumps(np.round(curve, 4).tolist())}"
                for key, curve in curves.items()
            )
            + "\n  }"
            for method, curves in runs.items()
        )
        text = json.dumps(head | {"curves": "CURVES"}, indent=1)
        text = text.replace('"CURVES"', "{\n" + ",\n".join(methods) + "\n }")
        for word in ("NaN", "-Infinity", "Infinity"):  # JSON has none of them
            text = text.replace(word, "null")
        (self.folder / f"{name}.json").write_text(text + "\n")
        print(json.dumps({"figure": name, **head["verdict"]}), flush=True)

    def redraw(self, name: str) -> None:
        """Draw `NAME.png` from `NAME.json`."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot, ticker

        told = json.loads((self.folder / f"{name}.json").read_text())
        shown, along = told["panels"], told["along"]
        longest = max(np.max(curves[along]) for curves in told["curves"].values())
        millions = along == "steps" and longest < 1000
        figure, panels = pyplot.subplots(
            1,
            len(shown),
            figsize=(3.6 * len(shown) + 0.4, 3.2),
            squeeze=False,
            layout="constrained",
        )
        for panel, (title, names) in zip(panels[0], shown.items(), strict=True):
            pairs = [(method, name) for method in told["curves"] for name in names]
            for colour, (method, curve) in zip(COLOURS, pairs, strict=False):
                curves = told["curves"][method]
                if curve in curves:
                    label = method if len(names) == 1 else f"{method}: {curve}"
                    x, y = (np.array(curves[which], float) for which in (along, curve))
                    _curve(panel, x, y, label, colour)
            panel.set_title(title, fontsize=10)
            panel.set_xlabel("million steps" if millions else along, fontsize=9)
            panel.xaxis.set_major_locator(ticker.MaxNLocator(6))
            if not millions:
                panel.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(alpha=0.25, linewidth=0.5)
            panel.tick_params(labelsize=8)
        panels[0, 0].legend(fontsize=8, facecolor="white", edgecolor="none", framealpha=0.7)
        figure.suptitle(textwrap.fill(told["claim"], 48 * len(shown)), fontsize=11)
        figure.savefig(self.folder / f"{name}.png", dpi=110)
        pyplot.close(figure)


def _curve(panel: Any, x: np.ndarray, y: np.ndarray, label: str, colour: str) -> None:
    known = np.isfinite(y).all(1)
    x, y = x[known].mean(1), y[known]
    if len(y):
        ends = np.array([interval(row) for row in y])
        panel.plot(x, ends[:, 0], color=colour, label=label, linewidth=1.6)
        panel.fill_between(x, ends[:, 1], ends[:, 2], color=colour, alpha=0.18, linewidth=0)


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return {"mean": round(value.value, 4), "interval": [round(x, 4) for x in value[1:]]}
    if isinstance(value, Mapping):
        return {key: _plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 4)
    return bool(value) if isinstance(value, np.bool_) else value


def _machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "")
    return {
        "cpu": model or platform.machine(),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }
