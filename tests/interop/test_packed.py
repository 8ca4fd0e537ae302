"""Packed: what goes into a row of bytes comes out again, on the device and on the host."""

import jax
import jax.numpy as jnp
import numpy as np

from meadow.interop.packed import packing_of

TREE = {
    "bytes": jnp.arange(5, dtype=jnp.uint8),
    "flag": jnp.array([True, False, True]),
    "number": jnp.float32(-0.5),
    "words": jnp.array([[1, -2], [3, 4]], jnp.int32),
    "nothing": jnp.zeros((0, 4), jnp.uint8),
    "narrow": jnp.array([1.5, -2.0], jnp.bfloat16),
}


def equal(expected, got):
    for name in expected:
        assert got[name].dtype == expected[name].dtype, f"{name} keeps its type"
        np.testing.assert_array_equal(np.asarray(got[name]), np.asarray(expected[name]), name)


def test_both_ways_out_give_what_went_in():
    packing = packing_of(TREE)
    row = jax.jit(packing.pack)(TREE)
    assert row.nbytes == sum(x.nbytes for x in TREE.values()), "not a byte more than the arrays"
    equal(TREE, jax.jit(packing.unpack)(row))
    equal(TREE, packing.read(np.array(row)))


def test_every_array_is_aligned():
    row = np.array(jax.jit(packing_of(TREE).pack)(TREE))
    for name, view in packing_of(TREE).read(row).items():
        assert view.flags.aligned, f"{name} lies where its type asks for it"
