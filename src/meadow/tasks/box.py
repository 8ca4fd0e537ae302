"""Parameters: a task is a vector of numbers, each in a range: masses, lengths, forces.

>>> space = Parameters(names=("mass", "length"), low=(0.5, 0.1), high=(2.0, 1.0))
>>> space.empty(key=jr.key(0)).tolist()
[1.25, 0.550000011920929]
"""

import math
from collections.abc import Iterable

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, UInt32

from meadow.core.errors import TaskError
from meadow.core.task import AbstractDesignSpace
from meadow.tasks.hashed import hashed

_CELLS = 1 << 16  # of each range; what falls into one cell is taken to be the same value


def _floats(values: Iterable[float | int]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _floats_if_any(values: Iterable[float | int] | None) -> tuple[float, ...] | None:
    return None if values is None else _floats(values)


class Parameters(AbstractDesignSpace[Array]):
    """Vectors of parameters, uniform in a box.

    `mutate` moves some of them, at least one, each other with probability 1/2, by Gaussian noise
    that is reflected where it would leave the box. `fingerprint` tells values apart that differ by
    more than 1/65536 of their range.

    Attributes:
        names: of the parameters, in the order of the vector; their values are the features.
        low: the least value of each.
        high: the largest; equal to `low` where a parameter is fixed.
        start: what counts as simplest, the one answer of `empty`; the middle of the box when None.
        spread: standard deviation of the noise, as a share of each range.

    Raises:
        TaskError: ranges that do not fit the names or are no ranges, or a start outside of them.
    """

    names: tuple[str, ...] = eqx.field(static=True, converter=tuple)
    low: tuple[float, ...] = eqx.field(static=True, converter=_floats)
    high: tuple[float, ...] = eqx.field(static=True, converter=_floats)
    start: tuple[float, ...] | None = eqx.field(static=True, converter=_floats_if_any, default=None)
    spread: float = eqx.field(static=True, default=0.1)

    def __check_init__(self) -> None:
        start = self.low if self.start is None else self.start
        lengths = {len(self.names), len(self.low), len(self.high), len(start)}
        if len(lengths) > 1 or not self.names or len(set(self.names)) < len(self.names):
            raise TaskError(
                "`Parameters` needs different names and one number of `low`, `high` and `start` "
                f"for each, got {self}."
            )
        for name, low, x, high in zip(self.names, self.low, start, self.high, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low <= x <= high):
                raise TaskError(
                    f"The range of {name!r} must be finite, with low <= start <= high, got "
                    f"low={low}, start={x}, high={high}."
                )
        if not self.spread > 0:
            raise TaskError(f"`spread` must be above 0, got {self.spread}.")

    @property
    def bounds(self) -> tuple[Float[Array, "num"], Float[Array, "num"]]:
        """The least and the largest values, as arrays."""
        return jnp.asarray(self.low, jnp.float32), jnp.asarray(self.high, jnp.float32)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "num"]:
        return self._within(jr.uniform(key, (len(self.names),)))

    def empty(self, *, key: Key[Array, ""]) -> Float[Array, "num"]:
        if self.start is None:
            return self._within(jnp.full(len(self.names), 0.5))
        return jnp.asarray(self.start, jnp.float32)

    def mutate(self, task: Float[Array, "num"], *, key: Key[Array, ""]) -> Float[Array, "num"]:
        num = len(self.names)
        key_noise, key_some, key_one = jr.split(key, 3)
        one = jnp.arange(num) == jr.randint(key_one, (), 0, num)
        moved = one | jr.bernoulli(key_some, 0.5, (num,))
        there = self._shares(task) + self.spread * jr.normal(key_noise, (num,))
        # Reflected at both ends, however far it went.
        there = 1 - jnp.abs(1 - jnp.mod(there, 2))
        return jnp.where(moved, self._within(there), task)

    def fingerprint(self, task: Float[Array, "num"]) -> UInt32[Array, "2"]:
        return hashed(jnp.round(self._shares(task) * _CELLS).astype(jnp.int32))

    def features(self, task: Float[Array, "num"]) -> dict[str, Float[Array, ""]]:
        return {name: task[i] for i, name in enumerate(self.names)}

    def solvable(self, task: Float[Array, "num"]) -> Bool[Array, ""]:
        """True: nothing is known against any of them."""
        return jnp.array(True)

    def _within(self, shares: Float[Array, "num"]) -> Float[Array, "num"]:
        """The point so far along each range; rounding must not carry it out."""
        low, high = self.bounds
        return jnp.clip(low + shares * (high - low), low, high)

    def _shares(self, task: Float[Array, "num"]) -> Float[Array, "num"]:
        """How far along each range a point lies, in [0, 1]; 0 where the range is a point."""
        low, high = self.bounds
        return (task - low) / jnp.where(high > low, high - low, 1.0)
