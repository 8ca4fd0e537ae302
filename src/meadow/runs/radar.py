"""Radar: a few shares around a circle, so that what an agent lacks is seen at a glance."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from meadow.core.errors import SpecError
from meadow.runs import atomic
from meadow.runs.plot import COLOURS, DPI, GREY, GRID, INK

LINES = ("-", "--", ":")  # another when colours begin again


def radar(
    agents: Mapping[str, Mapping[str, float]], path: str | os.PathLike[str], *, title: str = ""
) -> Path:
    """Draw every agent's shares into the PNG file `path`.

    Args:
        agents: by name, each with the same names of shares, in [0, 1]; three or more.

    Raises:
        SpecError: no agents, other names, fewer than three, or numbers that are no shares.
    """
    from matplotlib.figure import Figure

    if not agents:
        raise SpecError(f"A radar needs an agent or more, got none for {path}.")
    names = list(next(iter(agents.values())))
    for agent, shares in agents.items():
        fits = list(shares) == names and len(names) >= 3
        if not (fits and all(0 <= share <= 1 for share in shares.values())):
            raise SpecError(
                f"A radar needs the same three or more shares in [0, 1] of every agent, got "
                f"{dict(shares)} of {agent!r}."
            )
    turn = np.linspace(0, 2 * np.pi, len(names), endpoint=False)
    closed = np.append(turn, turn[:1])
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.add_subplot(projection="polar", theta_offset=np.pi / 2, theta_direction=-1)
    for i, (agent, shares) in enumerate(agents.items()):
        turns, colour = divmod(i, len(COLOURS))
        line, colour = LINES[turns % len(LINES)], COLOURS[colour]
        around = np.append(list(shares.values()), list(shares.values())[:1])
        axes.plot(closed, around, line, color=colour, linewidth=1.8, label=agent)
        axes.fill(closed, around, color=colour, alpha=0.15)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.25, 0.5, 0.75, 1.0], ["", "0.5", "", "1"], color=GREY, fontsize=8)
    axes.set_xticks(turn, [name.replace("_", "\n") for name in names], color=INK, fontsize=9)
    axes.tick_params(axis="x", pad=8)
    axes.grid(color=GRID)
    axes.spines["polar"].set_visible(False)
    if len(agents) > 1:
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.02, 1.1))
    if title:
        figure.suptitle(title, color=INK, fontsize=12)
    path, data = Path(path), io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI)
    atomic.write(path, data.getvalue())
    return path
