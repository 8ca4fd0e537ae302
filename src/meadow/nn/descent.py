"""Descent: what is descended, and how parameters move: down it, or after others that learn."""

from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

Network = TypeVar("Network")


def weighed(
    losses: Float[Array, "*rows batch"], weight: Float[Array, "batch"] | None
) -> Float[Array, ""]:
    """The mean of losses, each of which counts as much as its column; all alike for None."""
    return losses.mean() if weight is None else (weight * losses).mean()


def adam(rate: float, eps: float = 1e-8) -> optax.GradientTransformation:
    """Adam whose moments are one vector.

    Small networks are dozens of arrays, and each that moves alone is three kernels and two
    arguments of a call more: a step of SAC with two layers of 256 took a twentieth longer.
    """
    return optax.flatten(optax.adam(rate, eps=eps))


def descended(
    rule: optax.GradientTransformation, grads: Network, moments: PyTree, network: Network
) -> tuple[Network, PyTree]:
    """The network and the rule's moments, one step down."""
    steps, moments = rule.update(cast(Any, grads), moments, cast(Any, network))
    return cast(Network, optax.apply_updates(cast(Any, network), steps)), moments


def followed(target: Network, network: Network, share: float) -> Network:
    """The target, moved by such a share of the way to the network."""
    return jax.tree.map(lambda old, new: old + share * (new - old), target, network)


def copied(target: Network, network: Network, updates: Int[Array, ""], period: int) -> Network:
    """The network after every so many updates, and otherwise the target as it was."""
    due = updates % period == 0
    return jax.tree.map(lambda old, new: jnp.where(due, new, old), target, network)
