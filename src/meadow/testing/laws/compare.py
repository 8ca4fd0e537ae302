"""How two pytrees differ, said in a sentence; None where they do not."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path
from jaxtyping import PyTree

RTOL, ATOL = 1e-4, 1e-5


def is_key(leaf: Any) -> bool:
    """Whether a leaf holds typed PRNG keys."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def announced(leaf: Any) -> str:
    """A leaf's dtype and shape, written `float32[3,4]`.

    >>> announced(jnp.zeros((3, 4)))
    'float32[3,4]'
    """
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    return f"{dtype}[{','.join(map(str, np.shape(leaf)))}]"


def paths(tree: PyTree) -> dict[str, Any]:
    """Every leaf under its path; `the tree itself` where the tree is a leaf."""
    return {keystr(path) or "the tree itself": x for path, x in tree_flatten_with_path(tree)[0]}


def structure_difference(expected: PyTree, got: PyTree) -> str | None:
    """Where structure, shape or dtype differ."""
    wanted, given = paths(expected), paths(got)
    for path in wanted:
        if path not in given:
            return f"Expected {path} ({announced(wanted[path])}), got nothing there."
        if announced(wanted[path]) != announced(given[path]):
            return f"Expected {path} {announced(wanted[path])}, got {announced(given[path])}."
    if extra := given.keys() - wanted.keys():
        return f"Expected nothing at {min(extra)}, got {announced(given[min(extra)])}."
    if jax.tree.structure(expected) != jax.tree.structure(got):
        return f"Expected {jax.tree.structure(expected)}, got {jax.tree.structure(got)}."
    return None


def value_difference(expected: PyTree, got: PyTree) -> str | None:
    """Where values differ: bit for bit, floats up to a small tolerance; structure first."""
    if different := structure_difference(expected, got):
        return different
    given = paths(got)
    for path, leaf in paths(expected).items():
        first, second = _plain(leaf), _plain(given[path])
        if np.issubdtype(first.dtype, np.integer) or first.dtype == bool:
            same = np.array_equal(first, second)
        else:
            same = np.allclose(first, second, rtol=RTOL, atol=ATOL, equal_nan=True)
        if not same:
            return f"Expected {path} = {_short(first)}, got {_short(second)}."
    return None


def not_finite(tree: PyTree, *, allow_infinity: bool = False) -> str | None:
    """Where a float is NaN (or infinite, unless allowed)."""
    for path, leaf in paths(tree).items():
        if not jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating):
            continue
        values = np.asarray(leaf, np.float32)
        if np.isnan(values).any() or not (allow_infinity or np.isfinite(values).all()):
            return f"Expected finite numbers at {path}, got {_short(values)}."
    return None


def row(tree: PyTree, *index: int) -> PyTree:
    """One entry along the leading axes."""
    return jax.tree.map(lambda x: x[index], tree)


def host(tree: PyTree) -> PyTree:
    """The same tree as NumPy arrays, where indexing costs no compilation; keys stay keys."""
    return jax.tree.map(lambda x: x if is_key(x) else np.asarray(x), tree)


def _plain(leaf: Any) -> np.ndarray:
    return np.asarray(jr.key_data(leaf) if is_key(leaf) else leaf)


def _short(values: np.ndarray) -> str:
    return np.array2string(values, threshold=8, edgeitems=3, precision=4)
