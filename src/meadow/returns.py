"""What actions were worth."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory


def gae(
    rewards: Float[Array, "time *batch"],
    discounts: Float[Array, "time *batch"],
    values: Float[Array, "time *batch"],
    next_values: Float[Array, "time *batch"],
    cuts: Float[Array, "time *batch"],
    *,
    trace: float,
) -> Float[Array, "time *batch"]:
    """Generalised advantage estimation.

        A_t = delta_t + lambda d_t (1 - cut_t) A_{t+1},   delta_t = r_{t+1} + d_t V'_t - V_t

    Args:
        rewards: r_{t+1}, of the action at t.
        discounts: d_t, gamma times the environment's; 0 where nothing follows.
        values: V_t, of what was seen at t.
        next_values: V'_t, of what followed *before any reset*: at a truncation the value of the
            episode's true final observation.
        cuts: 1 where row t + 1 is not what followed row t (the sum stops, the bootstrap does not).
        trace: lambda, in [0, 1].

    Returns:
        The advantages, `[time, *batch]`; add `values` for the lambda-returns.

    References:
        Schulman et al., High-Dimensional Continuous Control Using GAE, 2016, eq. 16.
    """
    deltas = rewards + discounts * next_values - values

    def step(advantage: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, decay = row
        advantage = delta + decay * advantage
        return advantage, advantage

    decays = trace * discounts * (1.0 - cuts)
    start = jnp.zeros_like(deltas[0])
    return jax.lax.scan(step, start, (deltas, decays), reverse=True)[1]


def v_trace(
    rewards: Float[Array, "time *batch"],
    discounts: Float[Array, "time *batch"],
    values: Float[Array, "time *batch"],
    next_values: Float[Array, "time *batch"],
    cuts: Float[Array, "time *batch"],
    ratios: Float[Array, "time *batch"],
    *,
    trace: float = 1.0,
) -> tuple[Float[Array, "time *batch"], Float[Array, "time *batch"]]:
    """What values should be, and advantages, of a policy from what another one lived.

        E_t = rho_t delta_t + d_t c_t (1 - cut_t) E_{t+1},   delta_t = r_{t+1} + d_t V'_t - V_t
        v_t = V_t + E_t,   A_t = rho_t (delta_t + lambda d_t (1 - cut_t) E_{t+1})

    Args:
        rewards, discounts, values, next_values, cuts: as those of `gae`; values are the policy's.
        ratios: rho_t, of the action's probability under the policy to that under the one that took
            it, cut to some number of at least 1. Where it is cut decides what v_t tends to.
        trace: lambda, in [0, 1]; c_t = lambda min(1, rho_t).

    Returns:
        The targets v_t and the advantages A_t, `[time, *batch]`. With ratios of 1 the
        targets are lambda-returns, and the advantages those of `gae`.

    References:
        Espeholt et al., IMPALA, 2018, eq. 1 and 2, and section 4.2 for the advantages.
    """
    deltas = rewards + discounts * next_values - values
    follows = trace * discounts * (1.0 - cuts)

    def step(later: Array, row: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
        delta, follow, ratio = row
        advantage = ratio * (delta + follow * later)
        error = ratio * delta + follow * jnp.minimum(1.0, ratio) * later
        return error, (error, advantage)

    start = jnp.zeros_like(deltas[0])
    _, (errors, advantages) = jax.lax.scan(step, start, (deltas, follows, ratios), reverse=True)
    return values + errors, advantages


def n_step(
    rewards: Float[Array, "time *batch"],
    discounts: Float[Array, "time *batch"],
    last: Bool[Array, "time *batch"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"], Int[Array, "*batch"]]:
    """The reward and the discount of several steps taken as one: all rows, or those up to the
    first end of an episode.

        R = sum_k (prod_{j<k} d_j) r_k,   D = prod_k d_k

    Args:
        rewards: of the action at each row.
        discounts: gamma times the environment's.
        last: an episode ends with this row.

    Returns:
        R; D, to be multiplied with the value of what followed; and the row that it followed.

    References:
        Sutton and Barto, Reinforcement Learning: An Introduction, 2018, eq. 7.1.
    """
    ended = jnp.cumsum(last, axis=0) - last  # before this row
    taken = ended == 0
    each = jnp.where(taken, discounts, 1.0)
    before = jnp.concatenate([jnp.ones_like(each[:1]), jnp.cumprod(each, axis=0)[:-1]])
    total = jnp.sum(jnp.where(taken, before * rewards, 0.0), axis=0)
    return total, jnp.prod(each, axis=0), taken.sum(axis=0) - 1


class Transition(NamedTuple):
    """Several steps taken as one: what was seen and done at first, and what came of it.

    Attributes:
        reward: of all of them, discounted.
        discount: to be multiplied with the value of `next`.
        next: what followed, before any reset.
    """

    timestep: TimeStep
    action: PyTree
    reward: Float[Array, "batch"]
    discount: Float[Array, "batch"]
    next: TimeStep


def joined(trajectory: Trajectory, gamma: float) -> Transition:
    """Windows `[time, batch]`, each one transition, up to the first end of an episode in it."""
    after = trajectory.next
    reward, discount, row = n_step(after.reward, gamma * after.discount, after.last())
    timestep, action = jax.tree.map(lambda x: x[0], (trajectory.timestep, trajectory.action))
    after = jax.tree.map(lambda x: x[row, jnp.arange(row.size)], after)
    return Transition(timestep, action, reward, discount, after)
