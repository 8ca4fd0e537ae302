"""Actions: from what our agents do to what a program of another library takes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Box, Discrete

Doing = tuple[ActionSpec, Callable[[Any], Any]]
"""What an action may be, and what becomes of one."""


def choices(num: int, first: int = 0) -> Doing:
    """One of `num`, which the program numbers from `first`."""
    return Discrete(int(num)), lambda action: int(action) + first


def numbers(shape: tuple[int, ...], low: np.ndarray, high: np.ndarray, dtype: Any) -> Doing:
    """An array in a box; one whose sides differ is offered as [-1, 1] and stretched.

    Actions beyond the box by rounding are cut to it.

    Raises:
        SpecError: the box has no bounds, or whole numbers in it.
    """
    low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    if not np.issubdtype(dtype, np.floating) or not np.isfinite([low, high]).all():
        raise SpecError(
            f"Expected actions that are real numbers between finite bounds, got {np.dtype(dtype)} "
            f"between {low.tolist()} and {high.tolist()}. Wrap the environment so that they are."
        )
    least, most = low.astype(dtype), high.astype(dtype)

    def cut(action: np.ndarray) -> np.ndarray:
        # Of the program's own type: what float32 rounds up may lie beyond a bound of float64.
        return np.minimum(np.maximum(action.astype(dtype), least), most)

    if low.size and (low == low.flat[0]).all() and (high == high.flat[0]).all():
        return Box(shape, float(low.flat[0]), float(high.flat[0])), cut
    middle, half = (high + low) / 2, (high - low) / 2

    def stretched(action: np.ndarray) -> np.ndarray:
        return cut(middle + half * np.minimum(np.maximum(action, -1.0), 1.0))

    return Box(shape, -1.0, 1.0), stretched
