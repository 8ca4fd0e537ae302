"""Q-learning, as DQN and R2D2 share it: a network, its target, and luck in what is done."""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from meadow.nn.descent import copied, descended
from meadow.nn.q_network import QNetwork


class State(NamedTuple):
    """What a learner of worths changes while it learns."""

    network: QNetwork
    target: QNetwork
    optimiser: PyTree
    updates: Int[Array, ""]


def begun(network: QNetwork, rule: optax.GradientTransformation) -> State:
    """Before the first update; the target is the network."""
    optimiser = rule.init(cast(Any, network))
    return State(network, jax.tree.map(jnp.copy, network), optimiser, jnp.int32(0))


def stepped(
    state: State, grads: QNetwork, rule: optax.GradientTransformation, period: int
) -> State:
    """After one update more; the target is copied after every `period` of them."""
    network, optimiser = descended(rule, grads, state.optimiser, state.network)
    updates = state.updates + 1
    return State(network, copied(state.target, network, updates, period), optimiser, updates)


def epsilon_greedy(
    worths: Float[Array, "actions"], epsilon: Float[Array, ""] | float, luck: Float[Array, "2"]
) -> Int[Array, ""]:
    """The best action, but any with chance `epsilon`.

    Args:
        luck: two numbers drawn uniformly from [0, 1).
    """
    other = jnp.minimum((luck[1] * worths.size).astype(jnp.int32), worths.size - 1)
    return jnp.where(luck[0] < epsilon, other, jnp.argmax(worths).astype(jnp.int32))
