"""Few: the first of those that wait, so that work is done for them and for nobody else."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def first_few(waiting: Bool[Array, "num"], few: int) -> Int[Array, "few"]:
    """Where the first `few` true entries lie, in order; `num` where there are no more.

    What `jnp.nonzero(waiting, size=few, fill_value=num)` says, in a quarter of its time: the
    largest few of a row of numbers is one fast call. Exact up to 2^24 entries.
    """
    num = waiting.shape[0]
    rank = jnp.where(waiting, jnp.arange(num, 0, -1, dtype=jnp.float32), 0.0)
    return num - jax.lax.top_k(rank, few)[0].astype(jnp.int32)
