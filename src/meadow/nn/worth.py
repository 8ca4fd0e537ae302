"""Worth: how a network says what something is worth: a number, or a distribution of returns.

A part of learners that bootstrap: DQN is C51 with another one of these, and so is DDPG D4PG.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from meadow.core.errors import SpecError


class AbstractWorth(eqx.Module):
    """What the last axis of a network's output means."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Numbers for one worth."""

    @abc.abstractmethod
    def mean(self, told: Float[Array, "*batch size"]) -> Float[Array, "*batch"]:
        """The expected return."""

    @abc.abstractmethod
    def loss(
        self,
        told: Float[Array, "*batch size"],
        reward: Float[Array, "*batch"],
        discount: Float[Array, "*batch"],
        after: Float[Array, "*batch size"],
    ) -> Float[Array, "*batch"]:
        """How far `told` is from `reward + discount * after`; no gradient goes into the latter."""

    @abc.abstractmethod
    def mixed(self, told: Float[Array, "samples *batch size"]) -> Float[Array, "*batch size"]:
        """What is worth any of these, each as likely, as a network would tell it."""

    @abc.abstractmethod
    def scaled(self, value: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """A return on the scale on which the network tells it."""

    def error(
        self,
        told: Float[Array, "*batch size"],
        reward: Float[Array, "*batch"],
        discount: Float[Array, "*batch"],
        after: Float[Array, "*batch size"],
    ) -> Float[Array, "*batch"]:
        """`reward + discount * after - told` of the means, on that scale."""
        target = reward + discount * self.mean(after)
        return self.scaled(target) - self.scaled(self.mean(told))


class Scalar(AbstractWorth):
    """A number, by squares.

    Attributes:
        huber: errors beyond this count linearly; None for squares all the way.
        rescale: the network tells h(Q) = sign(Q) (sqrt(|Q| + 1) - 1) + epsilon Q.

    Raises:
        SpecError: a bound that is not positive.

    References: Pohlen et al., Observe and Look Further, 2018, for h.
    """

    huber: float | None = eqx.field(static=True, default=None)
    rescale: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.huber is not None and not self.huber > 0:
            raise SpecError(
                f"`Scalar` counts errors linearly beyond a positive bound, got huber={self.huber}. "
                "Write huber=1.0, or None for squares all the way."
            )

    @property
    def size(self) -> int:
        """One."""
        return 1

    def mean(self, told: Float[Array, "*batch size"]) -> Float[Array, "*batch"]:
        """Itself."""
        value = told[..., 0]
        return _unscaled(value) if self.rescale else value

    def loss(
        self,
        told: Float[Array, "*batch size"],
        reward: Float[Array, "*batch"],
        discount: Float[Array, "*batch"],
        after: Float[Array, "*batch size"],
    ) -> Float[Array, "*batch"]:
        """Half the squared error."""
        target = self.scaled(reward + discount * self.mean(after))
        error = jax.lax.stop_gradient(target) - told[..., 0]
        return _half_square(error, self.huber)

    def scaled(self, value: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """h of it, where that is asked for."""
        return _rescaled(value) if self.rescale else value

    def mixed(self, told: Float[Array, "samples *batch size"]) -> Float[Array, "*batch size"]:
        """Their mean."""
        return self.scaled(self.mean(told).mean(axis=0))[..., None]


class Categorical(AbstractWorth):
    """A distribution over `atoms` returns between `low` and `high`, by cross-entropy.

    References: Bellemare et al., A Distributional Perspective on Reinforcement Learning, 2017,
    algorithm 1.
    """

    low: float = eqx.field(static=True, default=-10.0)
    high: float = eqx.field(static=True, default=10.0)
    atoms: int = eqx.field(static=True, default=51)

    def __check_init__(self) -> None:
        if not (self.low < self.high and self.atoms > 1):
            raise SpecError(
                f"`Categorical` needs low < high and two atoms, got low={self.low}, "
                f"high={self.high}, atoms={self.atoms}."
            )

    @property
    def size(self) -> int:
        """Logits."""
        return self.atoms

    @property
    def returns(self) -> np.ndarray:
        """Of each atom."""
        return np.linspace(self.low, self.high, self.atoms, dtype=np.float32)

    def mean(self, told: Float[Array, "*batch size"]) -> Float[Array, "*batch"]:
        """Of the distribution."""
        return jax.nn.softmax(told) @ self.returns

    def loss(
        self,
        told: Float[Array, "*batch size"],
        reward: Float[Array, "*batch"],
        discount: Float[Array, "*batch"],
        after: Float[Array, "*batch size"],
    ) -> Float[Array, "*batch"]:
        """Cross-entropy with the shifted distribution, put back on the atoms."""
        shifted = reward[..., None] + discount[..., None] * self.returns
        target = project(jax.nn.softmax(after), shifted, self.low, self.high)
        return -jnp.sum(jax.lax.stop_gradient(target) * jax.nn.log_softmax(told), axis=-1)

    def scaled(self, value: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Itself."""
        return value

    def mixed(self, told: Float[Array, "samples *batch size"]) -> Float[Array, "*batch size"]:
        """The mean of their chances."""
        return jax.nn.logsumexp(jax.nn.log_softmax(told), axis=0)


class Quantiles(AbstractWorth):
    """`num` quantiles of the return, by quantile regression.

    Attributes:
        huber: errors beyond this count linearly.

    Raises:
        SpecError: a bound that is not positive.

    References: Dabney et al., Distributional Reinforcement Learning with Quantile Regression, 2018,
    eq. 10; divided by `huber` as in Dabney et al., Implicit Quantile Networks, 2018, eq. 3.
    """

    num: int = eqx.field(static=True, default=200)
    huber: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if not self.huber > 0:
            raise SpecError(
                f"`Quantiles` counts errors linearly beyond a positive bound, got "
                f"huber={self.huber}. Write huber=1.0, or a small one such as 1e-3 for none."
            )

    @property
    def size(self) -> int:
        """Quantiles."""
        return self.num

    def mean(self, told: Float[Array, "*batch size"]) -> Float[Array, "*batch"]:
        """Of the quantiles."""
        return told.mean(axis=-1)

    def loss(
        self,
        told: Float[Array, "*batch size"],
        reward: Float[Array, "*batch"],
        discount: Float[Array, "*batch"],
        after: Float[Array, "*batch size"],
    ) -> Float[Array, "*batch"]:
        """Every quantile against every one of the target."""
        target = reward[..., None] + discount[..., None] * after
        return quantile_loss(told, jax.lax.stop_gradient(target), self.huber)

    def scaled(self, value: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Itself."""
        return value

    def mixed(self, told: Float[Array, "samples *batch size"]) -> Float[Array, "*batch size"]:
        """All of them in order, a quantile for as many as there are samples."""
        ordered = jnp.sort(jnp.moveaxis(told, 0, -1).reshape(*told.shape[1:-1], -1), axis=-1)
        return ordered.reshape(*told.shape[1:], told.shape[0]).mean(axis=-1)


def project(
    chances: Float[Array, "*batch atoms"],
    returns: Float[Array, "*batch atoms"],
    low: float,
    high: float,
) -> Float[Array, "*batch atoms"]:
    """Chances of any returns as chances of evenly spaced ones: each is shared by the two atoms
    beside it, and what lies outside goes to the ends."""
    num = chances.shape[-1]
    place = (jnp.clip(returns, low, high) - low) / (high - low) * (num - 1)
    near = jnp.clip(1.0 - jnp.abs(place[..., None, :] - jnp.arange(num)[:, None]), 0.0, 1.0)
    return jnp.sum(near * chances[..., None, :], axis=-1)


def quantile_loss(
    told: Float[Array, "*batch num"], target: Float[Array, "*batch others"], huber: float
) -> Float[Array, "*batch"]:
    """The quantile Huber loss: mean over targets, sum over quantiles."""
    middles = (jnp.arange(told.shape[-1]) + 0.5) / told.shape[-1]
    error = target[..., None, :] - told[..., :, None]
    weight = jnp.abs(middles[:, None] - (error < 0))
    return (weight * _half_square(error, huber) / huber).mean(axis=-1).sum(axis=-1)


def _half_square(error: Array, huber: float | None) -> Array:
    if huber is None:
        return 0.5 * error**2
    size = jnp.abs(error)
    return jnp.where(size <= huber, 0.5 * error**2, huber * (size - 0.5 * huber))


_EPSILON = 1e-3


def _rescaled(x: Array) -> Array:
    return jnp.sign(x) * (jnp.sqrt(jnp.abs(x) + 1.0) - 1.0) + _EPSILON * x


def _unscaled(x: Array) -> Array:
    root = jnp.sqrt(1.0 + 4.0 * _EPSILON * (jnp.abs(x) + 1.0 + _EPSILON)) - 1.0
    return jnp.sign(x) * ((root / (2.0 * _EPSILON)) ** 2 - 1.0)
