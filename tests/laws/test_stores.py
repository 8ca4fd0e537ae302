"""Every store keeps the laws: add yours, holding four items, to the list."""

import jax.numpy as jnp
import pytest

from meadow.replay.uniform import UniformReplay
from meadow.testing import check_store

CAPACITY = 4
STORES = [UniformReplay(CAPACITY)]
ITEM = {"map": jnp.zeros((2, 3), jnp.uint8), "reward": jnp.zeros(()), "last": jnp.array(False)}


@pytest.mark.parametrize("store", STORES, ids=lambda x: type(x).__name__)
def test_store(store, key):
    check_store(store, ITEM, capacity=CAPACITY, key=key)
