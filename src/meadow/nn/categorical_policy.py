"""CategoricalPolicy: one of a few actions, where something is seen; it remembers nothing."""

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Discrete
from meadow.core.timestep import TimeStep
from meadow.nn.distribution import Categorical
from meadow.nn.head import Head
from meadow.nn.plan import Plan, parts
from meadow.nn.trunk import Trunk, glance


class CategoricalPolicy(eqx.Module):
    """Chances of a few actions, for whatever is seen."""

    trunk: Trunk
    logits: Head

    def __call__(self, timestep: TimeStep) -> Categorical:
        """What may be done."""
        return Categorical(self.logits(glance(self.trunk, timestep), self.trunk.precision))


def categorical_policy(
    plan: Plan, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
) -> CategoricalPolicy:
    """A policy with fresh parameters, nearly uniform everywhere.

    Args:
        plan: the network's sizes; it has no memory and is not told what it did.
        observation: one example; only shapes and types matter.

    Raises:
        SpecError: a plan with a memory, or an observation or action that the network cannot take.
    """
    plan.check_glance("A policy without a memory")
    if not isinstance(action_spec, Discrete):
        raise SpecError(f"Expected actions that are one of a few, `Discrete`, got {action_spec}.")
    keys = iter(jr.split(key, len(parts(observation)) + 4))
    trunk = plan.trunk(observation, action_spec, keys)
    return CategoricalPolicy(trunk, plan.head(action_spec.num, 0.01, keys))
