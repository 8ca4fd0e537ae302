"""Tree: numbers, and the sums of ever more of them, so that one is soon found by its share.

Sixteen children to a node: a million leaves are five levels, and each is a row of sixteen that a
processor adds at once. After leaves change, the sums above them are added up anew from their
children, so no rounding error is carried along, and leaves may be named twice.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_CHILDREN = 16
BEYOND = 2**31 - 1  # a leaf that no tree has

Tree = tuple[Float[Array, "_"], ...]
"""Levels from the leaves up; the last has at most sixteen sums."""


def grown(num: int) -> Tree:
    """A tree of `num` leaves, all 0.

    >>> [level.size for level in grown(1000)]
    [1008, 64, 16]
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
    levels = [leaves.at[where].set(values, mode="drop")]
    for level in above:
        where = where // _CHILDREN
        children = levels[-1].reshape(-1, _CHILDREN).at[where].get(mode="clip")
        levels.append(level.at[where].set(children.sum(axis=-1), mode="drop"))
    return tuple(levels)


def find(tree: Tree, shares: Float[Array, "num"]) -> Int[Array, "num"]:
    """The leaves at which the running sum passes these numbers, in [0, total); never one that is
    0, unless all are."""
    where = jnp.zeros(shares.shape, jnp.int32)
    for level in reversed(tree):
        children = level.reshape(-1, _CHILDREN)[where]
        sums = jnp.cumsum(children, axis=-1)
        # Rounding may lead to a child that is 0, or past the last that is not.
        last = (_CHILDREN - 1) - jnp.argmax(children[:, ::-1] > 0, axis=-1)
        passed = (sums > shares[:, None]) & (children > 0)
        child = jnp.where(passed.any(axis=-1), jnp.argmax(passed, axis=-1), last)
        before = jnp.take_along_axis(sums - children, child[:, None], axis=-1)[:, 0]
        shares = shares - before
        where = where * _CHILDREN + child.astype(jnp.int32)
    return where


def leaves(tree: Tree, where: Int[Array, "num"]) -> Float[Array, "num"]:
    """Some leaves; anything for `BEYOND`."""
    return tree[0].at[where].get(mode="clip")
