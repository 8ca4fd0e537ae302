"""ActorCritic: a trunk, a policy and values."""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree, Shaped

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Box, Discrete
from meadow.nn.distribution import Categorical, Normal
from meadow.nn.head import Head
from meadow.nn.plan import Plan, parts
from meadow.nn.trunk import Senses, Trunk


class Judgement(eqx.Module):
    """A policy's distribution, and what each of an ensemble says going on is worth."""

    policy: Categorical | Normal
    values: Float[Array, "*batch values"]

    @property
    def value(self) -> Float[Array, "*batch"]:
        """The ensemble's mean."""
        return self.values.mean(axis=-1)

    @property
    def doubt(self) -> Float[Array, "*batch"]:
        """How far the ensemble disagrees: its standard deviation, 0 for one."""
        return self.values.std(axis=-1)


class ActorCritic(eqx.Module):
    """A policy and value function, with a memory.

    Actions that are vectors are drawn from a normal distribution, in which half the box is the
    unit of length. Its spread does not depend on what is seen, and it has no bounds: whoever acts
    cuts what was drawn to the box.

    Attributes:
        log_std: of the normal distribution, in units of half the box; None for discrete actions.
        box: where vectors must lie; None for discrete actions.
        apart: what the values read, where they do not share the policy's trunk. Then the memory is
            a pair, the policy's and theirs.
    """

    trunk: Trunk
    policy: Head
    values: tuple[Head, ...]
    log_std: Float[Array, "num"] | None = None
    box: Box | None = None
    apart: Trunk | None = None

    def init_memory(self) -> PyTree:
        """The memory at the start of a trial."""
        own = self.trunk.init_memory()
        return own if self.apart is None else (own, self.apart.init_memory())

    def no_action(self) -> Shaped[Array, "*action"]:
        """What stands for the action before, where there is none."""
        return jnp.int32(-1) if self.box is None else jnp.zeros(self.box.shape)

    def __call__(self, memory: PyTree, senses: Senses) -> tuple[PyTree, Judgement]:
        """Live through `senses`, `[time, *batch, ...]`: the memory after each step, and each
        judgement."""
        if self.apart is None:
            memories, outputs = self.trunk(memory, senses)
            read = outputs
        else:
            own, outputs = self.trunk(memory[0], senses)
            theirs, read = self.apart(memory[1], senses)
            memories = own, theirs
        values = [head(read, self.trunk.precision) for head in self.values]
        policy = self._policy(self.policy(outputs, self.trunk.precision))
        return memories, Judgement(policy, jnp.concatenate(values, axis=-1))

    def _policy(self, told: Float[Array, "*batch num"]) -> Categorical | Normal:
        if self.box is None or self.log_std is None:
            return Categorical(told)
        middle, half = _middle_and_half(self.box)
        log_std = jnp.broadcast_to(self.log_std + math.log(half), told.shape)
        return Normal(middle + half * told, log_std)


def actor_critic(
    plan: Plan, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
) -> ActorCritic:
    """An actor-critic with fresh parameters.

    Args:
        observation: one example; only shapes and types matter.

    Raises:
        SpecError: an observation or action that this network cannot take.
    """
    box = None if isinstance(action_spec, Discrete) else action_spec
    if box is not None and (len(box.shape) != 1 or box.low == box.high):
        raise SpecError(f"`ActorCritic` chooses among actions or vectors, got {box}.")
    trunks = 2 if plan.apart else 1
    num = trunks * (len(parts(observation)) + 2) + 2 + 2 * plan.values
    keys = iter(jr.split(key, num))
    trunk = plan.trunk(observation, action_spec, keys)
    policy = plan.head(action_spec.width, 0.01, keys)
    values = tuple(plan.head(1, 1.0, keys) for _ in range(plan.values))
    log_std = None if box is None else jnp.zeros(action_spec.width)
    apart = plan.trunk(observation, action_spec, keys) if plan.apart else None
    return ActorCritic(trunk, policy, values, log_std, box, apart)


def _middle_and_half(box: Box) -> tuple[float, float]:
    """Of a box; of one without bounds 0 and 1."""
    if math.isinf(box.low) or math.isinf(box.high):
        return 0.0, 1.0
    return 0.5 * (box.low + box.high), 0.5 * (box.high - box.low)
