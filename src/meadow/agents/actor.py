"""Actor: an actor-critic that acts. PPO and IMPALA make the same agent and learn differently."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree, Shaped

from meadow.core.agent import AbstractAgent
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.actor_critic import ActorCritic
from meadow.nn.trunk import senses_of

DRAWN = "drawn"


class Memory(NamedTuple):
    """What the agent carries from step to step."""

    hidden: PyTree
    action: Shaped[Array, "*action"]


class Actor(AbstractAgent[Memory]):
    """Samples from its policy, or takes the likeliest action where `greedy`.

    A vector is drawn without bounds and cut to the box when it is done. The policy's density is
    that of what was drawn, which the record keeps.
    """

    network: ActorCritic
    greedy: bool = eqx.field(static=True, default=False)

    def init_memory(self) -> Memory:
        """A memory of nothing, and no previous action."""
        return Memory(self.network.init_memory(), self.network.no_action())

    def act(
        self, memory: Memory, timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[Memory, Shaped[Array, "*action"], dict[str, Array]]:
        """The record holds `log_prob` of the action and `value` of the time step; of an ensemble
        also all `values`, and its `doubt`; of a vector what was `drawn`."""
        row = jax.tree.map(lambda x: x[None], senses_of(timestep, memory.action))
        lived = self.network(memory.hidden, row)
        hidden, judgement = jax.tree.map(lambda x: x[0], lived)
        policy = judgement.policy
        action = policy.mode() if self.greedy else policy.sample(key=key)
        record = {"log_prob": policy.log_prob(action), "value": judgement.value}
        if len(self.network.values) > 1:
            record |= {"values": judgement.values, "doubt": judgement.doubt}
        if (box := self.network.box) is not None:
            record |= {DRAWN: action}
            action = jnp.clip(action, box.low, box.high)
        return Memory(hidden, action), action, record


def drawn(trajectory: Trajectory) -> Shaped[Array, "time batch *action"]:
    """What the policy drew: the action, before it was cut to its box."""
    return trajectory.record.get(DRAWN, trajectory.action)
