"""Prioritise: how much chance a score gives a task, in five ways.

Each weighs scores that stand in falling order, -inf where there is no task; such weigh nothing. The
weights need not sum to 1.

    rank           rank^(-1/T), the best having rank 1
    proportional   score^(1/T); scores below 0 count as 0, so not for scores of either sign
    softmax        exp(score / T)
    top_k          the same of the `top` best alone
    uniform        1

References: Jiang et al., Prioritized Level Replay, 2021, section 3.2; `top_k` is JaxUED's.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from meadow.core.errors import UnknownNameError

Weights = Float[Array, "num"]

# Far below any chance that matters, but not 0: whatever is kept can be drawn.
LEAST = 1e-30


def rank(scores: Weights, temperature: float, top: int) -> Weights:
    """By place alone: the scale of the scores does not matter.

    >>> rank(jnp.array([7.0, 3.0, -jnp.inf]), temperature=1.0, top=0).tolist()
    [1.0, 0.5, 0.0]
    """
    # Known before anything runs, so the power costs nothing.
    weights = np.arange(1, len(scores) + 1, dtype=float) ** (-1 / temperature)
    return jnp.asarray(np.maximum(weights, LEAST), jnp.float32) * _present(scores)


def proportional(scores: Weights, temperature: float, top: int) -> Weights:
    """By size; where no score is above 0, all alike."""
    best = jnp.maximum(scores[0], 0)
    shares = jnp.maximum(scores, 0) / jnp.where(best > 0, best, 1)
    weights = jnp.where(best > 0, shares ** (1 / temperature), 1)
    return jnp.maximum(weights, LEAST) * _present(scores)


def softmax(scores: Weights, temperature: float, top: int) -> Weights:
    """By differences of score; the best weighs 1."""
    best = jnp.where(jnp.isfinite(scores[0]), scores[0], 0)
    return jnp.maximum(jnp.exp((scores - best) / temperature), LEAST) * _present(scores)


def top_k(scores: Weights, temperature: float, top: int) -> Weights:
    """As `softmax`, but whoever is not among the `top` best weighs nothing."""
    return softmax(scores, temperature, top) * (np.arange(len(scores)) < top)


def uniform(scores: Weights, temperature: float, top: int) -> Weights:
    """All alike."""
    return _present(scores)


def _present(scores: Weights) -> Weights:
    return jnp.isfinite(scores).astype(jnp.float32)


PRIORITISATIONS: dict[str, Callable[[Weights, float, int], Weights]] = {
    "rank": rank,
    "proportional": proportional,
    "softmax": softmax,
    "top_k": top_k,
    "uniform": uniform,
}


def prioritisation(name: str) -> Callable[[Weights, float, int], Weights]:
    """One of these by name; raises `UnknownNameError` for any other."""
    if name not in PRIORITISATIONS:
        raise UnknownNameError("prioritisation", name, PRIORITISATIONS)
    return PRIORITISATIONS[name]
