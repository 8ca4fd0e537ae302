"""CartPole: keep a pole upright on a cart whose physics is the task.

**observation** a float vector: position and speed of the cart, angle and spin of the pole.
**actions** push left, push right (0 and 1).
**reward** `1 / max_steps` for each step survived, 0 for the fall: the return is the share of the
  time survived, 1 only without a fall. There are no successes (an episode that terminates with a
  reward): who survives is cut by the time limit. Go by returns.
**ends** terminates when the pole tilts by 12 degrees or the cart leaves the track; truncates after
  `max_steps`.
**hidden** the physics.
**task** a vector of `NAMES`, such as those of `physics()`. A reset draws motion close to rest.
**reference** Barto, Sutton and Anderson, Neuronlike Adaptive Elements That Can Solve Difficult
  Learning Control Problems, 1983, with the equations of Florian, Correct equations for the dynamics
  of the cart-pole system, 2007. With `STANDARD` physics the transitions and ends are Gymnasium's
  CartPole-v1; there each step is paid 1, the fall too.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition
from meadow.tasks.box import Parameters

# kg, metres, seconds, newtons; the length is half the pole's.
NAMES = ("gravity", "cart mass", "pole mass", "half length", "force")
STANDARD = (9.8, 1.0, 0.1, 0.5, 10.0)

_SECONDS = 0.02
_FAR, _TILTED = 2.4, 12 * 2 * math.pi / 360

Physics = Float[Array, "5"]


class CartPoleState(eqx.Module):
    """Where cart and pole are.

    Attributes:
        motion: position and velocity of the cart, angle and angular velocity of the pole.
        steps: taken in this episode.
    """

    motion: Float[Array, "4"]
    steps: Int[Array, ""]


class CartPole(AbstractEnvironment[Physics, CartPoleState]):
    """Keep a pole upright on a cart whose physics is the task (see the top of this file).

    Attributes:
        max_steps: after which an episode is cut.
    """

    max_steps: int = eqx.field(static=True, default=500)

    def __check_init__(self) -> None:
        if self.max_steps < 1:
            raise SpecError(f"`max_steps` must be at least 1, got {self.max_steps}.")

    @property
    def action_spec(self) -> Discrete:
        """Left, right."""
        return Discrete(2)

    def reset(self, task: Physics, *, key: Key[Array, ""]) -> tuple[CartPoleState, TimeStep]:
        """Nearly at rest and nearly upright."""
        motion = jr.uniform(key, (4,), minval=-0.05, maxval=0.05)
        return CartPoleState(motion, jnp.zeros((), jnp.int32)), restart(motion)

    def step(
        self, state: CartPoleState, task: Physics, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[CartPoleState, TimeStep]:
        """Push for a fiftieth of a second."""
        motion = state.motion + _SECONDS * _change(state.motion, task, action)
        fell, steps = _fell(motion), state.steps + 1
        timestep = transition(
            jnp.where(fell, 0.0, 1.0 / self.max_steps),
            motion,
            terminated=fell,
            truncated=steps >= self.max_steps,
        )
        return CartPoleState(motion, steps), timestep


def physics() -> Parameters:
    """Carts and poles up to several times as heavy, long, strong or weak as the standard ones.

    The simplest is the standard one. None is hopeless: for each of 512 drawn ones some linear
    controller kept the pole up for 500 steps. Short poles are the hardest.
    """
    return Parameters(
        names=NAMES,
        low=(5.0, 0.5, 0.05, 0.1, 5.0),
        high=(20.0, 2.0, 1.0, 2.0, 20.0),
        start=STANDARD,
    )


def _change(motion: Float[Array, "4"], task: Physics, action: Int[Array, ""]) -> Float[Array, "4"]:
    """How fast the motion changes: Florian's equations, without friction."""
    gravity, cart, pole, half, strength = task
    _, speed, angle, spin = motion
    total, sin, cos = cart + pole, jnp.sin(angle), jnp.cos(angle)
    force = jnp.where(action == 1, strength, -strength)
    push = (force + pole * half * spin**2 * sin) / total
    turning = (gravity * sin - cos * push) / (half * (4 / 3 - pole * cos**2 / total))
    moving = push - pole * half * turning * cos / total
    return jnp.stack([speed, moving, spin, turning])


def _fell(motion: Float[Array, "4"]) -> Bool[Array, ""]:
    return (jnp.abs(motion[0]) > _FAR) | (jnp.abs(motion[2]) > _TILTED)
