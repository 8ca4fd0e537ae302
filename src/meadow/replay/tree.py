"""Tree: numbers, and the sums of ever more of them, so that one is soon found by its share.

Eight children to a node: a million leaves are seven levels, and each is a row of eight that a
processor adds at once. After leaves change, the sums above them are added up anew from their
children, so no rounding error is carried along, and leaves may be named twice.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from meadow.core.places import read, write

_CHILDREN = 8
_FEW = 32  # nodes that are added up anew as soon as they are told apart
BEYOND = 2**31 - 1  # a leaf that no tree has

Tree = tuple[Float[Array, "_"], ...]
"""Levels from the leaves up; the last has eight."""


def grown(num: int) -> Tree:
    """A tree of `num` leaves, all 0.

    >>> [level.size for level in grown(1000)]
    [1000, 128, 16, 8]
    """
    levels, size = [], num
    while True:
        size = -(-size // _CHILDREN) * _CHILDREN
        levels.append(jnp.zeros(size))
        if size == _CHILDREN:
            return tuple(levels)
        size //= _CHILDREN


def total(tree: Tree) -> Float[Array, ""]:
    """The sum of all leaves."""
    return tree[-1].sum()


def put(tree: Tree, where: Int[Array, "num"], values: Float[Array, "num"]) -> Tree:
    """The tree with other leaves; `BEYOND` is passed over."""
    leaves, *above = tree
    levels = [write(leaves, where, values)]
    for level in above:
        where, below = where // _CHILDREN, levels[-1].reshape(-1, _CHILDREN)
        if len(below) <= _FEW:
            levels.append(jnp.zeros_like(level).at[: len(below)].set(below.sum(axis=-1)))
        else:
            sums = read(below, jnp.minimum(where, len(below) - 1)).sum(axis=-1)
            levels.append(write(level, where, sums))
    return tuple(levels)


def find(tree: Tree, shares: Float[Array, "num"]) -> tuple[Int[Array, "num"], Float[Array, "num"]]:
    """The leaves at which the running sum passes these numbers, in [0, total), and what they are;
    never one that is 0, unless all are."""
    where, which = jnp.zeros(shares.shape, jnp.int32), jnp.arange(_CHILDREN)
    earlier = jnp.triu(jnp.ones((_CHILDREN, _CHILDREN)), 1)
    value = shares
    for level in reversed(tree):
        children = read(level.reshape(-1, _CHILDREN), where)
        before = jnp.matmul(children, earlier, precision="highest")
        # The last that is not 0 and begins at or before the share, however sums were rounded.
        child = jnp.where((children > 0) & (before <= shares[:, None]), which, 0).max(axis=-1)
        mine = which == child[:, None]
        passed, value = (jnp.where(mine, x, 0.0).max(axis=-1) for x in (before, children))
        now = shares - passed, where * _CHILDREN + child, value
        shares, where, value = jax.lax.optimization_barrier(now)
    return where, value


def leaves(tree: Tree, where: Int[Array, "num"]) -> Float[Array, "num"]:
    """Some leaves; anything for `BEYOND`."""
    return read(tree[0], jnp.minimum(where, tree[0].size - 1))
