"""Policies: what to do, as a vector, where something is seen."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.spec import ActionSpec, Box
from meadow.core.timestep import TimeStep
from meadow.nn.box import half, placed, vectors
from meadow.nn.critic import numbers
from meadow.nn.distribution import Normal, TanhNormal
from meadow.nn.mlp import MLP

_NARROWEST, _WIDEST = -20.0, 2.0
_SPREAD, _LEAST = 0.5, 1e-4  # of a normal policy at first and at last, in units of half the box


class DeterministicPolicy(eqx.Module):
    """One action for whatever is seen.

    Attributes:
        sees: names of the parts of an observation that it is shown; None for all.
    """

    body: MLP
    box: Box
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(self, timestep: TimeStep) -> Float[Array, "*batch num"]:
        """What to do."""
        x = numbers(timestep.observation, timestep.reward.ndim, self.sees)
        action = placed(self.box, jnp.tanh(self.body(x)))
        return jnp.clip(action, self.box.low, self.box.high)  # rounding must not carry it out


class StochasticPolicy(eqx.Module):
    """A squashed normal distribution of actions for whatever is seen.

    Attributes:
        sees: names of the parts of an observation that it is shown; None for all.
    """

    body: MLP
    box: Box
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(self, timestep: TimeStep) -> TanhNormal:
        """What may be done."""
        x = numbers(timestep.observation, timestep.reward.ndim, self.sees)
        mean, log_std = jnp.split(self.body(x), 2, axis=-1)
        normal = Normal(mean, jnp.clip(log_std, _NARROWEST, _WIDEST))
        return TanhNormal(normal, self.box.low, self.box.high)


class NormalPolicy(eqx.Module):
    """A normal distribution of actions for whatever is seen. It has no bounds: whoever acts cuts
    what was drawn to the box.

    Attributes:
        sees: names of the parts of an observation that it is shown; None for all.
    """

    body: MLP
    box: Box
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(self, timestep: TimeStep) -> Normal:
        """What may be done. At first it spreads over half the box."""
        x = numbers(timestep.observation, timestep.reward.ndim, self.sees)
        mean, spread = jnp.split(self.body(x), 2, axis=-1)
        std = half(self.box) * (_SPREAD / math.log(2.0) * jax.nn.softplus(spread) + _LEAST)
        return Normal(placed(self.box, mean), jnp.log(std))


class PolicyPlan(eqx.Module):
    """The sizes of a policy.

    Attributes:
        hidden: widths of the hidden layers.
        normed: whether the first layer is (`meadow.nn.mlp`).
        sees: names of the parts of an observation that it is shown; None for all.
    """

    hidden: tuple[int, ...] = eqx.field(static=True, default=(256, 256))
    normed: bool = eqx.field(static=True, default=False)
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def deterministic(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> DeterministicPolicy:
        """A policy with fresh parameters, which does next to nothing anywhere.

        Args:
            observation: one example; only shapes and types matter.

        Raises:
            SpecError: actions that are no vectors within bounds, or parts of an observation that
                are neither vectors nor numbers.
        """
        box = vectors(action_spec)
        return DeterministicPolicy(self._body(observation, box.shape[0], key), box, self.sees)

    def stochastic(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> StochasticPolicy:
        """A policy with fresh parameters, nearly uniform everywhere; see `deterministic`."""
        box = vectors(action_spec)
        return StochasticPolicy(self._body(observation, 2 * box.shape[0], key), box, self.sees)

    def normal(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> NormalPolicy:
        """A policy with fresh parameters, about the middle everywhere; see `deterministic`."""
        box = vectors(action_spec)
        return NormalPolicy(self._body(observation, 2 * box.shape[0], key), box, self.sees)

    def _body(self, observation: PyTree, num_out: int, key: Key[Array, ""]) -> MLP:
        num_in = numbers(observation, 0, self.sees).shape[0]
        return MLP((num_in, *self.hidden, num_out), gain=0.01, normed=self.normed, key=key)
