"""Conservative: how much more critics think of any action than of the one that was done."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from meadow.nn.box import half, placed
from meadow.nn.critic import Critics
from meadow.nn.distribution import TanhNormal
from meadow.nn.worth import AbstractWorth


def proposals(
    options: tuple[TanhNormal, ...], critics: Critics, num: int, *, key: Key[Array, ""]
) -> tuple[Float[Array, "some batch num"], Float[Array, "some batch"]]:
    """Actions to be thought less of: `num` uniform ones and as many of each policy; and their log
    densities, in units of half the box."""
    key, key_uniform = jr.split(key)
    shape = options[0].inner.mean.shape
    uniform = jr.uniform(key_uniform, (num, *shape), minval=-1.0, maxval=1.0)
    actions = [placed(critics.box, uniform)]
    densities = [jnp.full(uniform.shape[:-1], -shape[-1] * math.log(2.0))]
    for i, policy in enumerate(options):
        keys = jr.split(jr.fold_in(key, i), num)
        action, log_prob = jax.vmap(lambda key, p=policy: p.sample_and_log_prob(key=key))(keys)
        actions.append(action)
        densities.append(log_prob + shape[-1] * math.log(half(critics.box)))
    return jnp.concatenate(actions), jnp.concatenate(densities)


def excess(
    critics: Critics,
    worth: AbstractWorth,
    observation: PyTree,
    action: Float[Array, "batch num"],
    others: tuple[Float[Array, "some batch num"], Float[Array, "some batch"]],
) -> Float[Array, "critics batch"]:
    """`log mean exp Q / density` over the others, less `Q` of what was done.

    References: Kumar et al., Conservative Q-Learning for Offline Reinforcement Learning, 2020,
    eq. 4 and appendix F.
    """
    actions, densities = others
    told = jax.vmap(lambda action: critics(observation, action), out_axes=1)(actions)
    every = worth.mean(told) - densities
    most = jax.scipy.special.logsumexp(every, axis=1) - math.log(len(actions))
    return most - worth.mean(critics(observation, action))
