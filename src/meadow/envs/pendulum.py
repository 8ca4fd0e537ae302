"""Pendulum: swing a rod up and hold it there, with less torque than that takes at once.

**observation** a float vector: cosine and sine of the angle, 0 when upright, and the spin.
**actions** a torque within [-2, 2].
**reward** `-(angle^2 + spin^2 / 10 + torque^2 / 1000)` before each step, the angle in [-pi, pi): a
  return is a cost, at best 0; about -150 is good and -1200 random. There are no successes.
**ends** never by itself; truncates after `max_steps`.
**hidden** the physics.
**task** a vector of `NAMES`, such as those of `physics()`. A reset draws any angle and a slow spin.
**reference** Gymnasium's Pendulum-v1, of which transitions and rewards are those with `STANDARD`
  physics.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.spec import Box
from meadow.core.timestep import TimeStep, restart, transition
from meadow.tasks.box import Parameters

# Metres per second squared, kg, metres.
NAMES = ("gravity", "mass", "length")
STANDARD = (10.0, 1.0, 1.0)

_SECONDS, _FASTEST, _STRONGEST = 0.05, 8.0, 2.0

Physics = Float[Array, "3"]


class PendulumState(eqx.Module):
    """Where the rod is.

    Attributes:
        angle: from upright, in radians; turns add up.
        spin: radians per second.
        steps: taken in this episode.
    """

    angle: Float[Array, ""]
    spin: Float[Array, ""]
    steps: Int[Array, ""]


class Pendulum(AbstractEnvironment[Physics, PendulumState]):
    """Swing a rod up whose physics is the task (see the top of this file).

    Attributes:
        max_steps: after which an episode is cut.
    """

    max_steps: int = eqx.field(static=True, default=200)

    def __check_init__(self) -> None:
        if self.max_steps < 1:
            raise SpecError(f"`max_steps` must be at least 1, got {self.max_steps}.")

    @property
    def action_spec(self) -> Box:
        """A torque."""
        return Box((1,), -_STRONGEST, _STRONGEST)

    def reset(self, task: Physics, *, key: Key[Array, ""]) -> tuple[PendulumState, TimeStep]:
        """Anywhere, turning slowly."""
        angle, spin = jr.uniform(key, (2,), minval=-1.0, maxval=1.0) * jnp.array([math.pi, 1.0])
        return PendulumState(angle, spin, jnp.zeros((), jnp.int32)), restart(_shown(angle, spin))

    def step(
        self,
        state: PendulumState,
        task: Physics,
        action: Float[Array, "1"],
        *,
        key: Key[Array, ""],
    ) -> tuple[PendulumState, TimeStep]:
        """Turn for a twentieth of a second."""
        gravity, mass, length = task
        torque = jnp.clip(action[0], -_STRONGEST, _STRONGEST)
        tilt = jnp.mod(state.angle + math.pi, 2 * math.pi) - math.pi
        cost = tilt**2 + 0.1 * state.spin**2 + 0.001 * torque**2

        pull = 1.5 * gravity / length * jnp.sin(state.angle) + 3.0 * torque / (mass * length**2)
        spin = jnp.clip(state.spin + _SECONDS * pull, -_FASTEST, _FASTEST)
        angle, steps = state.angle + _SECONDS * spin, state.steps + 1
        timestep = transition(-cost, _shown(angle, spin), truncated=steps >= self.max_steps)
        return PendulumState(angle, spin, steps), timestep


def physics() -> Parameters:
    """Rods up to twice as heavy or long as the standard one, under half or twice its gravity.

    The simplest is the standard one.
    """
    return Parameters(
        names=NAMES,
        low=(5.0, 0.5, 0.5),
        high=(20.0, 2.0, 2.0),
        start=STANDARD,
    )


def _shown(angle: Float[Array, ""], spin: Float[Array, ""]) -> Float[Array, "3"]:
    return jnp.stack([jnp.cos(angle), jnp.sin(angle), spin])
