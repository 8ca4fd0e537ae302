"""Policies: what to do, as a vector, where something is seen."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Box
from meadow.core.timestep import TimeStep
from meadow.nn.box import half, placed, vectors
from meadow.nn.critic import numbers
from meadow.nn.distribution import Normal, TanhNormal
from meadow.nn.mixture import Mixture
from meadow.nn.mlp import MLP
from meadow.nn.plan import check_precision

_NARROWEST, _WIDEST = -20.0, 2.0
_STEADIEST = -5.0  # log deviation of a steady policy, in units of half the box
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


class MixturePolicy(eqx.Module):
    """Squashed normal distributions of actions, mixed, for whatever is seen.

    Attributes:
        parts: how many.
        sees: names of the parts of an observation that it is shown; None for all.
    """

    body: MLP
    box: Box
    parts: int = eqx.field(static=True)
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(self, timestep: TimeStep) -> Mixture:
        """What may be done."""
        x = numbers(timestep.observation, timestep.reward.ndim, self.sees)
        told = self.body(x)
        logits, told = told[..., : self.parts], told[..., self.parts :]
        mean, log_std = jnp.split(told.reshape(*x.shape[:-1], self.parts, -1), 2, axis=-1)
        normal = Normal(mean, jnp.clip(log_std, _NARROWEST, _WIDEST))
        return Mixture(logits, TanhNormal(normal, self.box.low, self.box.high))


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


class SteadyPolicy(eqx.Module):
    """A normal distribution about a point of the box, for whatever is seen; its spread is one that
    is learnt for all. It has no bounds, as that of `NormalPolicy`.

    Attributes:
        log_std: in units of half the box.
        sees: names of the parts of an observation that it is shown; None for all.

    References: the code of Kostrikov et al., Implicit Q-Learning, 2022.
    """

    body: MLP
    log_std: Float[Array, "num"]
    box: Box
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(self, timestep: TimeStep) -> Normal:
        """What may be done. At first its deviation is half the box."""
        x = numbers(timestep.observation, timestep.reward.ndim, self.sees)
        mean = placed(self.box, jnp.tanh(self.body(x)))
        log_std = jnp.clip(self.log_std, _STEADIEST, _WIDEST) + math.log(half(self.box))
        return Normal(mean, jnp.broadcast_to(log_std, mean.shape))


class PolicyPlan(eqx.Module):
    """The sizes of a policy.

    Attributes:
        hidden: widths of the hidden layers.
        normed: whether the first layer is (`meadow.nn.mlp`).
        sees: names of the parts of an observation that it is shown; None for all.
        parts: how many squashed normals are mixed, of a policy that clones what was done in several
            ways (bc, crr, iql); others have one.
        precision: of hidden layers (`meadow.nn.mlp`).

    Raises:
        SpecError: no parts.
        UnknownNameError: no such precision.
    """

    hidden: tuple[int, ...] = eqx.field(static=True, default=(256, 256))
    normed: bool = eqx.field(static=True, default=False)
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)
    parts: int = eqx.field(static=True, default=1)
    precision: str = eqx.field(static=True, default="float32")

    def __check_init__(self) -> None:
        if self.parts < 1:
            raise SpecError(f"A policy mixes a part or more, got parts={self.parts}.")
        check_precision(self.precision)

    def deterministic(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> DeterministicPolicy:
        """A policy with fresh parameters, which does next to nothing anywhere.

        Args:
            observation: one example; only shapes and types matter.

        Raises:
            SpecError: actions that are no vectors within bounds, parts of an observation that are
                neither vectors nor numbers, or several parts to mix.
        """
        box = self._box(action_spec)
        return DeterministicPolicy(self._body(observation, box.shape[0], key), box, self.sees)

    def stochastic(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> StochasticPolicy:
        """A policy with fresh parameters, nearly uniform everywhere; see `deterministic`."""
        box = self._box(action_spec)
        return StochasticPolicy(self._body(observation, 2 * box.shape[0], key), box, self.sees)

    def cloning(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> StochasticPolicy | MixturePolicy:
        """A policy that learns from densities alone: `stochastic`, or so many of them mixed."""
        if self.parts == 1:
            return self.stochastic(observation, action_spec, key=key)
        return self._mixture(observation, action_spec, key)

    def normal(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> NormalPolicy:
        """A policy with fresh parameters, about the middle everywhere; see `deterministic`."""
        box = self._box(action_spec)
        return NormalPolicy(self._body(observation, 2 * box.shape[0], key), box, self.sees)

    def steady(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> SteadyPolicy | MixturePolicy:
        """A policy with fresh parameters, about the middle everywhere and everywhere as wide; or so
        many squashed normals mixed; see `deterministic`."""
        if self.parts > 1:
            return self._mixture(observation, action_spec, key)
        box = vectors(action_spec)
        body = self._body(observation, box.shape[0], key)
        return SteadyPolicy(body, jnp.zeros(box.shape), box, self.sees)

    def _mixture(
        self, observation: PyTree, action_spec: ActionSpec, key: Key[Array, ""]
    ) -> MixturePolicy:
        """Of several parts."""
        box = vectors(action_spec)
        key_body, key_start = jr.split(key)
        body = self._body(observation, self.parts * (1 + 2 * box.shape[0]), key_body)
        # All alike they would stay alike.
        start = 0.1 * jr.normal(key_start, body.layers[-1].bias.shape)
        body = eqx.tree_at(lambda b: b.layers[-1].bias, body, start)
        return MixturePolicy(body, box, self.parts, self.sees)

    def _box(self, action_spec: ActionSpec) -> Box:
        """Of a policy that mixes nothing."""
        if self.parts > 1:
            raise SpecError(
                f"Only learners that clone what was done (bc, crr, iql) mix policies, got parts="
                f"{self.parts}: no gradient says which part to draw from. Write parts=1."
            )
        return vectors(action_spec)

    def _body(self, observation: PyTree, num_out: int, key: Key[Array, ""]) -> MLP:
        num_in = numbers(observation, 0, self.sees).shape[0]
        sizes, how = (num_in, *self.hidden, num_out), self.precision
        return MLP(sizes, gain=0.01, normed=self.normed, precision=how, key=key)
