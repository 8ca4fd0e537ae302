"""Report: how tasks went, which is all that a curriculum hears of them.

It holds sums over the episodes that were finished, so reports on the same tasks add up. An episode
that was not finished, or was cut where a trial's steps were spent, says nothing: it would make long
tasks look hard, and easy ones not quite learnt.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Report(eqx.Module):
    """One row for each task of a ticket; with several students, theirs lead: `[students, num]`.

    Attributes:
        episodes: how many were finished.
        successes: how many of them ended with the task done: terminated, with a reward.
        returns: sum of their undiscounted returns.
        squares: sum of the squares of these.
        best: the largest of these; -inf where no episode was finished.
        value: sum over episodes of the mean value within each.
        advantage, gain, magnitude: the same of the advantage A, of max(A, 0) and of |A|.
        doubt: the same of how far an ensemble of values disagrees; 0 where there is but one.
    """

    episodes: Float[Array, "*students num"]
    successes: Float[Array, "*students num"]
    returns: Float[Array, "*students num"]
    squares: Float[Array, "*students num"]
    best: Float[Array, "*students num"]
    value: Float[Array, "*students num"]
    advantage: Float[Array, "*students num"]
    gain: Float[Array, "*students num"]
    magnitude: Float[Array, "*students num"]
    doubt: Float[Array, "*students num"]

    @classmethod
    def nothing(cls, *shape: int) -> "Report":
        """Of tasks of which no episode was finished."""
        sums = {field.name: jnp.zeros(shape) for field in dataclasses.fields(cls)}
        return cls(**sums | {"best": jnp.full(shape, -jnp.inf)})

    def __add__(self, other: "Report") -> "Report":
        """Both reports in one."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in self.__dict__}
        return Report(**sums | {"best": jnp.maximum(self.best, other.best)})

    def mean(self, name: str) -> Float[Array, "*students num"]:
        """The mean of a sum over finished episodes, 0 where there are none."""
        return getattr(self, name) / jnp.maximum(self.episodes, 1.0)

    @property
    def finished(self) -> Array:
        """Whether any episode was: `[*students, num]`."""
        return self.episodes > 0
