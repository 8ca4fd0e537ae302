"""Packed: a pytree of arrays as one row of bytes.

Calling a compiled program costs by the array, going in and coming out, not by the byte: a single
step of a small environment is four times as fast when all it needs is one array.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, UInt8


@dataclasses.dataclass(frozen=True)
class Packing:
    """How a pytree lies in its row of bytes.

    Large elements come first, so that every array is aligned.

    >>> packing = packing_of({"a": jnp.uint8(1), "b": jnp.arange(2.0)})
    >>> row = packing.pack({"a": jnp.uint8(7), "b": jnp.array([0.5, 2.0])})
    >>> row.shape
    (9,)
    >>> packing.read(np.array(row))
    {'a': array(7, dtype=uint8), 'b': array([0.5, 2. ], dtype=float32)}
    """

    structure: Any  # a PyTreeDef
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    order: tuple[int, ...]
    begins: tuple[int, ...]

    def pack(self, tree: PyTree) -> UInt8[Array, "size"]:
        """The bytes; traced."""
        leaves = [jnp.asarray(x) for x in self.structure.flatten_up_to(tree)]
        rows = [_bytes(leaves[i]) for i in self.order]
        return jnp.concatenate(rows) if rows else jnp.zeros(0, jnp.uint8)

    def unpack(self, row: UInt8[Array, "size"]) -> PyTree:
        """The pytree; traced."""
        leaves = [
            _from_bytes(row[begin : begin + _size(leaf)], leaf)
            for leaf, begin in zip(self.leaves, self.begins, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)

    def read(self, row: np.ndarray) -> PyTree:
        """The pytree as views of the bytes, on the host."""
        leaves = [
            row[begin : begin + _size(leaf)].view(leaf.dtype).reshape(leaf.shape)
            for leaf, begin in zip(self.leaves, self.begins, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)


def packing_of(tree: PyTree) -> Packing:
    """The packing of pytrees like this one; arrays or only their shapes."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(lambda: tree))
    order = sorted(range(len(leaves)), key=lambda i: -leaves[i].dtype.itemsize)
    begins, end = [0] * len(leaves), 0
    for i in order:
        begins[i], end = end, end + _size(leaves[i])
    return Packing(structure, tuple(leaves), tuple(order), tuple(begins))


def _size(leaf: jax.ShapeDtypeStruct) -> int:
    return leaf.size * leaf.dtype.itemsize


def _bytes(x: Array) -> UInt8[Array, "size"]:
    if x.dtype == bool:
        x = x.astype(jnp.uint8)
    return jax.lax.bitcast_convert_type(x, jnp.uint8).reshape(-1)


def _from_bytes(row: UInt8[Array, "size"], leaf: jax.ShapeDtypeStruct) -> Array:
    if leaf.dtype == bool:
        return row.reshape(leaf.shape).astype(bool)
    width = leaf.dtype.itemsize
    parts = row.reshape(*leaf.shape, width) if width > 1 else row.reshape(leaf.shape)
    return jax.lax.bitcast_convert_type(parts, leaf.dtype)
