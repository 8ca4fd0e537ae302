"""The laws of stores, and `check_store`."""

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.store import AbstractStore
from meadow.testing.laws.compare import host, paths, row, structure_difference, value_difference
from meadow.testing.laws.examine import Traced, anew, examine

NUM_DRAWS = 64


def check_store(store: AbstractStore, item: PyTree, *, capacity: int, key: Key[Array, ""]) -> None:
    """Examine a store with numbered items.

    Args:
        store: the definition to examine.
        item: one item; every leaf is overwritten with the item's number.
        capacity: how many items the store holds, in 2..50; small ones are quick.
        key: consumed.

    Raises:
        LawError: the law broken, what was expected and what was got.
        SpecError: `item` or `capacity` is such that items cannot be told apart.
    """
    if all(jnp.asarray(x).dtype == bool for x in jax.tree.leaves(item)):
        raise SpecError("Expected an item with a number in it, got none: items would look alike.")
    if not 2 <= capacity <= 50:
        raise SpecError(f"Expected capacity in 2..50, got {capacity}. Examine a smaller store.")
    examine(store, LAWS, _Evidence(store, item, capacity, key))


@dataclasses.dataclass
class _Evidence:
    store: AbstractStore
    item: PyTree
    capacity: int
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.add = Traced(self.store.add)
        self.draw = Traced(self.raw_draw)

    def raw_draw(self, state: PyTree, key: Array) -> PyTree:
        """Several samples of `capacity`, since a store may refuse larger ones; flattened."""
        drawn = jax.vmap(lambda k: self.store.sample(state, self.capacity, key=k))(
            jr.split(key, NUM_DRAWS)
        )
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), drawn)

    def numbered(self, *numbers: int) -> PyTree:
        """A batch of items, all of item i's leaves holding `numbers[i]`."""

        def leaf(x: Any) -> np.ndarray:
            x = np.asarray(x)
            shape = (len(numbers), *(1 for _ in x.shape))
            return np.broadcast_to(np.reshape(numbers, shape), (len(numbers), *x.shape)).astype(
                x.dtype
            )

        return jax.tree.map(leaf, self.item)

    @cached_property
    def empty(self) -> PyTree:
        return self.store.init(jax.tree.map(jnp.asarray, row(self.numbered(120), 0)))

    @cached_property
    def begun(self) -> PyTree:
        """Holds item 1 alone: all other slots are unwritten."""
        return self.add(self.empty, self.numbered(1))

    @cached_property
    def num_added(self) -> int:
        """More than twice the capacity, so that the store wraps in the middle of a batch."""
        return 2 * self.capacity + 1

    @cached_property
    def full(self) -> PyTree:
        state = self.begun
        for number in range(2, self.num_added, 2):
            state = self.add(state, self.numbered(number, number + 1))
        return state

    def drawn(self, state: PyTree) -> tuple[set[int], PyTree]:
        """Numbers of the items drawn, and the items."""
        items = host(self.draw(state, self.key))
        leaf = next(x for x in jax.tree.leaves(items) if x.dtype != bool)
        return {int(x) for x in leaf.reshape(len(leaf), -1)[:, 0]}, items


def _adds(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.begun)
    return None


def _keeps_structure(seen: _Evidence) -> str | None:
    if different := structure_difference(seen.empty, seen.begun):
        return f"After `add`, compared with `init`: {different}"
    return None


def _samples(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.draw(seen.begun, seen.key))
    return None


def _samples_items(seen: _Evidence) -> str | None:
    drawn = jax.eval_shape(lambda s, k: seen.store.sample(s, 3, key=k), seen.begun, seen.key)
    if different := structure_difference(seen.numbered(1, 2, 3), drawn):
        return f"For a sample of 3: {different}"
    return None


def _only_written(seen: _Evidence) -> str | None:
    numbers, _ = seen.drawn(seen.begun)
    if numbers == {1}:
        return None
    return f"Expected the one item added, number 1, got numbers {sorted(numbers)}."


def _oldest_make_room(seen: _Evidence) -> str | None:
    newest = set(range(seen.num_added - seen.capacity + 1, seen.num_added + 1))
    numbers, _ = seen.drawn(seen.full)
    if numbers <= newest:
        return None
    return (
        f"After {seen.num_added} items in a store of {seen.capacity}: expected only numbers from "
        f"{min(newest)} to {max(newest)}, got {sorted(numbers - newest)} too."
    )


def _samples_every_slot(seen: _Evidence) -> str | None:
    newest = set(range(seen.num_added - seen.capacity + 1, seen.num_added + 1))
    missing = newest - seen.drawn(seen.full)[0]
    if not missing:
        return None
    num = NUM_DRAWS * seen.capacity
    return f"Expected each kept item among {num} draws, got none of numbers {sorted(missing)}."


def _keeps_items_whole(seen: _Evidence) -> str | None:
    _, items = seen.drawn(seen.full)
    leaf = next(x for x in jax.tree.leaves(items) if x.dtype != bool)
    expected = seen.numbered(*leaf.reshape(len(leaf), -1)[:, 0].astype(int).tolist())
    wanted = paths(expected)
    for path, got in paths(items).items():
        if not np.array_equal(got, wanted[path]):
            return f"Expected every leaf of an item together, got another item's at {path}."
    return None


def _only_reads(seen: _Evidence) -> str | None:
    once = seen.draw(seen.full, seen.key)
    return value_difference(once, anew(seen.raw_draw, seen.full, seen.key))


def _refuses_empty(seen: _Evidence) -> str | None:
    own = (type(seen.store).__doc__ or "") + (type(seen.store).sample.__doc__ or "")
    if "empty" in own:
        return None
    try:
        seen.store.sample(seen.empty, 1, key=seen.key)
    except Exception:  # any refusal will do
        return None
    return (
        "Expected an error from sampling an empty store, or a docstring that says what comes back "
        "from an empty one; got neither."
    )


LAWS = {
    "add works under jit": _adds,
    "add keeps the state's structure": _keeps_structure,
    "sample works under jit": _samples,
    "a sample holds num items": _samples_items,
    "only written items come back": _only_written,
    "the oldest make room": _oldest_make_room,
    "every kept item is sampled": _samples_every_slot,
    "items come back whole": _keeps_items_whole,
    "sample only reads": _only_reads,
    "an empty store is refused or documented": _refuses_empty,
}
