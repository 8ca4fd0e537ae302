"""Actor: an actor-critic that acts, and what it thinks of what followed.

PPO and IMPALA make the same agent and learn differently.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree, Shaped

from meadow.core.agent import AbstractAgent
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.actor_critic import ActorCritic
from meadow.nn.trunk import Senses, senses_of

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


def discounts(trajectory: Trajectory) -> Float[Array, "time batch"]:
    """The environment's, where returns run to the end of a trial: an episode's end within it cuts
    nothing, whatever the environment says of it."""
    inner = trajectory.next.last() & ~trajectory.trial_ended
    return jnp.where(inner, 1.0, trajectory.next.discount)


def values_after(
    network: ActorCritic,
    trajectory: Trajectory,
    values: Float[Array, "time batch"],
    memories: Callable[[], PyTree],
    final: Memory,
    *,
    bootstrap: bool = True,
) -> Float[Array, "time batch"]:
    """What followed each row was worth: the next row, what came after the last, and the true final
    observation of a truncated trial.

    The last of these needs the network once more, and is asked for only in chunks where it occurs.

    Args:
        values: of the rows.
        memories: what was remembered after each row; called where it is needed.
        final: what is remembered after the last.
        bootstrap: whether anything follows a truncated trial.
    """

    def judge(hidden: PyTree, senses: Senses) -> Array:
        return network(hidden, jax.tree.map(lambda x: x[None], senses))[1].value[0]

    def look() -> Array:
        return judge(memories(), senses_of(trajectory.next, trajectory.action))

    last = judge(final.hidden, senses_of(trajectory.after, final.action))
    after = jnp.zeros_like(values)
    if bootstrap:
        truncated = trajectory.trial_ended & (trajectory.next.discount != 0)
        after = jax.lax.cond(truncated[:-1].any(), look, lambda: jnp.zeros_like(values))
    after = after.at[-1].set(last)
    follows = jnp.concatenate([values[1:], after[-1:]])
    return jnp.where(trajectory.trial_ended, after, follows)
