"""Bootstrap: how else a figure over runs and tasks could have come out.

Values are `[runs, tasks]`. A run is one agent that is judged on all the tasks, so what luck it had
in training is shared by them: a run is drawn with its whole row. Where there is but one run, tasks
are drawn instead, and the interval says nothing of other runs.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from meadow.core.errors import SpecError
from meadow.evaluation.interval import Estimate

Statistic = Callable[..., Float[np.ndarray, "*draws"]]
_AT_ONCE = 1 << 22  # values drawn before they are made into figures


def bootstrap(
    statistic: Statistic,
    *values: np.ndarray,
    apart: bool = False,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A figure with its percentile bootstrap interval.

    With few runs such an interval is too narrow, here as everywhere: what is called 95 % covers the
    mean of normal values 84 % of the time with 5 runs, 90 % with 10 and 93 % with 20.

    Args:
        statistic: of arrays `[*draws, runs, tasks]`, as many as `values`, the figures `[*draws]`.
        values: `[runs, tasks]`, of one shape; and paired: what is drawn of one is drawn of all.
        apart: draw runs for each task by itself, as Agarwal et al. do. Right where every task had
            agents of its own; where agents are judged on many tasks it makes the interval far too
            narrow.

    Raises:
        SpecError: values of different shapes, or none.

    >>> bootstrap(lambda x: x.mean((-2, -1)), np.array([[0.0, 1.0], [0.0, 1.0]]))
    Estimate(value=0.5, low=0.5, high=0.5)

    References:
        Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13;
        Agarwal et al., Deep RL at the Edge of the Statistical Precipice, 2021.
    """
    runs, tasks = _shape(values)
    rng = np.random.default_rng(seed)
    at_once = max(1, min(resamples, _AT_ONCE // (runs * tasks)))
    drawn = []
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        where = _draws(rng, draws, runs, tasks, apart=apart)
        drawn.append(statistic(*(value[where] for value in values)))
    return around(float(statistic(*values)), np.concatenate(drawn), level)


def around(value: float, drawn: Float[np.ndarray, "draws"], level: float) -> Estimate:
    """A figure between the percentiles of what it could have been."""
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Estimate(value, float(low), float(high))


def _draws(
    rng: np.random.Generator, draws: int, runs: int, tasks: int, *, apart: bool
) -> tuple[Int[np.ndarray, "..."], Int[np.ndarray, "..."]]:
    """Indices of runs and of tasks that broadcast to `[draws, runs, tasks]`."""
    every_run, every_task = np.arange(runs)[:, None], np.arange(tasks)
    if runs == 1:
        return every_run, rng.integers(tasks, size=(draws, 1, tasks))
    return rng.integers(runs, size=(draws, runs, tasks if apart else 1)), every_task


def _shape(values: tuple[np.ndarray, ...]) -> tuple[int, int]:
    shapes = {value.shape for value in values}
    if len(shapes) != 1 or not all(value.size for value in values):
        got = ", ".join(str(list(value.shape)) for value in values) or "nothing"
        raise SpecError(
            f"Expected values [runs, tasks] of one shape, at least one of each; got {got}. What is "
            "paired needs the same runs and tasks on both sides."
        )
    return values[0].shape
