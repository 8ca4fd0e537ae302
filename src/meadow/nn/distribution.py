"""Distributions of actions: drawn from, and asked how likely something was.

The last axis of a vector is one event; all axes before it are a batch.
"""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, Shaped


class AbstractDistribution(eqx.Module):
    """Of one action, or of a batch of them."""

    @abc.abstractmethod
    def sample(self, *, key: Key[Array, ""]) -> Shaped[Array, "..."]:
        """An action of each; gradients go through it where it is a vector."""

    @abc.abstractmethod
    def mode(self) -> Shaped[Array, "..."]:
        """The likeliest action; of a squashed normal what its mean is squashed to."""

    @abc.abstractmethod
    def log_prob(self, action: Shaped[Array, "..."]) -> Float[Array, "*batch"]:
        """The logarithm of an action's probability, or density."""

    @abc.abstractmethod
    def entropy(self) -> Float[Array, "*batch"]:
        """In nats."""


class Categorical(AbstractDistribution):
    """One of a few."""

    logits: Float[Array, "*batch actions"]

    def sample(self, *, key: Key[Array, ""]) -> Int[Array, "*batch"]:
        """A number."""
        # Of normalised logits, which `log_prob` needs too: computed once where both are asked for.
        return jr.categorical(key, jax.nn.log_softmax(self.logits)).astype(jnp.int32)

    def mode(self) -> Int[Array, "*batch"]:
        """A number."""
        return jnp.argmax(self.logits, axis=-1).astype(jnp.int32)

    def log_prob(self, action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Of a number."""
        log_probs = jax.nn.log_softmax(self.logits)
        return jnp.take_along_axis(log_probs, action[..., None], axis=-1)[..., 0]

    def entropy(self) -> Float[Array, "*batch"]:
        """Exactly."""
        log_probs = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)


class Normal(AbstractDistribution):
    """Independent normal numbers."""

    mean: Float[Array, "*batch num"]
    log_std: Float[Array, "*batch num"]

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "*batch num"]:
        """A vector."""
        return self.mean + jnp.exp(self.log_std) * jr.normal(key, self.mean.shape)

    def mode(self) -> Float[Array, "*batch num"]:
        """The mean."""
        return self.mean

    def log_prob(self, action: Float[Array, "*batch num"]) -> Float[Array, "*batch"]:
        """Of a vector."""
        far = (action - self.mean) * jnp.exp(-self.log_std)
        each = -0.5 * far**2 - self.log_std - 0.5 * math.log(2 * math.pi)
        return each.sum(axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """Exactly."""
        return (self.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(axis=-1)

    def divergence(self, other: "Normal") -> Float[Array, "*batch num"]:
        """KL(self || other), number by number."""
        spread = jnp.exp(2.0 * (self.log_std - other.log_std))
        far = ((self.mean - other.mean) * jnp.exp(-other.log_std)) ** 2
        return 0.5 * (spread + far - 1.0) + other.log_std - self.log_std


class TanhNormal(AbstractDistribution):
    """Normal numbers squashed into [low, high] by tanh.

    References: Haarnoja et al., Soft Actor-Critic, 2018, appendix C.
    """

    inner: Normal
    low: float = eqx.field(static=True, default=-1.0)
    high: float = eqx.field(static=True, default=1.0)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "*batch num"]:
        """A vector."""
        return self._squashed(self.inner.sample(key=key))

    def sample_and_log_prob(
        self, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "*batch num"], Float[Array, "*batch"]]:
        """A vector and its log density, which nothing is lost of by squashing and back."""
        x = self.inner.sample(key=key)
        return self._squashed(x), self._log_prob(x)

    def mode(self) -> Float[Array, "*batch num"]:
        """What the mean is squashed to."""
        return self._squashed(self.inner.mean)

    def log_prob(self, action: Float[Array, "*batch num"]) -> Float[Array, "*batch"]:
        """Of a vector; of one on the edge as if it lay just inside."""
        share = (action - self.low) / (self.high - self.low) * 2.0 - 1.0
        return self._log_prob(jnp.arctanh(jnp.clip(share, -1.0 + 1e-6, 1.0 - 1e-6)))

    def entropy(self) -> Float[Array, "*batch"]:
        """Has no closed form.

        Raises:
            NotImplementedError: always; take the mean of `-log_prob` over samples.
        """
        raise NotImplementedError(
            "A squashed normal has no closed entropy: take the mean of -log_prob over samples."
        )

    def _squashed(self, x: Array) -> Array:
        # Rounding must not carry it out.
        action = self.low + (self.high - self.low) * 0.5 * (jnp.tanh(x) + 1.0)
        return jnp.clip(action, self.low, self.high)

    def _log_prob(self, x: Array) -> Array:
        # log(1 - tanh(x)^2), without the cancellation.
        slope = 2.0 * (math.log(2.0) - x - jax.nn.softplus(-2.0 * x))
        slope = slope + math.log(0.5 * (self.high - self.low))
        return self.inner.log_prob(x) - slope.sum(axis=-1)
