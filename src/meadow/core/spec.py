"""Specs: what an action may be, said before there is one."""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.errors import SpecError


class Discrete(eqx.Module):
    """One of `num` choices, numbered from 0."""

    num: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.num < 1:
            raise SpecError(f"`Discrete` needs at least one choice, got num={self.num}.")

    @property
    def shape(self) -> tuple[()]:
        """Of a choice: none."""
        return ()

    @property
    def width(self) -> int:
        """How many numbers tell a choice: a one-hot code."""
        return self.num

    def sample(self, *, key: Key[Array, ""]) -> Int[Array, ""]:
        """A uniform choice, to within 2^-23; `jr.randint` is exact at five times the cost."""
        choice = (jr.uniform(key) * self.num).astype(jnp.int32)
        return jnp.minimum(choice, self.num - 1)

    def contains(self, value: Array) -> Bool[Array, ""]:
        """Whether `value` is one of the choices."""
        return (value >= 0) & (value < self.num) & jnp.issubdtype(value.dtype, jnp.integer)


class Box(eqx.Module):
    """An array of fixed shape with every entry in [low, high]."""

    shape: tuple[int, ...] = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __check_init__(self) -> None:
        if not self.low <= self.high:
            raise SpecError(f"`Box` needs low <= high, got low={self.low}, high={self.high}.")

    @property
    def width(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "..."]:
        """Uniform in the box."""
        return jr.uniform(key, self.shape, minval=self.low, maxval=self.high)

    def contains(self, value: Array) -> Bool[Array, ""]:
        """Whether `value` has the right shape and lies in the box."""
        if jnp.shape(value) != self.shape:
            return jnp.array(False)
        return jnp.all((value >= self.low) & (value <= self.high))


ActionSpec = Discrete | Box
