"""Discriminator: whether what was done where something was seen looks like what is imitated."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.spec import ActionSpec, Box, Discrete
from meadow.nn.box import units, vectors
from meadow.nn.critic import CriticPlan, numbers
from meadow.nn.mlp import MLP

_FLAT = 1e-12  # a slope's square, so that the root of none has a derivative


class Discriminator(eqx.Module):
    """A network of what was seen and done.

    Attributes:
        action_spec: vectors are looked at in units of half the box, choices as one-hot codes.
        sees: names of the parts of an observation that it is shown; None for all.
    """

    body: MLP
    action_spec: Discrete | Box
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def features(self, observation: PyTree, action: Array) -> Float[Array, "*batch width"]:
        """What it looks at."""
        if isinstance(self.action_spec, Box):
            axes, done = action.ndim - 1, units(self.action_spec, action)
        else:
            axes, done = action.ndim, jax.nn.one_hot(action, self.action_spec.num)
        return jnp.concatenate([numbers(observation, axes, self.sees), done], axis=-1)

    def __call__(self, features: Float[Array, "*batch width"]) -> Float[Array, "*batch"]:
        """The logarithm of the odds that this is imitated, not lived."""
        return self.body(features)[..., 0]


def discriminator(
    plan: CriticPlan, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
) -> Discriminator:
    """A network with fresh parameters, as large as one critic.

    Args:
        observation: one example; only shapes and types matter.

    Raises:
        SpecError: actions that are neither choices nor vectors within bounds, or parts of an
            observation that are neither vectors nor numbers.
    """
    spec = action_spec if isinstance(action_spec, Discrete) else vectors(action_spec)
    width = numbers(observation, 0, plan.sees).shape[0] + spec.width
    return Discriminator(plan.network(width, 1, key=key), spec, plan.sees)


def logistic_loss(lived: Float[Array, "batch"], shown: Float[Array, "batch"]) -> Float[Array, ""]:
    """How wrong the odds are of what was lived, and of what was shown: 2 log 2 when all are even.

    >>> round(logistic_loss(jnp.zeros(3), jnp.zeros(3)).item(), 4)
    1.3863

    References: Ho and Ermon, Generative Adversarial Imitation Learning, 2016, eq. 14.
    """
    return jax.nn.softplus(lived).mean() + jax.nn.softplus(-shown).mean()


def steepness(
    network: Discriminator,
    lived: Float[Array, "batch width"],
    shown: Float[Array, "batch width"],
    share: Float[Array, "batch 1"],
) -> Float[Array, ""]:
    """How far slopes are from 1 between examples, such a share of the way: the mean square.

    References: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, eq. 3.
    """
    slopes = jax.vmap(jax.grad(network))(lived + share * (shown - lived))
    return ((jnp.sqrt((slopes**2).sum(axis=-1) + _FLAT) - 1.0) ** 2).mean()
