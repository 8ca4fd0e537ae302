"""DLPack: tensors where the arrays lie, not copies of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from meadow.interop.dlpack import to_jax, to_torch

TREE = {"view": jnp.arange(6, dtype=jnp.uint8).reshape(2, 3), "direction": jnp.ones((2, 4))}


def test_arrays_are_exchanged_without_a_copy():
    for name, array in TREE.items():
        view = np.from_dlpack(array)
        assert view.ctypes.data == array.unsafe_buffer_pointer(), f"{name} lies where it lay"
        np.testing.assert_array_equal(view, np.asarray(array))


def test_tensors_lie_where_the_arrays_lie():
    torch = pytest.importorskip("torch", reason="Torch is not installed (extra `clients`)")
    tensors = to_torch(TREE)
    assert tensors["view"].dtype == torch.uint8
    for name, array in TREE.items():
        assert tensors[name].data_ptr() == array.unsafe_buffer_pointer(), f"{name} was copied"
    back = to_jax(tensors)
    for name, array in TREE.items():
        np.testing.assert_array_equal(np.asarray(back[name]), np.asarray(array))
