"""Prioritised: a window's chance grows with how surprising it was when it was last learnt from.

    P(i) = p_i^alpha / sum_j p_j^alpha,    w_i = (N P(i))^-beta / max_j w_j

New windows have the greatest priority there has been, so that each is soon seen once; 1 before
there was any. A surprise that is no number changes nothing. A draw is stratified: the shares are
divided into `num` equal parts and one is drawn from each.

References: Schaul et al., Prioritized Experience Replay, 2016, eq. 1 and algorithm 1.
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from meadow.core.errors import SpecError
from meadow.core.places import write
from meadow.replay.selector import AbstractSelector, Chosen, Span
from meadow.replay.tree import BEYOND, Tree, find, grown, leaves, put, total

_LEAST = 1e-6  # nothing is so well known that it is never seen again


class State(eqx.Module):
    """Attributes:
    tree: p^alpha of every window, life by life; 0 where nothing is to be drawn.
    most: the greatest p^alpha that was told; 0 while none was.
    times: how often each was learnt from, where that is limited.
    """

    tree: Tree
    most: Float[Array, ""]
    times: Int[Array, "windows"] | None


class Prioritised(AbstractSelector[State]):
    """Attributes:
        alpha: how much priorities count; 0 for not at all.
        beta: how much of that bias the weights take back; 1 for all of it.
        times: windows are drawn so often at most; None for no limit. Exact where a window is not
            drawn twice at once.

    Raises:
        SpecError: exponents out of [0, 1], or `times` below 1.
    """

    alpha: float = eqx.field(static=True, default=0.6)
    beta: float = eqx.field(static=True, default=0.4)
    times: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if not (0 <= self.alpha <= 1 and 0 <= self.beta <= 1):
            raise SpecError(
                f"`Prioritised` needs alpha and beta in [0, 1], got {self.alpha} and {self.beta}."
            )
        if self.times is not None and self.times < 1:
            raise SpecError(f"`Prioritised` draws a window at least once, got times={self.times}.")

    def init(self, places: int, lives: int) -> State:
        """Nothing to draw."""
        times = None if self.times is None else jnp.zeros(places * lives, jnp.int32)
        return State(grown(places * lives), jnp.float32(0.0), times)

    def add(self, state: State, before: Span, after: Span, most: int) -> State:
        """What is lost has no chance, what is new the greatest."""
        # Where something new takes a place at once, nothing is lost: no leaf is named twice.
        oldest = jnp.maximum(before.oldest, after.end - after.places)
        lost = self._leaves(after, oldest, after.oldest, most)
        new = self._leaves(after, before.end, after.end, most)
        chance = jnp.where(state.most > 0, state.most, 1.0)
        values = jnp.concatenate([jnp.zeros(lost.size), jnp.full(new.size, chance)])
        tree = put(state.tree, jnp.concatenate([lost, new]), values)
        times = None if state.times is None else write(state.times, new, 0)
        return State(tree, state.most, times)

    def sample(self, state: State, span: Span, num: int, *, key: Key[Array, ""]) -> Chosen:
        """By shares of the sum."""
        whole = total(state.tree)
        leaf, chance = find(state.tree, (jnp.arange(num) + jr.uniform(key, (num,))) / num * whole)
        place, life = jnp.divmod(leaf, span.lives)
        number = span.oldest + (place - span.oldest) % span.places
        chance = chance / whole
        kept = (span.end - span.oldest) * span.lives
        weight = jnp.where(chance > 0, (kept * chance) ** -self.beta, 0.0)
        return Chosen(number, life, weight / jnp.maximum(weight.max(), 1e-30))

    def update(
        self, state: State, span: Span, chosen: Chosen, surprise: Float[Array, "num"] | None
    ) -> State:
        """Their chance is what they surprised with; none, once they were seen often enough."""
        kept = chosen.number >= span.oldest
        leaf = chosen.number % span.places * span.lives + chosen.life
        leaf = jnp.where(kept, leaf, BEYOND)
        most, times = state.most, state.times
        chance = leaves(state.tree, leaf)
        if surprise is not None:
            known, told = jnp.isfinite(surprise), (jnp.abs(surprise) + _LEAST) ** self.alpha
            most = jnp.maximum(most, jnp.where(kept & known, told, 0.0).max())
            chance = jnp.where(known, told, chance)
        if times is not None and self.times is not None:
            times = times.at[leaf].add(1, mode="drop")
            seen = times.at[leaf].get(mode="clip")
            chance = jnp.where(seen < self.times, chance, 0.0)
        elif surprise is None:
            return state
        return State(put(state.tree, leaf, chance), most, times)

    def _leaves(
        self, span: Span, start: Int[Array, ""], end: Int[Array, ""], most: int
    ) -> Int[Array, "leaves"]:
        """Those of the numbers from `start` to `end`; beyond the tree, where there are fewer."""
        number = start + jnp.arange(most)
        leaf = (number % span.places * span.lives)[:, None] + jnp.arange(span.lives)
        return jnp.where((number < end)[:, None], leaf, BEYOND).ravel()
