"""Statistics: of numbers that come a batch at a time, without keeping them.

References: Welford, Note on a Method for Calculating Corrected Sums of Squares and Products, 1962,
and Chan, Golub and LeVeque, 1979, for its form for batches.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Statistics(eqx.Module):
    """Of every number of an array.

    Attributes:
        count: of what was seen, by weight.
        mean: of it.
        squares: sum of squared distances from the mean.
    """

    count: Float[Array, ""]
    mean: Float[Array, "..."]
    squares: Float[Array, "..."]

    @property
    def std(self) -> Float[Array, "..."]:
        """Standard deviation; 1 where nothing was seen, or always the same."""
        variance = self.squares / jnp.maximum(self.count, 1.0)
        rounding = 1e-12 + 1e-11 * self.mean**2  # what is always the same seems to spread so far
        return jnp.where(variance > rounding, jnp.sqrt(variance), 1.0)

    def seen(self, x: Float[Array, "num ..."], weight: Float[Array, "num"]) -> "Statistics":
        """Having seen as many more."""
        shares = weight.reshape(-1, *(1,) * (x.ndim - 1))
        count = weight.sum()
        mean = (shares * x).sum(axis=0) / jnp.maximum(count, 1e-8)
        squares = (shares * (x - mean) ** 2).sum(axis=0)
        total = self.count + count
        share = count / jnp.maximum(total, 1e-8)
        away = mean - self.mean
        return Statistics(
            total,
            self.mean + away * share,
            self.squares + squares + away**2 * self.count * share,
        )


def nothing(x: Array) -> Statistics:
    """Of arrays like this one, none of which was seen yet."""
    zeros = jnp.zeros(x.shape, jnp.float32)
    return Statistics(jnp.zeros(()), zeros, zeros)
