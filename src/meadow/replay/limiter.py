"""Limiter: how much is learnt from how much was lived, by one inequality on two counts.

After I inserts and S samples the store is `I * ratio - S` samples ahead of its readers. Reading may
go on while that stays at or above `low`, writing while it stays at or below `high`. So what is
learnt at a given step does not depend on how many actors there are or how fast they are.

The same rule says, for loops in which nobody waits, how many draws are *due* after so many inserts:
those that bring the store back to `ratio * least`, the middle of the window.

References: Cassirer et al., Reverb, 2021.
"""

import fractions
import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int, UInt32

from meadow.core.errors import SpecError


class Counts(NamedTuple):
    """Items ever inserted, sampled and deleted; sampling one twice counts twice."""

    inserts: int = 0
    samples: int = 0
    deletes: int = 0


class Limiter(eqx.Module):
    """When a store may be written to and read from.

    >>> limiter = Limiter.ratio_of(samples=8.0, least=100)
    >>> limiter.may_sample(Counts(inserts=99), 1), limiter.may_sample(Counts(inserts=120), 32)
    (False, True)

    Attributes:
        ratio: samples for each insert.
        least: items that must be there before the first sample.
        low, high: bounds of `inserts * ratio - samples`.

    Raises:
        SpecError: bounds between which readers and writers would wait for one another for ever.
    """

    ratio: float = eqx.field(static=True, default=1.0)
    least: int = eqx.field(static=True, default=1)
    low: float = eqx.field(static=True, default=-math.inf)
    high: float = eqx.field(static=True, default=math.inf)

    def __check_init__(self) -> None:
        if not (self.ratio > 0 and self.least >= 1):
            raise SpecError(
                f"`Limiter` needs ratio > 0 and least >= 1, got {self.ratio} and {self.least}."
            )
        width = 2 * max(1.0, self.ratio)
        if self.high - self.low < width:
            raise SpecError(
                f"Between low={self.low} and high={self.high} readers and writers would wait for "
                f"one another: they need to lie {width} apart. Widen the window."
            )
        if self.low > self.ratio * self.least:
            raise SpecError(
                f"With low={self.low} nothing may be sampled at first, when least={self.least} "
                f"items are there and {self.ratio * self.least} samples ahead. Lower `low`."
            )

    @classmethod
    def after(cls, least: int) -> "Limiter":
        """No ratio; only so many items before the first sample."""
        return cls(least=least)

    @classmethod
    def ratio_of(cls, samples: float, least: int, slack: float | None = None) -> "Limiter":
        """So many samples for each insert, within `slack` samples either way once `least` items
        are there; a tenth of `samples * least` when None, as is usual."""
        middle = samples * least
        slack = max(0.1 * middle, 1.0, samples) if slack is None else slack
        return cls(samples, least, middle - slack, middle + slack)

    @classmethod
    def queue(cls, size: int) -> "Limiter":
        """Every item once, and at most `size` of them waiting; for a stack, too."""
        return cls(1.0, 1, 0.0, float(size))

    def may_insert(self, counts: Counts, num: int = 1) -> bool:
        """Whether `num` more items may be inserted now."""
        inserts, samples, deletes = counts
        few = inserts + num - deletes <= self.least
        return few or (inserts + num) * self.ratio - samples <= self.high

    def may_sample(self, counts: Counts, num: int = 1) -> bool:
        """Whether `num` items may be sampled now, all or none."""
        inserts, samples, deletes = counts
        there = inserts - deletes >= self.least
        return there and inserts * self.ratio - samples - num >= self.low

    def due(self, inserts: int, num: int) -> int:
        """How many draws of `num` items should have been made after so many inserts in all.

        Exact for a ratio that is a fraction of whole numbers up to a million.

        >>> limiter = Limiter.ratio_of(samples=8.0, least=100)
        >>> [limiter.due(inserts, 32) for inserts in (100, 104, 108)]
        [0, 1, 2]
        """
        return math.floor(max(inserts - self.least, 0) * self._rate(num))

    def due_in(self, turn: Int[Array, "*turns"], each: int, num: int) -> Int[Array, "*turns"]:
        """How many draws of `num` items are to be made in a turn, the first being 1, when `each`
        items are inserted in every turn: `due(turn * each) - due((turn - 1) * each)`.

        For a compiled loop, whose numbers have 32 bits. Exact however many items that are, for what
        is carried is a remainder:

            due_in(t) = (l_t + each * p) // q,   l_t = ((t - 1) * each - least) * p mod q

        with p / q draws for each item, as soon as the first `least` were there before.

        >>> Limiter.ratio_of(samples=8.0, least=100).due_in(jnp.arange(25, 29), 4, 32).tolist()
        [0, 1, 1, 1]
        """
        part, of = self._rate(num).as_integer_ratio()
        whole, rest = divmod(each * part, of)
        reached = -(-self.least // each)  # the turn with which the first `least` are there
        opening = self.due(reached * each, num)
        before = _remainder((turn - 1) % of, rest, of) + (-self.least * part) % of
        left = jnp.where(before >= of, before - of, before)
        due = jnp.where(turn == reached, opening, whole + (left + rest >= of))
        return jnp.where(turn < reached, 0, due).astype(jnp.int32)

    def _rate(self, num: int) -> fractions.Fraction:
        """Draws of `num` items for each insert."""
        finest = min(10**6, (2**31 - 1) // num)
        return fractions.Fraction(self.ratio).limit_denominator(finest) / num

    def check_batch(self, inserted: int, sampled: int) -> None:
        """That readers of `sampled` and writers of `inserted` items at a time, all or none, never
        wait for one another, as long as nothing is deleted but to make room.

        Raises:
            SpecError: the window is too narrow for such batches.
        """
        width, needed = self.high - self.low, sampled + inserted * self.ratio
        if width < needed:
            raise SpecError(
                f"Batches of {inserted} inserts and {sampled} samples need bounds {needed:g} "
                f"apart, got low={self.low:g} and high={self.high:g}. Widen the window, or make "
                "batches smaller."
            )
        # The batch with which the first `least` items are there.
        filled = -(-self.least // inserted) * inserted
        if filled > self.least and filled * self.ratio > self.high:
            raise SpecError(
                f"Batches of {inserted} inserts never reach least={self.least}: {filled} items are "
                f"{filled * self.ratio:g} samples ahead, beyond high={self.high:g}. Raise `high`, "
                f"or write least={filled}."
            )


def _remainder(count: Int[Array, "*counts"], part: int, of: int) -> UInt32[Array, "*counts"]:
    """`count * part % of` for counts and parts below `of`, by long multiplication: the product
    itself may be more than 32 bits hold.

    >>> _remainder(jnp.int32(2**31 - 3), 2**31 - 2, 2**31 - 1).item()
    2
    """
    count = count.astype(jnp.uint32)
    rest = jnp.zeros_like(count)

    def below(rest: Array) -> Array:
        return jnp.where(rest >= of, rest - of, rest)

    for bit in f"{part:b}":
        rest = below(2 * rest)
        if bit == "1":
            rest = below(rest + count)
    return rest
