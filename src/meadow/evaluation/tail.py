"""Tail: what an agent makes of the tasks it finds hardest.

Who picks the tasks with the lowest win rates and reports those very rates reports bad luck as
difficulty. So two sets of independent attempts are asked for: the first says which tasks are the
worst, the second how they go.

References: Rutherford et al., No Regrets: Investigating and Improving Regret Approximations for
Curriculum Discovery, 2024, section 4; Rockafellar & Uryasev, 2000, for conditional value at risk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from meadow.core.errors import SpecError
from meadow.evaluation.bootstrap import bootstrap
from meadow.evaluation.interval import Estimate

ALPHAS = (1.0, 5.0, 10.0, 100.0)


def conditional(
    first: Float[np.ndarray, "*batch tasks"],
    second: Float[np.ndarray, "*batch tasks"],
    alphas: Sequence[float | int] = ALPHAS,
) -> Float[np.ndarray, "*batch alphas"]:
    """The mean of `second` over the worst `alpha` % of tasks by `first`.

    Tasks that tie for the last places share them, so their order does not matter; a last task may
    count in part, where `alpha` % of the tasks is no whole number.

    Args:
        first, second: win rates of the same tasks in independent attempts.
        alphas: in percent, above 0 and up to 100.

    Raises:
        SpecError: an alpha that is no such share.

    >>> conditional(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.2, 0.4, 0.6, 1.0]), (25, 50, 100))
    array([0.2 , 0.35, 0.55])
    """
    wrong = [alpha for alpha in alphas if not 0 < alpha <= 100]
    if wrong:
        raise SpecError(f"A share of tasks is above 0 and at most 100 %, got {wrong}.")
    return np.stack([_worst(first, second, alpha) for alpha in alphas], axis=-1)


def tail(
    first: Float[np.ndarray, "runs tasks"],
    second: Float[np.ndarray, "runs tasks"],
    alpha: float | int,
    **options: Any,
) -> Estimate:
    """The mean over runs of `conditional`, each run with its own worst tasks.

    Args:
        options: of `bootstrap`.
    """

    def figure(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.asarray(conditional(first, second, [alpha])[..., 0].mean(axis=-1))

    return bootstrap(figure, first, second, **options)


def _worst(
    first: Float[np.ndarray, "*batch tasks"],
    second: Float[np.ndarray, "*batch tasks"],
    alpha: float | int,
) -> Float[np.ndarray, "*batch"]:
    places = alpha * first.shape[-1] / 100
    last = min(int(np.ceil(places)), first.shape[-1]) - 1
    limit = np.partition(first, last, axis=-1)[..., last : last + 1]
    below, tied = first < limit, first == limit
    left = places - below.sum(axis=-1)  # places that those who tie share
    shared = left * (second * tied).sum(axis=-1) / tied.sum(axis=-1)
    return np.asarray(((second * below).sum(axis=-1) + shared) / places)
