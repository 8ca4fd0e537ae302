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
        """A number, and a life."""
        key_number, key_life = jr.split(key)
        end = jnp.maximum(span.end, span.oldest + 1)
        number = jr.randint(key_number, (num,), span.oldest, end)
        return Chosen(number, jr.randint(key_life, (num,), 0, span.lives), jnp.ones(num))

    def update(
        self, state: tuple[()], span: Span, chosen: Chosen, surprise: Float[Array, "num"] | None
    ) -> tuple[()]:
        """Nothing changes."""
        return state
