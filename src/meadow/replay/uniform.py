"""Uniform: every window has the same chance, drawn with replacement.

References: Lin, Self-Improving Reactive Agents, 1992; Mnih et al., Human-level control through deep
reinforcement learning, 2015; Lemire, Fast Random Integer Generation in an Interval, 2019.
"""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, UInt32

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
        drawn = below(windows.astype(jnp.uint32), jr.bits(key, (num,)))
        number, life = jnp.divmod(drawn.astype(jnp.int32), span.lives)
        return Chosen(span.oldest + number, life, jnp.ones(num))

    def update(
        self, state: tuple[()], span: Span, chosen: Chosen, surprise: Float[Array, "num"] | None
    ) -> tuple[()]:
        """Nothing changes."""
        return state


def below(num: UInt32[Array, ""], bits: UInt32[Array, "*some"]) -> UInt32[Array, "*some"]:
    """Numbers from 0 to before `num`, of a word of luck each: the upper word of `num * bits`.

    Chances differ by one in 2^32. `jax.random.randint` hashes twice as much and divides three
    times, again for every number of a row that is looked up there.
    """
    low, high = bits & 0xFFFF, bits >> 16
    num_low, num_high = num & 0xFFFF, num >> 16
    middle = high * num_low + (low * num_low >> 16)
    rest = low * num_high + (middle & 0xFFFF)
    return high * num_high + (middle >> 16) + (rest >> 16)
