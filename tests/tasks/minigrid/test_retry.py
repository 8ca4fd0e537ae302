"""Retry: the first attempt that comes off, and in a batch the same one."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from meadow.tasks.minigrid.retry import retry


def attempt(key):
    """Comes off one time in five; says by which number."""
    luck = jr.uniform(key)
    return luck, luck < 0.2


def first(key) -> float:
    """The same, spelt out."""
    return next(x for i in range(1000) if (x := float(jr.uniform(jr.fold_in(key, i)))) < 0.2)


def test_the_first_that_comes_off():
    keys = jr.split(jr.key(3), 5)
    found = [float(retry(attempt, key=key)) for key in keys]
    assert found == [first(key) for key in keys], "neither earlier nor later attempts"


def test_a_batch_is_its_members():
    keys = jr.split(jr.key(4), 300)
    one = jax.jit(lambda key: retry(attempt, key=key))
    alone = np.array([one(key) for key in keys])
    together = jax.jit(jax.vmap(one))(keys)
    assert (together == alone).all(), "nobody's luck depends on the batch"
    assert jnp.sum(together >= 0.2) == 0, "all came off"
