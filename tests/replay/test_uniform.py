"""Uniform: every window that is kept has the same chance, and no other has any."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from meadow.replay.selector import Span
from meadow.replay.uniform import Uniform, below


def test_every_window_has_the_same_chance(counted, chi_square):
    span = Span(jnp.int32(1017), jnp.int32(1017 + 61), 70, 3)
    counts = counted(Uniform(), (), span)
    chances = np.zeros((70, 3))
    chances[:61] = 1 / (61 * 3)
    chi_square(counts.ravel(), chances.ravel(), "all windows of all lives are alike")


def test_weights_are_one(key):
    chosen = Uniform().sample((), Span(jnp.int32(0), jnp.int32(5), 8, 2), 16, key=key)
    assert (chosen.weight == 1).all(), "no bias, nothing to take back"
    assert {int(x) for x in chosen.number} <= set(range(5)), "only what is kept"


def test_a_word_of_luck_is_scaled_as_whole_numbers_are(key):
    bits = np.concatenate([[0, 2**32 - 1], np.asarray(jr.bits(key, (1000,)))]).astype(np.uint32)
    for num in (1, 2, 10, 65535, 65536, 65537, 10**6, 2**31 - 1, 2**32 - 1):
        exact = [int(word) * num >> 32 for word in bits]
        assert np.asarray(below(jnp.uint32(num), jnp.asarray(bits))).tolist() == exact, f"of {num}"
