"""ActorCritic: a trunk, a policy and values."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Discrete
from meadow.nn.head import Head
from meadow.nn.plan import Plan, parts
from meadow.nn.trunk import Senses, Trunk


class Judgement(eqx.Module):
    """A policy's logits and what each of an ensemble says going on is worth."""

    logits: Float[Array, "*batch actions"]
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
    """A policy and value function for discrete actions, with a memory."""

    trunk: Trunk
    policy: Head
    values: tuple[Head, ...]

    def init_memory(self) -> PyTree:
        """The memory at the start of a trial."""
        return self.trunk.init_memory()

    def __call__(self, memory: PyTree, senses: Senses) -> tuple[PyTree, Judgement]:
        """Live through `senses`, `[time, *batch, ...]`: the memory after each step, and each
        judgement."""
        memories, outputs = self.trunk(memory, senses)
        values = [head(outputs, self.trunk.precision) for head in self.values]
        logits = self.policy(outputs, self.trunk.precision)
        return memories, Judgement(logits, jnp.concatenate(values, axis=-1))


def actor_critic(
    plan: Plan, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
) -> ActorCritic:
    """An actor-critic with fresh parameters.

    Args:
        observation: one example; only shapes and types matter.

    Raises:
        SpecError: an observation or action that this network cannot take.
    """
    if not isinstance(action_spec, Discrete):
        raise SpecError(f"`ActorCritic` chooses among discrete actions, got {action_spec}.")
    keys = iter(jr.split(key, len(parts(observation)) + 4 + 2 * plan.values))
    trunk = plan.trunk(observation, action_spec, keys)
    policy = plan.head(action_spec.num, 0.01, keys)
    return ActorCritic(trunk, policy, tuple(plan.head(1, 1.0, keys) for _ in range(plan.values)))
