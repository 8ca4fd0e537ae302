"""Plots: curves and bars with their uncertainty, readable at a glance, also by the colour-blind.

Nothing global is touched: no pyplot, no backend is chosen, no setting is changed.
"""

import io
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

from meadow.core.errors import SpecError
from meadow.runs import atomic, metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # so that annotations mean something where matplotlib is not imported (yet)
    Axes = Figure = Any

# Okabe and Ito, Color Universal Design, 2008; their yellow is left out, too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
INK, GREY, GRID = "#1f1f1f", "#737373", "#e4e4e4"
WIDTH, HEIGHT, DPI = 7.2, 3.3, 160  # inches, inches a panel, dots per inch
LABEL = 18  # characters in a line of a curve's label
FEW = 15  # up to so many points each gets a dot
POINTS = 400  # a learning curve is drawn with at most so many points
BAR, THICK = 0.21, 0.7  # inches a bar stands from the next; the share of that which is bar
WINDOW = 0.03  # of its length, to each side: what a learning curve is smoothed over

Curve = tuple[ArrayLike, ArrayLike, ArrayLike | None, ArrayLike | None]
Bar = tuple[float, float, float]  # a share, and the bounds of its interval


class _Curve(NamedTuple):
    x: Float[np.ndarray, "points"]
    mean: Float[np.ndarray, "points"]
    low: Float[np.ndarray, "points"]
    high: Float[np.ndarray, "points"]


def curves(
    path: str | os.PathLike[str],
    series: Mapping[str, Curve],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
) -> Path:
    """Draw `series` into a PNG file; each curve is named at its end.

    Args:
        path: the file, replaced as a whole.
        series: for each name `(x, mean, low, high)`, arrays of one length; `low` and `high` bound
            the shaded interval and may both be None.
        xlabel: what `x` counts.
        ylabel: what was measured.
        title: what the picture shows.

    Returns:
        The path.

    Raises:
        SpecError: no series, or arrays that do not fit each other.
    """
    if not series:
        raise SpecError(f"There is nothing to draw in {path}: `series` is empty.")
    checked = {name: _checked(name, curve) for name, curve in series.items()}
    figure, (axes,) = _figure(1)
    _draw(axes, checked, COLOURS)
    _label_ends(axes, checked)
    _caption(axes, ylabel, title)
    axes.set_xlabel(xlabel, color=GREY)
    return _write(figure, Path(path))


def learning_curve(
    path: str | os.PathLike[str], out: str | os.PathLike[str], *, title: str = "Learning"
) -> Path:
    """Draw how return and success grew, from a file of metrics, into the PNG file `out`.

    The line is a running mean over neighbouring lines of the file (and seeds, where there are
    several); the shade is the range from their 10th to their 90th percentile.

    Raises:
        CheckpointError: the metrics cannot be read.
        SpecError: they hold neither return nor success.
    """
    columns = metrics.read(path)
    names = [name for name in ("return", "success", "judged") if name in columns]
    if not names:
        raise SpecError(
            f"There is nothing to draw from {path}: expected the metrics `return`, `success` or "
            f"`judged`, got {', '.join(columns) or 'no lines'}."
        )
    clock = "steps" if "steps" in columns else "iteration"
    x = columns[clock].reshape(len(columns[clock]), -1).mean(axis=1)
    figure, panels = _figure(len(names))
    for i, (axes, name) in enumerate(zip(panels, names, strict=True)):
        _draw(axes, {name: _smooth(x, columns[name])}, COLOURS[i:])
        _caption(axes, f"{name}: running mean, 10–90 % range", title if i == 0 else "")
    panels[-1].set_xlabel("environment steps" if clock == "steps" else clock, color=GREY)
    return _write(figure, Path(out))


def bars(
    path: str | os.PathLike[str],
    rows: Mapping[str, Mapping[str, Bar]],
    *,
    xlabel: str,
    title: str,
) -> Path:
    """Draw shares between 0 and 1 into a PNG file, a row for each name.

    Args:
        path: the file, replaced as a whole.
        rows: from the top; each has a bar for each series it knows, in that series' colour.
        xlabel: what was measured.
        title: what the picture shows.

    Returns:
        The path.

    Raises:
        SpecError: no bars, or one that is not a share between its bounds.
    """
    series = list(dict.fromkeys(name for row in rows.values() for name in row))
    if not series:
        raise SpecError(f"There is nothing to draw in {path}: `rows` has no bars.")
    for name, bar in ((f"{row}, {s}", bar) for row, by in rows.items() for s, bar in by.items()):
        if not 0 <= bar[1] <= bar[0] <= bar[2] <= 1:
            raise SpecError(f"Bar {name!r} needs 0 <= low <= value <= high <= 1, got {bar}.")
    num = sum(map(len, rows.values()))
    figure, (axes,) = _figure(1, height=BAR * (num + 0.6 * len(rows)) + 1.2)
    _draw_bars(axes, rows, {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(series)})
    _caption(axes, "", title)
    axes.set_xlabel(xlabel, color=GREY)
    return _write(figure, Path(path))


def _checked(name: str, curve: Curve) -> _Curve:
    x, mean, low, high = curve
    arrays = [np.asarray(a, float) for a in (x, mean, mean if low is None else low,
                                             mean if high is None else high)]  # fmt: skip
    shapes = [a.shape for a in arrays]
    if len(set(shapes)) > 1 or arrays[0].ndim != 1 or not arrays[0].size:
        raise SpecError(
            f"Series {name!r} needs x, mean, low and high of one shape [points], at least one "
            f"point; got {', '.join(str(list(s)) for s in shapes)}."
        )
    return _Curve(*arrays)


def _smooth(x: np.ndarray, values: np.ndarray) -> _Curve:
    length = len(x)
    reach = max(1, round(WINDOW * length))
    centres = np.unique(np.linspace(0, length - 1, min(length, POINTS)).astype(int))
    rows = []
    for centre in centres:
        near = values[max(centre - reach, 0) : centre + reach + 1]
        near = near[np.isfinite(near)]
        rows.append((near.mean(), *np.quantile(near, (0.1, 0.9))) if near.size else (np.nan,) * 3)
    return _Curve(np.asarray(x[centres], float), *np.array(rows, float).T)


def _figure(panels: int, height: float | None = None) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = height or HEIGHT * (0.2 + 0.8 * panels) + 0.4
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.12)  # pyright: ignore
    return figure, list(figure.subplots(panels, sharex=True, squeeze=False)[:, 0])


def _draw(axes: Axes, series: Mapping[str, _Curve], colours: Sequence[str]) -> None:
    for i, curve in enumerate(series.values()):
        colour = colours[i % len(colours)]
        dot = "o" if len(curve.x) <= FEW else None
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(curve.x, curve.mean, color=colour, linewidth=2, marker=dot, markersize=4.5,
                  solid_capstyle="round", solid_joinstyle="round")  # fmt: skip
    _scale(axes, list(series.values()))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    _bare(axes)


def _draw_bars(
    axes: Axes, rows: Mapping[str, Mapping[str, Bar]], colours: Mapping[str, str]
) -> None:
    top, middles = 0.0, []
    for row in rows.values():
        for i, (name, (value, low, high)) in enumerate(row.items()):
            y = top + i
            axes.barh(y, value, height=THICK, color=colours[name], alpha=0.85, linewidth=0)
            axes.plot([low, high], [y, y], color=INK, linewidth=1.2, solid_capstyle="butt")
            axes.annotate(f"{value:.2f}", (max(value, high), y), (5, 0), color=GREY, fontsize=8,
                          textcoords="offset points", va="center")  # fmt: skip
        middles.append(top + (len(row) - 1) / 2)
        top += len(row) + 0.6
    axes.set_yticks(middles, list(rows))
    axes.set_ylim(top - 0.9, -0.7)
    axes.set_xlim(0, 1.04)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    _bare(axes)
    axes.tick_params(axis="y", colors=INK)
    if len(colours) > 1:
        _legend(axes, colours)


def _legend(axes: Axes, colours: Mapping[str, str]) -> None:
    """The series' names in a row above the bars, each in its colour."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

    looks = [{"color": colour, "fontsize": 10} for colour in colours.values()]
    texts: list[Any] = [
        TextArea(name, textprops=look) for name, look in zip(colours, looks, strict=True)
    ]
    row = HPacker(children=texts, align="baseline", pad=0, sep=14)
    above = {"bbox_to_anchor": (0, 1.005), "bbox_transform": axes.transAxes}
    axes.add_artist(
        AnchoredOffsetbox("lower left", child=row, pad=0, borderpad=0, frameon=False, **above)
    )


def _bare(axes: Axes) -> None:
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(length=0, colors=GREY, labelsize=9, pad=6)
    axes.tick_params(axis="x", length=3)


def _scale(axes: Axes, series: Sequence[_Curve]) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    x = np.concatenate([c.x for c in series])
    y = np.concatenate([v[np.isfinite(v)] for c in series for v in (c.low, c.mean, c.high)])
    whole = bool(np.all(x == np.round(x)))
    if whole and len(points := np.unique(x)) <= FEW:
        axes.set_xticks(points)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    if x.max() >= 10_000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.margins(x=0.04 if len(np.unique(x)) <= FEW else 0.01)
    # Shares (success, return of a task solved once) are read against nothing and everything.
    if y.size and y.min() >= 0 and 0.5 < y.max() <= 1:
        axes.set_ylim(-0.02, 1.04)


def _label_ends(axes: Axes, series: Mapping[str, _Curve]) -> None:
    """Write each name beside the end of its curve, moved apart where they would overlap."""
    bottom, top = axes.get_ylim()
    labels = [textwrap.fill(name, LABEL) for name in series]
    lines = max(label.count("\n") + 1 for label in labels)
    gap = (top - bottom) * lines * 13 / (HEIGHT * 72 * 0.78)  # the height of a label, in y's units
    ends = [np.flatnonzero(np.isfinite(c.mean)) for c in series.values()]
    named = [
        (float(c.mean[end[-1]]), float(c.x[end[-1]]), label, COLOURS[i % len(COLOURS)])
        for i, (label, c, end) in enumerate(zip(labels, series.values(), ends, strict=True))
        if end.size
    ]
    named.sort(key=lambda item: item[0])
    right = max((x for _, x, *_ in named), default=0.0)
    for y, (_, _, label, colour) in zip(_spread([n[0] for n in named], gap), named, strict=True):
        axes.annotate(label, (right, y), (9, 0), textcoords="offset points", color=colour,
                      fontsize=10, va="center", linespacing=1.1, annotation_clip=False)  # fmt: skip


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Sorted heights, neighbours pushed apart to `gap` around their common middle.

    >>> _spread([0.0, 0.0, 5.0], 1.0)
    [-0.5, 0.5, 5.0]
    """
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _low(groups[-1], gap) - _high(groups[-2], gap) < gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_low(group, gap) + i * gap for group in groups for i in range(len(group))]


def _low(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _high(group: Sequence[float], gap: float) -> float:
    return _low(group, gap) + gap * (len(group) - 1)


def _caption(axes: Axes, ylabel: str, title: str) -> None:
    axes.annotate(ylabel, (0, 1), (0, 8), xycoords="axes fraction", textcoords="offset points",
                  color=GREY, fontsize=10)  # fmt: skip
    if title:
        axes.annotate(title, (0, 1), (0, 26), xycoords="axes fraction", color=INK,
                      textcoords="offset points", fontsize=13, fontweight="bold")  # fmt: skip


def _write(figure: Figure, path: Path) -> Path:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    atomic.write(path, buffer.getvalue())
    return path
