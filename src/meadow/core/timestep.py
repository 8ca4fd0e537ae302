"""TimeStep: what an environment says after every step.

The semantics are dm_env's. A sequence begins with FIRST, goes on with MID and ends with LAST.
`discount` is 0 only where nothing follows: a task that is done *terminates* (LAST, discount 0), a
time limit *truncates* (LAST, discount 1). An episode's end is `step_type`, never `discount`.

Two things are ours, and about trials (episodes of one task, memory kept), of which an environment
knows nothing: the rollout writes them. `episode` counts the episodes of a trial, so every agent can
see where a trial begins, and ordinary reinforcement learning is the case of one episode per trial.
And where a trial's steps are spent in the middle of an episode, that is CUT: a last step like at a
time limit, of an episode that nobody knows the end of.

References: Muldal et al., dm_env, 2019 (docs/index.md).
"""

import enum

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PyTree, UInt8


class StepType(enum.IntEnum):
    """Where in its episode a time step lies."""

    FIRST = 0
    MID = 1
    LAST = 2
    CUT = 3


class TimeStep(eqx.Module):
    """What an environment says: one record, any leading batch axes.

    Attributes:
        step_type: a `StepType`.
        reward: of the action that led here. The first step of a trial has 0; the first step of a
            later episode keeps the reward that ended the one before, so that it is not lost.
        discount: in [0, 1], the environment's own (the learner's gamma is separate).
        observation: any pytree of arrays.
        episode: index of this episode in its trial, from 0.
    """

    step_type: UInt8[Array, "*batch"]
    reward: Float[Array, "*batch"]
    discount: Float[Array, "*batch"]
    observation: PyTree
    episode: Int[Array, "*batch"]

    def showing(self, observation: PyTree) -> "TimeStep":
        """The same with another observation."""
        return eqx.tree_at(lambda t: t.observation, self, observation, is_leaf=lambda x: x is None)

    def first(self) -> Bool[Array, "*batch"]:
        """True on the first step of an episode."""
        return self.step_type == StepType.FIRST

    def last(self) -> Bool[Array, "*batch"]:
        """True on the last step of an episode, its own or where it was CUT."""
        return self.step_type >= StepType.LAST

    def finished(self) -> Bool[Array, "*batch"]:
        """True where an episode came to an end of its own: done, or at its time limit."""
        return self.step_type == StepType.LAST

    def begins_trial(self) -> Bool[Array, "*batch"]:
        """True on the first step of the first episode of a trial: time to forget."""
        return self.first() & (self.episode == 0)

    def terminated(self) -> Bool[Array, "*batch"]:
        """True where the episode ended because nothing follows."""
        return self.last() & (self.discount == 0)

    def truncated(self) -> Bool[Array, "*batch"]:
        """True where the episode was cut although more would have followed."""
        return self.last() & (self.discount != 0)


def _timestep(
    step_type: ArrayLike, reward: ArrayLike, discount: ArrayLike, observation: PyTree
) -> TimeStep:
    return TimeStep(
        step_type=jnp.asarray(step_type, jnp.uint8),
        reward=jnp.asarray(reward, jnp.float32),
        discount=jnp.asarray(discount, jnp.float32),
        observation=observation,
        episode=jnp.zeros(jnp.shape(step_type), jnp.int32),
    )


def restart(observation: PyTree) -> TimeStep:
    """The first step of an episode: reward 0, discount 1."""
    return _timestep(StepType.FIRST, 0.0, 1.0, observation)


def transition(
    reward: ArrayLike,
    observation: PyTree,
    *,
    terminated: ArrayLike = False,
    truncated: ArrayLike = False,
) -> TimeStep:
    """A later step: LAST where terminated or truncated, discount 0 where terminated.

    >>> transition(1.0, (), terminated=True, truncated=True).discount.item()
    0.0
    """
    ended = jnp.logical_or(terminated, truncated)
    discount = 1.0 - jnp.asarray(terminated, jnp.float32)
    return _timestep(jnp.where(ended, StepType.LAST, StepType.MID), reward, discount, observation)
