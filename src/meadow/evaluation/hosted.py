"""Hosted: what an agent makes of environments outside, an episode of each at a time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.timestep import StepType, TimeStep
from meadow.rollout.host import AbstractHost, Luck
from meadow.rollout.life import unborn


def returns(
    host: AbstractHost, agent: AbstractAgent, episodes: int, *, seed: int, key: Key[Array, ""]
) -> np.ndarray:
    """The undiscounted returns of at least `episodes` episodes, `[episodes]`: as many of each
    environment, so that short ones do not come more often.

    Args:
        seed: of the environments' luck.
        key: of the agent's.
    """
    num = host.num
    life = unborn(host.environment, agent, jnp.zeros(num, jnp.int32))
    host.start(life, seed)
    everyone, found = np.ones(num, bool), []
    for key_round in jr.split(key, -(-episodes // num)):
        found.append(_round(host, agent, life.memory, everyone, key=key_round))
    return np.concatenate(found)


def _round(
    host: AbstractHost,
    agent: AbstractAgent,
    memory: PyTree,
    everyone: np.ndarray,
    *,
    key: Key[Array, ""],
) -> np.ndarray:
    """An episode of every environment."""
    num, tasks = host.num, jnp.zeros(host.num, jnp.int32)
    alive, earned, first, time = everyone.copy(), np.zeros(num), True, 0
    reward, discount = np.zeros(num, np.float32), np.ones(num, np.float32)
    observation, lost = host.begin(everyone, everyone, Luck(tasks, jr.split(key, (1, num)), 0))
    while lost.any():
        observation, lost = host.begin(lost, lost, Luck(tasks, jr.split(key, (1, num)), 0))
    while alive.any():
        keys = jr.split(jr.fold_in(key, time), (1, num))
        kind = np.full(num, StepType.FIRST if first else StepType.MID, np.uint8)
        seen = jax.tree.map(jnp.asarray, (kind, reward, discount, observation))
        memory, action = _acts(agent, memory, seen, keys[0])
        outcome = host.step(jax.device_get(action), Luck(tasks, keys, time), alive)
        # An episode that got lost ends here, with what it earned so far.
        earned += np.where(alive & ~outcome.lost, outcome.reward, 0.0)
        alive = alive & ~outcome.last & ~outcome.lost
        observation, reward, discount = outcome.observation, outcome.reward, outcome.discount
        first, time = False, time + 1
    return earned


@eqx.filter_jit
def _acts(
    agent: AbstractAgent, memory: PyTree, seen: tuple, keys: Key[Array, "lives"]
) -> tuple[PyTree, PyTree]:
    kind, reward, discount, observation = seen
    timestep = TimeStep(kind, reward, discount, observation, jnp.zeros(keys.shape, jnp.int32))
    memory, action, _ = jax.vmap(lambda m, t, k: agent.act(m, t, key=k))(memory, timestep, keys)
    return memory, action
