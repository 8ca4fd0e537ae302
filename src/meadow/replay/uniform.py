"""Uniform: every window has the same chance, drawn with replacement.

References: Lin, Self-Improving Reactive Agents, 1992; Mnih et al., Human-level control through deep
reinforcement learning, 2015.
"""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from meadow.replay.selector import AbstractSelector, Chosen, Span


class Uniform(AbstractSelector[tuple[()]]):
    """All alike; nothing is remembered."""

    def init(self, places: int, lives: int) -> tuple[()]:
        """Nothing."""
        return ()

    def add(self, state: tuple[()], before: Span, after: Span, most: int) -> tuple[()]:
        """Nothing changes."""
        return state

    def sample(self, state: tuple[()], span: Span, num: int, *, key: Key[Array, ""]) -> Chosen:
        """One of all windows."""
        windows = jnp.maximum(span.end - span.oldest, 1) * span.lives
        number, life = jnp.divmod(jr.randint(key, (num,), 0, windows), span.lives)
        return Chosen(span.oldest + number, life, jnp.ones(num))

    def update(
        self, state: tuple[()], span: Span, chosen: Chosen, surprise: Float[Array, "num"] | None
    ) -> tuple[()]:
        """Nothing changes."""
        return state
