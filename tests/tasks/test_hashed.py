"""Hashed: equal for equal trees, and for no others that anybody will meet."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.tasks import hashed as subject

NUM = 100_000
hashed = jax.jit(subject.hashed)


def together(hashes: jax.Array) -> np.ndarray:
    """Both words as one."""
    high, low = np.asarray(hashes, np.uint64).T
    return high << np.uint64(32) | low


@pytest.mark.parametrize("entries", ["walls", "numbers", "floats"])
def test_a_hundred_thousand_trees_have_as_many_hashes(entries, key):
    trees = {
        "walls": lambda: jr.bernoulli(key, 0.3, (NUM, 169)),
        "numbers": lambda: jnp.stack(jnp.divmod(jnp.arange(NUM), 1000), -1),
        "floats": lambda: jnp.linspace(0, 1, NUM)[:, None],
    }[entries]()
    hashes = np.asarray(jax.vmap(hashed)(trees))
    assert len(np.unique(together(hashes))) == NUM, "no two of them share both words"
    # Of words drawn at random NUM^2 / 2^33 = 1.2 pairs collide.
    for lane in hashes.T:
        assert NUM - len(np.unique(lane)) < 12, "each word alone is as good as a random one"


def test_one_bit_changes_half_of_the_bits(key):
    walls = jr.bernoulli(key, 0.3, (169,))
    flipped = walls ^ jnp.eye(169, dtype=bool)
    changed = hashed(walls) ^ jax.vmap(hashed)(flipped)
    bits = np.asarray(changed)[..., None] >> np.arange(32, dtype=np.uint32) & 1
    assert abs(bits.mean() - 0.5) < 0.02, "on the whole"
    assert (abs(bits.mean(0) - 0.5) < 0.2).all(), "and every one of them"


def test_what_is_equal_has_one_hash():
    assert (hashed(jnp.array([0.0, 1.0])) == hashed(jnp.array([-0.0, 1.0]))).all(), "-0 is 0"
    one, other = (hashed(jnp.arange(3, dtype=kind)) for kind in (jnp.int32, jnp.uint8))
    assert (one == other).all(), "however wide the numbers are"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2), (2, 1)),
        (jnp.array([True, False]), jnp.array([False, True])),
        (jnp.zeros(3), jnp.zeros(4)),
        (1.0, 1.5),
        ((), 0),
    ],
    ids=["order", "place", "length", "fraction", "nothing"],
)
def test_what_differs_has_two(one, other):
    assert (hashed(one) != hashed(other)).all()
