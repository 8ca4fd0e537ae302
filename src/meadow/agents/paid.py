"""Paid: rewards that a learner around another puts in the place of the environment's.

The agent is still told the environment's, and what it remembers of rewards is of those. Whoever
needs to know looks for `PAID` in the record.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from meadow.core.trajectory import Trajectory

PAID = "paid"


def paid(trajectory: Trajectory, reward: Float[Array, "time batch"]) -> Trajectory:
    """What was lived, with such rewards to learn from; a record that is a dict keeps them too."""
    if isinstance(record := trajectory.record, dict):
        trajectory = dataclasses.replace(trajectory, record=record | {PAID: reward})
    return eqx.tree_at(lambda x: x.next.reward, trajectory, reward)


def earned(trajectory: Trajectory) -> Float[Array, "time batch"]:
    """What each row's time step would have been told of its reward, as far as the rows know."""
    before = trajectory.next.reward[:-1]
    before = jnp.concatenate([jnp.zeros_like(trajectory.next.reward[:1]), before])
    return jnp.where(trajectory.timestep.begins_trial(), 0.0, before)
