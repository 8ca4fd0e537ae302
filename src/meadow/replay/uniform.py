"""UniformReplay: keeps the newest items, samples any of them with equal chance.

Called by how it samples, as its siblings are: not a queue, since a sample takes nothing out.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Int, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.store import AbstractStore


class State(eqx.Module):
    """Attributes:
    items: a ring, every leaf `[capacity, ...]`.
    position: where the next item goes.
    size: how many slots were written; they are the first ones.
    """

    items: PyTree
    position: Int[Array, ""]
    size: Int[Array, ""]


class UniformReplay(AbstractStore[State]):
    """A ring of `capacity` items in device memory: the oldest is overwritten first.

    >>> replay = UniformReplay(capacity=3)
    >>> state = replay.init(jnp.zeros((), jnp.int32))
    >>> for number in range(5):
    ...     state = replay.add(state, jnp.array([number]))
    >>> sorted(set(replay.sample(state, 100, key=jr.key(0)).tolist()))
    [2, 3, 4]

    References: Lin, Self-Improving Reactive Agents, 1992; Mnih et al., Human-level control through
    deep reinforcement learning, 2015.
    """

    capacity: int

    def __check_init__(self) -> None:
        if self.capacity < 1:
            raise SpecError(f"`UniformReplay` needs capacity >= 1, got {self.capacity}.")

    def init(self, item: PyTree) -> State:
        """All slots zero and unwritten."""

        def ring(leaf: ArrayLike) -> Array:
            return jnp.zeros((self.capacity, *jnp.shape(leaf)), jnp.result_type(leaf))

        zero = jnp.zeros((), jnp.int32)
        return State(jax.tree.map(ring, item), zero, zero)

    def add(self, state: State, items: PyTree) -> State:
        """Write a batch behind the newest item, wrapping around.

        Raises:
            SpecError: the batch is larger than the ring, or not of the items' structure, shapes
                and dtypes.
        """
        num = self._check(state, items)
        slots = (state.position + jnp.arange(num, dtype=jnp.int32)) % self.capacity
        return State(
            jax.tree.map(lambda ring, new: ring.at[slots].set(new), state.items, items),
            (state.position + num) % self.capacity,
            jnp.minimum(state.size + num, self.capacity),
        )

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> PyTree:
        """`num` kept items, drawn with replacement, `[num, ...]`.

        Raises:
            SpecError: the store is empty. Inside `jit`, where nobody can know, zeros come back
                instead: fill the store before the compiled loop begins.
        """
        if not isinstance(state.size, Tracer) and state.size == 0:
            raise SpecError("Cannot sample from an empty `UniformReplay`. `add` something first.")
        slots = jr.randint(key, (num,), 0, jnp.maximum(state.size, 1))
        return jax.tree.map(lambda ring: ring[slots], state.items)

    def _check(self, state: State, items: PyTree) -> int:
        """The size of a batch that fits."""
        rings, batch = jax.tree.leaves(state.items), jax.tree.leaves(items)
        if jax.tree.structure(items) != jax.tree.structure(state.items):
            raise SpecError(
                f"`UniformReplay` keeps items of {jax.tree.structure(state.items)}, got "
                f"{jax.tree.structure(items)}. Add what `init` was shown, with a leading axis."
            )
        num = jnp.shape(batch[0])[0] if jnp.ndim(batch[0]) else 0
        for ring, new in zip(rings, batch, strict=True):
            wanted = (num, *ring.shape[1:])
            if jnp.shape(new) != wanted or jnp.result_type(new) != ring.dtype:
                raise SpecError(
                    f"Expected a batch {ring.dtype}{list(wanted)} for `UniformReplay.add`, got "
                    f"{jnp.result_type(new)}{list(jnp.shape(new))}. A single item needs a leading "
                    "axis of 1."
                )
        if num > self.capacity:
            raise SpecError(
                f"A batch of {num} items does not fit into `UniformReplay(capacity="
                f"{self.capacity})`. Raise `capacity` to at least {num}, or add fewer at a time."
            )
        return num
