"""Robust: figures over runs and tasks that a few lucky ones do not decide, and how two compare.

References: Agarwal et al., Deep RL at the Edge of the Statistical Precipice, 2021.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num

from meadow.core.errors import UnknownNameError
from meadow.evaluation.bootstrap import Statistic, around, bootstrap
from meadow.evaluation.interval import Estimate


def interquartile_mean(
    values: Float[np.ndarray, "*batch num"],
) -> Float[np.ndarray, "*batch"]:
    """The mean of the middle half: from each end a quarter is cut, rounded down.

    >>> float(interquartile_mean(np.array([100.0, 2.0, 4.0, -50.0])))
    3.0
    """
    num = values.shape[-1]
    cut = num // 4
    if cut:
        values = np.partition(values, (cut, num - cut - 1), axis=-1)
    return np.asarray(values[..., cut : num - cut].mean(axis=-1))


def _flat(values: Float[np.ndarray, "*batch runs tasks"]) -> Float[np.ndarray, "*batch num"]:
    return values.reshape(*values.shape[:-2], -1)


AGGREGATES: dict[str, Statistic] = {
    "interquartile mean": lambda values: interquartile_mean(_flat(values)),
    "mean": lambda values: _flat(values).mean(axis=-1),
}


def aggregate(
    values: Num[np.ndarray, "runs tasks"] | Bool[np.ndarray, "runs tasks"],
    statistic: str = "interquartile mean",
    **options: Any,
) -> Estimate:
    """One figure for all runs and tasks.

    Args:
        options: of `bootstrap`; `apart=True` is the stratified bootstrap of the reference, for
            tasks that had agents of their own.

    Raises:
        UnknownNameError: no such statistic.

    >>> aggregate(np.array([[0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]]), apart=True)
    Estimate(value=1.0, low=1.0, high=1.0)
    """
    return bootstrap(_named(statistic), _values(values), **options)


def compare(
    one: Num[np.ndarray, "runs *tasks"],
    other: Num[np.ndarray, "runs *tasks"],
    statistic: str = "mean",
    **options: Any,
) -> Estimate:
    """By how much `one` is better than `other`, run for run: row i of both had the same seed.

    Args:
        one, other: of one shape; what two methods came to, on the same tasks where there are any.
        options: of `bootstrap`.

    Raises:
        UnknownNameError: no such statistic.
        SpecError: different shapes.

    >>> print(compare(np.array([0.3, 0.9, 0.5]), np.array([0.1, 0.7, 0.3])))
    0.200 [0.200, 0.200]
    """
    measure = _named(statistic)
    pair = (_values(one), _values(other))
    return bootstrap(lambda one, other: measure(one) - measure(other), *pair, **options)


def improvement(
    one: Num[np.ndarray, "runs *tasks"],
    other: Num[np.ndarray, "others *tasks"],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """How likely a run of `one` beats one of `other` on one of the tasks; ties count half.

    Nothing is paired: the two may have different numbers of runs, and runs are drawn of each by
    itself.

    >>> improvement(np.array([0.5, 0.9]), np.array([0.1, 0.5, 0.4])).value
    0.9166666666666666
    """
    left, right = _values(one)[:, None], _values(other)[None]
    wins = ((left > right) + 0.5 * (left == right)).mean(axis=-1)
    rng = np.random.default_rng(seed)
    rows, columns = (_shares(rng, num, resamples) for num in wins.shape)
    drawn = np.einsum("di,ij,dj->d", rows, wins, columns)
    return around(float(wins.mean()), drawn, level)


def _shares(rng: np.random.Generator, num: int, draws: int) -> Float[np.ndarray, "draws num"]:
    """How much of each draw is each of `num`, drawn with replacement."""
    return rng.multinomial(num, np.full(num, 1 / num), size=draws) / num


def _values(values: np.ndarray) -> Float[np.ndarray, "runs num"]:
    return np.asarray(values, float).reshape(len(values), -1)


def _named(statistic: str) -> Statistic:
    if statistic not in AGGREGATES:
        raise UnknownNameError("statistic", statistic, AGGREGATES)
    return AGGREGATES[statistic]
