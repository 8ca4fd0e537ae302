"""Noisy: a policy that knows one answer, and strays from it. TD3 and D4PG make the same agent and
learn differently."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from meadow.core.agent import AbstractAgent
from meadow.core.timestep import TimeStep
from meadow.nn.box import half
from meadow.nn.policy import DeterministicPolicy


class Noisy(AbstractAgent[tuple[()]]):
    """Adds normal noise and cuts what comes of it to the box; adds none where `greedy`.

    Attributes:
        fresh: the policy has learnt nothing yet; actions are then uniform in the box.
        noise: its standard deviation, in units of half the box.
    """

    policy: DeterministicPolicy
    fresh: Bool[Array, ""]
    noise: float = eqx.field(static=True)
    greedy: bool = eqx.field(static=True, default=False)

    def init_memory(self) -> tuple[()]:
        """It remembers nothing."""
        return ()

    def act(
        self, memory: tuple[()], timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[tuple[()], Float[Array, "num"], dict[str, Array]]:
        """It records nothing."""
        action, box = self.policy(timestep), self.policy.box
        if self.greedy:
            return memory, action, {}
        key_noise, key_any = jr.split(key)
        strayed = action + self.noise * half(box) * jr.normal(key_noise, action.shape)
        strayed = jnp.clip(strayed, box.low, box.high)
        return memory, jnp.where(self.fresh, box.sample(key=key_any), strayed), {}
