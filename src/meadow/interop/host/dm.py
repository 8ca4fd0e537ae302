"""dm_env's environments as programs, and the Control Suite's by name."""

import warnings
from typing import Any, cast

import dm_env
import numpy as np
from dm_env import specs
from jax import tree
from jaxtyping import PyTree

from meadow.core.errors import SpecError, UnknownNameError
from meadow.interop.host.actions import Doing, choices, numbers
from meadow.rollout.host_program import Told


class DmProgram:
    """An environment of dm_env's kind.

    Args:
        env: seeded by whoever made it.
        flat: all numbers that are shown as one vector of float32, in the order of their names; as
            they are otherwise.

    Raises:
        SpecError: a spec that nothing of ours can take.
    """

    def __init__(self, env: dm_env.Environment, flat: bool = True):
        self._env, self._flat = env, flat
        self.action_spec, self._doing = _doing(cast(specs.Array, env.action_spec()))
        shown = tree.map(lambda spec: np.zeros(spec.shape, spec.dtype), env.observation_spec())
        self.observation = tree.map(_kept, self._read(shown))

    def reset(self) -> PyTree:
        """Begin an episode."""
        return self._read(self._env.reset().observation)

    def step(self, action: Any) -> Told:
        """What comes of an action."""
        said = self._env.step(self._doing(action))
        reward, discount = (0.0 if x is None else float(x) for x in (said.reward, said.discount))
        return Told(self._read(said.observation), reward, discount, said.last())

    def close(self) -> None:
        """End it."""
        self._env.close()

    def _read(self, shown: Any) -> PyTree:
        shown = dict(shown) if isinstance(shown, dict) else shown
        if not self._flat:
            return shown
        leaves = [np.ravel(x) for x in tree.leaves(shown)]
        return np.concatenate(leaves) if len(leaves) > 1 else leaves[0]


def control(name: str, options: dict[str, Any], seed: int) -> DmProgram:
    """A task of the Control Suite, such as cartpole-swingup.

    Raises:
        UnknownNameError: it has no such task.
    """
    with warnings.catch_warnings(action="ignore"):  # that there is no display to draw on
        from dm_control import suite

    known = {f"{domain}-{task}": (domain, task) for domain, task in suite.ALL_TASKS}
    if name not in known:
        raise UnknownNameError("task of the Control Suite", name, known)
    return DmProgram(suite.load(*known[name], task_kwargs={"random": seed % 2**31} | options))


def _doing(spec: specs.Array) -> Doing:
    if isinstance(spec, specs.DiscreteArray):
        return choices(spec.num_values)
    if isinstance(spec, specs.BoundedArray) and np.issubdtype(spec.dtype, np.integer):
        if spec.shape == ():
            return choices(int(spec.maximum) - int(spec.minimum) + 1, int(spec.minimum))
    elif isinstance(spec, specs.BoundedArray):
        return numbers(spec.shape, spec.minimum, spec.maximum, spec.dtype)
    raise SpecError(
        f"Expected actions that are a choice or an array between bounds, got {spec}. Wrap the "
        "environment so that they are."
    )


def _kept(x: np.ndarray) -> np.ndarray:
    """Real numbers are kept as float32, whole ones as int32; bytes and booleans as they are."""
    if x.dtype.kind == "f":
        return x.astype(np.float32)
    return x if x.dtype in (np.uint8, np.bool_) else x.astype(np.int32)
