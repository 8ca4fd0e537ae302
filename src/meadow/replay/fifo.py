"""Fifo: a queue. The oldest windows come first, and each comes once."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from meadow.replay.selector import AbstractSelector, Chosen, Span

Taken = Int[Array, ""]


class Fifo(AbstractSelector[Taken]):
    """In the order in which they began; what is drawn is gone once the draw is brought back.

    The state is how many windows were taken, or lost, life by life within a number.
    """

    def init(self, places: int, lives: int) -> Taken:
        """An empty queue."""
        return jnp.int32(0)

    def add(self, state: Taken, before: Span, after: Span, most: int) -> Taken:
        """Whatever was overwritten is lost."""
        return jnp.maximum(state, after.oldest * after.lives)

    def sample(self, state: Taken, span: Span, num: int, *, key: Key[Array, ""]) -> Chosen:
        """The oldest; those that are missing, where fewer wait, have weight 0."""
        number, life = jnp.divmod(state + jnp.arange(num), span.lives)
        waits = number < span.end
        number = jnp.where(waits, number, jnp.maximum(span.end - 1, 0))
        return Chosen(number, life, waits.astype(jnp.float32))

    def update(
        self, state: Taken, span: Span, chosen: Chosen, surprise: Float[Array, "num"] | None
    ) -> Taken:
        """They are gone."""
        after = chosen.number * span.lives + chosen.life + 1
        return jnp.maximum(state, jnp.where(chosen.weight > 0, after, 0).max())
