"""Mixture: one of several distributions, each as likely as it is said to be."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, Shaped

from meadow.nn.distribution import AbstractDistribution


class Mixture(AbstractDistribution):
    """Of parts that lie along the last axis of the batch of `parts`.

    No gradient of what was drawn says which part had better been drawn from: learn from densities.

    References: Bishop, Mixture Density Networks, 1994.
    """

    logits: Float[Array, "*batch parts"]
    parts: AbstractDistribution

    def sample(self, *, key: Key[Array, ""]) -> Shaped[Array, "*batch num"]:
        """A vector."""
        key_part, key_each = jr.split(key)
        return self._of(jr.categorical(key_part, self.logits), self.parts.sample(key=key_each))

    def mode(self) -> Shaped[Array, "*batch num"]:
        """That of the likeliest part."""
        return self._of(jnp.argmax(self.logits, axis=-1), self.parts.mode())

    def log_prob(self, action: Shaped[Array, "*batch num"]) -> Float[Array, "*batch"]:
        """Of a vector."""
        same = jnp.broadcast_to(action[..., None, :], (*self.logits.shape, action.shape[-1]))
        each = self.parts.log_prob(same)
        return jax.scipy.special.logsumexp(jax.nn.log_softmax(self.logits) + each, axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """Has no closed form.

        Raises:
            NotImplementedError: always; take the mean of `-log_prob` over samples.
        """
        raise NotImplementedError(
            "A mixture has no closed entropy: take the mean of -log_prob over samples."
        )

    def _of(self, which: Array, each: Array) -> Array:
        return jnp.take_along_axis(each, which[..., None, None], axis=-2)[..., 0, :]
