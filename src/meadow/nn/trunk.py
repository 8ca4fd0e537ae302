"""Trunk: what every network of ours begins with: encoders, and a memory of what they saw."""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree, Shaped

from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.dense import Dense
from meadow.nn.encoder import AbstractEncoder
from meadow.nn.memory import AbstractMemory


class Senses(eqx.Module):
    """What a network is told at each step: any leading axes.

    Attributes:
        observation: a dict; its arrays.
        action: the one before; -1 where there is none, and 0 for actions that are vectors.
        reward: of that action.
        first: an episode begins here.
        forget: a trial begins here; the memory is cleared first.
    """

    observation: PyTree
    action: Shaped[Array, "*batch_action"]
    reward: Float[Array, "*batch"]
    first: Bool[Array, "*batch"]
    forget: Bool[Array, "*batch"]


class Trunk(eqx.Module):
    """Features of what is seen go through the memory, and beside them, where the plan recalls, the
    previous action, its reward and whether an episode begins."""

    encoders: dict[str, AbstractEncoder]
    action: Dense | None
    memory: AbstractMemory
    precision: str = eqx.field(static=True, default="float32")

    def init_memory(self) -> PyTree:
        """The memory at the start of a trial."""
        return self.memory.init()

    def __call__(
        self, memory: PyTree, senses: Senses
    ) -> tuple[PyTree, Float[Array, "time *batch width"]]:
        """Live through `senses`, `[time, *batch, ...]`: the memory after each step, and what it
        shows."""
        outputs, memories = self.memory(memory, self._features(senses), senses.forget)
        return memories, outputs

    def _features(self, senses: Senses) -> Float[Array, "time *batch features"]:
        seen = senses.observation
        named = seen if isinstance(seen, dict) else {"observation": seen}
        parts = [
            encode(named[name], self.precision) for name, encode in sorted(self.encoders.items())
        ]
        if self.action is not None:
            told = senses.action
            if told.ndim == senses.reward.ndim:
                told = jax.nn.one_hot(told, self.action.weight.shape[0])
            parts.append(self.action(told))
            parts.append(jnp.stack([senses.reward, senses.first.astype(jnp.float32)], axis=-1))
        return jnp.concatenate([part.astype(self.precision) for part in parts], axis=-1)


def senses_of(timestep: TimeStep, action: Shaped[Array, "*batch_action"]) -> Senses:
    """What a network is told of a time step and the action before it: at the start of a trial
    there is none."""
    forget = timestep.begins_trial()
    nothing = -1 if jnp.issubdtype(action.dtype, jnp.integer) else 0
    mask = forget.reshape(*forget.shape, *(1,) * (action.ndim - forget.ndim))
    return Senses(
        observation=timestep.observation,
        action=jnp.where(mask, nothing, action),
        reward=timestep.reward,
        first=timestep.first(),
        forget=forget,
    )


@runtime_checkable
class Recurrent(Protocol):
    """What lives through senses with a memory, as a trunk does, and says one array of each step."""

    def init_memory(self) -> PyTree:
        """The memory at the start of a trial."""
        ...

    def __call__(self, memory: PyTree, senses: Senses) -> tuple[PyTree, Array]:
        """The memory after each step, and what is said."""
        ...


def glance(network: Recurrent, timestep: TimeStep) -> Float[Array, "..."]:
    """What a network that remembers nothing says of time steps by themselves, `[*batch, ...]`."""
    batch = timestep.reward.shape
    senses = senses_of(timestep, jnp.zeros(batch, jnp.int32))
    memory = jax.tree.map(lambda x: jnp.broadcast_to(x, (*batch, *x.shape)), network.init_memory())
    return network(memory, jax.tree.map(lambda x: x[None], senses))[1][0]


def replayed(trajectory: Trajectory) -> Senses:
    """What a network was told at every row, of an agent whose memory holds the `action` before."""
    action = jnp.concatenate([trajectory.memory.action[None], trajectory.action[:-1]])
    return senses_of(trajectory.timestep, action)
