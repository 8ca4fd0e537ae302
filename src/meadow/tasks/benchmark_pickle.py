"""Benchmark pickle: the task sets that XLand-MiniGrid publishes or writes, read safely.

Such a file is a dict, pickled and compressed with bz2: goals, rules, init_tiles and num_rules as
JAX arrays, and how they were generated. Nothing in it is run (`meadow.tasks.pickled`).

References: Nikulin et al., XLand-MiniGrid, 2023, whose files these are (v2 and v3).
"""

import bz2
import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from meadow.core.errors import TaskError
from meadow.tasks import pickled
from meadow.tasks.grid import GridTask
from meadow.tasks.raw import packed
from meadow.tasks.table import Table

# Axes that a file decides are named; those with the same name agree.
_SHAPES = {
    "goals": ("tasks", 5),
    "rules": ("tasks", "rules", 7),
    "init_tiles": ("tasks", "tiles", 2),
    "num_rules": ("tasks", 1),
}


def read_published(path: str | os.PathLike[str], *, limit: int = pickled.LIMIT) -> Table[GridTask]:
    """The tasks of a bz2-pickle file, in its order and as wide as it is.

    Args:
        path: the file; its name does not matter.
        limit: the most bytes that it may have or unfold to.

    Raises:
        TaskError: no such file; or one that is truncated, damaged, too large, no task set, or that
            names a function other than those that NumPy and JAX need for arrays. Nothing was run.
    """
    path = Path(path)
    try:
        content = _content(path, limit)
        goals, rules, init_tiles, _ = (_checked(content, name) for name in _SHAPES)
        _check_axes(content)
        tasks = packed(goals, rules, init_tiles)
    except TaskError as error:
        raise TaskError(f"Cannot read {path} as a published task set. {error}") from error
    return Table(GridTask(*(jnp.asarray(x) for x in tasks)))


def _content(path: Path, limit: int) -> dict[str, Any]:
    if not path.is_file():
        raise TaskError("There is no such file.")
    try:
        size = path.stat().st_size
        if size > limit:
            raise TaskError(f"It has {size:,} bytes; if you trust it, raise `limit` ({limit:,}).")
        with bz2.open(path, "rb") as file:
            return pickled.arrays(file, limit)
    except OSError as error:
        raise TaskError(f"{error.strerror or error}.") from error


def _checked(content: dict[str, Any], name: str) -> np.ndarray:
    """The array of that name, of a shape that it may have."""
    array, axes = content.get(name), _SHAPES[name]
    shown = ", ".join(map(str, axes))
    if not isinstance(array, np.ndarray):
        raise TaskError(f"Expected an array {name!r} of shape [{shown}] in it, and it has none.")
    fits = array.ndim == len(axes) and all(
        isinstance(axis, str) or axis == length
        for axis, length in zip(axes, array.shape, strict=False)
    )
    if not fits:
        raise TaskError(f"Its {name!r} must have shape [{shown}], got {list(array.shape)}.")
    return array


def _check_axes(content: dict[str, Any]) -> None:
    lengths = {name: len(content[name]) for name in _SHAPES}
    if len(set(lengths.values())) > 1 or not min(lengths.values()):
        raise TaskError(f"Its arrays must have one row for each of its tasks, got {lengths}.")
