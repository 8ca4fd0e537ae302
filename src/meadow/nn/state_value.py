"""StateValue: what going on is worth where something is seen; and fits to a share of returns."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.timestep import TimeStep
from meadow.nn.critic import CriticPlan, numbers
from meadow.nn.mlp import MLP


class StateValue(eqx.Module):
    """A network of what is seen alone.

    Attributes:
        sees: names of the parts of an observation that it is shown; None for all.
    """

    body: MLP
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(self, timestep: TimeStep) -> Float[Array, "*batch"]:
        """What it says."""
        return self.body(numbers(timestep.observation, timestep.reward.ndim, self.sees))[..., 0]


def state_value(plan: CriticPlan, observation: PyTree, *, key: Key[Array, ""]) -> StateValue:
    """A network with fresh parameters, as large as one of the critics.

    Args:
        observation: one example; only shapes and types matter.
    """
    num_in = numbers(observation, 0, plan.sees).shape[0]
    return StateValue(plan.network(num_in, 1, key=key), plan.sees)


def expectile_loss(error: Float[Array, "*batch"], expectile: float) -> Float[Array, "*batch"]:
    """Squares, of which those above count `expectile` and those below the rest; at one half it is
    half the square.

    >>> expectile_loss(jnp.array([2.0, -2.0]), 0.75).tolist()
    [3.0, 1.0]

    References: Kostrikov et al., Offline Reinforcement Learning with Implicit Q-Learning, 2022,
    eq. 4.
    """
    return jnp.where(error > 0, expectile, 1.0 - expectile) * error**2
