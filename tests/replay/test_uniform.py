"""UniformReplay beyond the laws of stores: equal chances, and errors that teach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.replay.uniform import UniformReplay

ITEM = {"number": jnp.zeros((), jnp.int32), "shown": jnp.zeros(2)}


def items(num: int) -> dict:
    return {"number": jnp.arange(num, dtype=jnp.int32), "shown": jnp.ones((num, 2))}


def test_every_kept_item_has_the_same_chance(key):
    replay = UniformReplay(capacity=5)
    state = replay.add(replay.init(ITEM), items(5))
    drawn = np.bincount(replay.sample(state, 5_000, key=key)["number"], minlength=5)
    # Five standard deviations of a binomial count: 5 * sqrt(5000 * 0.2 * 0.8) = 141.
    assert abs(drawn - 1000).max() < 141, f"slots are not drawn alike: {drawn}"


def test_fills_exactly(key):
    replay = UniformReplay(capacity=3)
    state = replay.add(replay.init(ITEM), items(3))
    assert (int(state.size), int(state.position)) == (3, 0), "a full ring writes at the front next"


@pytest.mark.parametrize("capacity", [0, -1])
def test_capacity_must_be_positive(capacity):
    with pytest.raises(SpecError, match=f"capacity >= 1, got {capacity}"):
        UniformReplay(capacity)


def test_batch_larger_than_the_ring_is_refused():
    replay = UniformReplay(capacity=3)
    with pytest.raises(SpecError, match="4 items does not fit .* Raise `capacity` to at least 4"):
        replay.add(replay.init(ITEM), items(4))


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"number": jnp.zeros(1, jnp.int32)}, "keeps items of"),
        ({**items(1), "shown": jnp.zeros((1, 3))}, r"Expected a batch float32\[1, 2\]"),
        ({**items(1), "shown": jnp.zeros((2, 2))}, r"Expected a batch float32\[1, 2\]"),
        ({**items(1), "number": jnp.zeros(1)}, r"Expected a batch int32\[1\]"),
        (ITEM, "A single item needs a leading axis"),
    ],
    ids=["missing", "shape", "ragged", "dtype", "single"],
)
def test_foreign_items_are_refused(batch, said):
    replay = UniformReplay(capacity=3)
    with pytest.raises(SpecError, match=said):
        replay.add(replay.init(ITEM), batch)


def test_empty_store_is_refused_where_that_can_be_known(key):
    replay = UniformReplay(capacity=3)
    state = replay.init(ITEM)
    with pytest.raises(SpecError, match="`add` something first"):
        replay.sample(state, 1, key=key)
    drawn = jax.jit(lambda state: replay.sample(state, 2, key=key))(state)
    assert not drawn["number"].any(), "inside jit an empty store gives zeros, as documented"
