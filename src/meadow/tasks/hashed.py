"""Hashed: two words that tell any arrays apart.

Every entry is mixed with its place and all are added up, so a batch is one pass of vector
instructions. Two trees of the same shapes are told apart but for one pair in 2^64.

References: Zobrist, A New Hashing Method with Application for Game Playing, 1970, for the sum; the
mixing function is the 32-bit finaliser of Appleby, MurmurHash3, 2011.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, UInt32


def hashed(tree: PyTree) -> UInt32[Array, "2"]:
    """The hash of all entries of all leaves, each a number or a bool.

    Numbers are taken at 32 bits.

    >>> one, other = hashed((1, 2)), hashed((2, 1))
    >>> bool((one == other).any()), bool((one == hashed((1, 2))).all())
    (False, True)
    """
    leaves = [_words(jnp.asarray(leaf)) for leaf in jax.tree.leaves(tree)]
    words = jnp.concatenate([jnp.zeros(1, jnp.uint32), *leaves])
    # Two lanes, each of which has a secret of its own for every place.
    places = jnp.arange(2 * words.size, dtype=jnp.uint32).reshape(2, -1)
    secrets = mixed(mixed(places) + jnp.uint32(0x9E3779B9))
    return mixed(mixed(words ^ secrets).sum(-1, dtype=jnp.uint32))


def mixed(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """Every bit of the result depends on every bit of `x`; no two words become one."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _words(leaf: Array) -> UInt32[Array, " words"]:
    """A leaf's entries as words; what compares equal has equal words."""
    if jnp.issubdtype(leaf.dtype, jnp.floating):
        leaf = leaf.astype(jnp.float32)
        leaf = jnp.where(leaf == 0, 0.0, leaf)  # -0 too; the compiler would drop `+ 0.0`
        return jax.lax.bitcast_convert_type(leaf, jnp.uint32).reshape(-1)
    return leaf.astype(jnp.uint32).reshape(-1)
