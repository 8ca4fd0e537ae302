"""FromGymnax: gymnax's environments, compiled like ours; what they call parameters is the task.

So curricula may choose the parameters, and a batch may live with different ones.

References: Lange, gymnax: A JAX-based Reinforcement Learning Environment Library, 2022.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree, Shaped

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError, SpecError, UnknownNameError
from meadow.core.spec import ActionSpec, Box, Discrete
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import TimeStep, restart, transition


class FromGymnax(AbstractEnvironment[PyTree, PyTree]):
    """One of them. A time limit truncates an episode and does not terminate it, in every version.

    Attributes:
        name: such as CartPole-v1.

    Raises:
        UnknownNameError: there is no such environment.
        MeadowError: gymnax is not installed.
    """

    name: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        known = _library().registered_envs
        if self.name not in known:
            raise UnknownNameError("environment of gymnax", self.name, known)

    @property
    def action_spec(self) -> ActionSpec:
        """That of the parameters which it comes with.

        Raises:
            SpecError: actions that are neither one of a few nor vectors in a box of equal sides.
        """
        program, parameters = _made(self.name)
        space = program.action_space(parameters)
        if hasattr(space, "n"):
            return Discrete(int(space.n))
        low, high = (np.unique(np.asarray(x)) for x in (space.low, space.high))
        if low.size != 1 or high.size != 1:
            raise SpecError(f"Expected a box of equal sides in {self.name}, got {low} to {high}.")
        return Box(tuple(space.shape), float(low[0]), float(high[0]))

    def reset(self, task: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, TimeStep]:
        """Begin with these parameters."""
        observation, state = _made(self.name)[0].reset_env(key, task)
        return _settled(state), restart(_settled(observation))

    def step(
        self,
        state: PyTree,
        task: PyTree,
        action: Shaped[Array, "*action"],
        *,
        key: Key[Array, ""],
    ) -> tuple[PyTree, TimeStep]:
        """Act once."""
        program = _made(self.name)[0]
        observation, after, reward, ended, _ = program.step_env(key, state, action, task)
        terminated, truncated = _ends(program, after, task, ended)
        after = jax.tree.map(lambda x, before: jnp.asarray(x, before.dtype), after, state)
        reward = jnp.asarray(reward, jnp.float32).reshape(())
        told = transition(reward, _settled(observation), terminated=terminated, truncated=truncated)
        return after, told


class Parameters(AbstractTaskSpace):
    """The parameters that an environment of gymnax comes with, and no others.

    Attributes:
        name: of the environment.
    """

    name: str = eqx.field(static=True)

    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        return _settled(_made(self.name)[1])


@functools.cache
def _made(name: str) -> tuple[Any, Any]:
    """The environment, and its parameters; arrays of its own, even where a program asks first."""
    with jax.ensure_compile_time_eval():
        return _library().make(name)


def _library() -> Any:
    try:
        import gymnax
    except ImportError as error:
        raise MeadowError(
            f"gymnax is not installed ({error}). Install it: `pip install '.[gymnax]'` in "
            "Meadow's folder."
        ) from error
    return gymnax


def _ends(program: Any, state: PyTree, task: PyTree, ended: Array) -> tuple[Array, Array]:
    """Whether the episode terminated, and whether it was cut."""
    if hasattr(program, "is_truncated"):
        return ended, program.is_truncated(state, task)
    # Before gymnax 1.0 a time limit was an end: what would have ended without it has terminated.
    if not hasattr(task, "max_steps_in_episode"):
        return ended, jnp.zeros_like(ended)
    unlimited = task.replace(max_steps_in_episode=jnp.iinfo(jnp.int32).max)
    terminated = program.is_terminal(state, unlimited)
    return terminated, ended & ~terminated


def _settled(tree: PyTree) -> PyTree:
    """Arrays whose types do not yield to others'."""
    return jax.tree.map(lambda x: jax.lax.convert_element_type(x, jnp.asarray(x).dtype), tree)
