"""Torch: observations as tensors, without copying them where they lie.

>>> import jax.numpy as jnp
>>> to_torch({"view": jnp.arange(3)})  # doctest: +SKIP
{'view': tensor([0, 1, 2], dtype=torch.int32)}
"""

import jax
from jaxtyping import PyTree


def to_torch(tree: PyTree) -> PyTree:
    """Every JAX array of a pytree as a Torch tensor on the same device, sharing its memory.

    Treat the tensors as read-only: JAX takes it that nobody else writes there. Torch needs to have
    been built for the device the arrays are on.
    """
    import torch

    return jax.tree.map(torch.from_dlpack, tree)


def to_jax(tree: PyTree) -> PyTree:
    """Every Torch tensor of a pytree as a JAX array, sharing its memory where JAX allows."""
    import torch

    return jax.tree.map(
        lambda x: jax.dlpack.from_dlpack(x.detach().contiguous()),
        tree,
        is_leaf=lambda x: isinstance(x, torch.Tensor),
    )
