"""What transcriptions of formulas have in common: float64, and slopes that owe nothing to JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="session")
def exact() -> Callable[[Any], Any]:
    """The same numbers as float64 (integers and bytes stay)."""

    def one(x: Any) -> np.ndarray:
        return np.array(x, float if jnp.issubdtype(x.dtype, jnp.floating) else x.dtype)

    return lambda tree: jax.tree.map(one, tree)


@pytest.fixture(scope="session")
def slopes() -> Callable[..., Any]:
    """Central differences of a function of a tree of float64."""

    def of(function: Callable[[Any], float], p: Any, width: float = 1e-6) -> Any:
        leaves, form = jax.tree.flatten(jax.tree.map(np.array, p))
        grads = [np.zeros_like(x) for x in leaves]
        for x, grad in zip(leaves, grads, strict=True):
            for i in np.ndindex(x.shape):
                kept, sides = x[i], []
                for side in (width, -width):
                    x[i] = kept + side
                    sides.append(function(jax.tree.unflatten(form, leaves)))
                x[i] = kept
                grad[i] = (sides[0] - sides[1]) / (2 * width)
        return jax.tree.unflatten(form, grads)

    return of
