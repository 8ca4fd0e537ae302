"""Preference: how much an action that was done counts when it is cloned, by how good it was."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def preference(
    better: Float[Array, "*batch"], sharpness: float, cap: float
) -> Float[Array, "*batch"]:
    """`exp(sharpness * better)`, and never more than `cap`.

    >>> preference(jnp.array([0.0, 99.0]), 1.0, 20.0).tolist()
    [1.0, 20.0]

    Args:
        better: by how much it was better than what is usual.

    References: Peng et al., Advantage-Weighted Regression, 2019, eq. 10; the cap of Wang et al.,
    Critic Regularized Regression, 2020.
    """
    # The cap comes first, so that nothing is infinite on the way.
    return jnp.exp(jnp.minimum(sharpness * better, jnp.log(cap)))
