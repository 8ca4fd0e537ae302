"""Intervals: how sure a mean, a median or a percentile over tasks is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from meadow.core.errors import UnknownNameError


class Estimate(NamedTuple):
    """A statistic over tasks, with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


STATISTICS = {
    "mean": lambda x: np.mean(x, axis=-1),
    "median": lambda x: np.median(x, axis=-1),
    "20th percentile": lambda x: np.percentile(x, 20, axis=-1),
}


def estimate(
    values: Float[np.ndarray, "tasks"] | Bool[np.ndarray, "tasks"] | Int[np.ndarray, "tasks"],
    statistic: str = "mean",
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A statistic with a percentile bootstrap interval, tasks drawn with replacement.

    >>> estimate(np.array([1.0, 1.0, 1.0]))
    Estimate(value=1.0, low=1.0, high=1.0)

    Raises:
        UnknownNameError: no such statistic.

    References:
        Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    values = np.asarray(values, float)
    if statistic not in STATISTICS:
        raise UnknownNameError("statistic", statistic, STATISTICS)
    measure = STATISTICS[statistic]
    rng = np.random.default_rng(seed)
    drawn = [measure(values[rng.integers(len(values), size=len(values))]) for _ in range(resamples)]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Estimate(float(measure(values)), float(low), float(high))
