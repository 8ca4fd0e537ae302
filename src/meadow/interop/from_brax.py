"""FromBrax: Brax's bodies, compiled like ours.

References: Freeman et al., Brax: A Differentiable Physics Engine for Large Scale Rigid Body
Simulation, 2021.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError, UnknownNameError
from meadow.core.spec import Box
from meadow.core.timestep import TimeStep, restart, transition


class FromBrax(AbstractEnvironment[PyTree, PyTree]):
    """One of them; tasks are not looked at.

    Attributes:
        name: such as ant.
        backend: of the physics: generalized, positional, spring or mjx.
        max_steps: an episode is cut after so many.

    Raises:
        UnknownNameError: there is no such environment.
        MeadowError: Brax is not installed.
    """

    name: str = eqx.field(static=True)
    backend: str = eqx.field(static=True, default="generalized")
    max_steps: int = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        known = sorted(_library()._envs)  # it has no other list of them
        if self.name not in known:
            raise UnknownNameError("environment of Brax", self.name, known)

    @property
    def action_spec(self) -> Box:
        """A number for each motor."""
        return Box((int(_made(self.name, self.backend).action_size),), -1.0, 1.0)

    def reset(self, task: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, TimeStep]:
        """Begin; the task is not looked at."""
        body = _made(self.name, self.backend).reset(key)
        return (body, jnp.int32(0)), restart(body.obs)

    def step(
        self,
        state: PyTree,
        task: PyTree,
        action: Float[Array, "motors"],
        *,
        key: Key[Array, ""],
    ) -> tuple[PyTree, TimeStep]:
        """Act once."""
        body, time = state
        body, time = _made(self.name, self.backend).step(body, action), time + 1
        over = time >= self.max_steps
        told = transition(body.reward, body.obs, terminated=body.done > 0, truncated=over)
        return (body, time), told


@functools.cache
def _made(name: str, backend: str) -> Any:
    """The body, without wrappers: episodes and batches are ours. Its arrays are its own, even where
    a program asks first."""
    with jax.ensure_compile_time_eval():
        return _library().get_environment(name, backend=backend)


def _library() -> Any:
    try:
        import brax.envs
    except ImportError as error:
        raise MeadowError(
            f"Brax is not installed ({error}). Install it: `pip install '.[brax]'` in Meadow's "
            "folder."
        ) from error
    return brax.envs
