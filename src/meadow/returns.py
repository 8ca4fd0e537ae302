"""What actions were worth."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


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
