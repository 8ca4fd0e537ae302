"""dm_env: an environment and its tasks as one `dm_env.Environment`."""

from typing import Any

import dm_env
import jax
import numpy as np
from dm_env import specs
from jax.tree_util import keystr, tree_map_with_path
from jaxtyping import PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.core.spec import Discrete
from meadow.core.task import AbstractTaskSpace
from meadow.interop.driven import Driven
from meadow.interop.programs import Single
from meadow.interop.said import Said, action_of, bounds, seed_of, shown
from meadow.rollout.life import Trial


class Environment(dm_env.Environment):
    """One life; every `reset` begins an episode, of a new task where the trial is over.

    A `step` before the first episode, or after the last step of one, begins the next and ignores
    the action, as dm_env asks.

    Args:
        environment: what is lived in.
        space: where its tasks come from.
        trial: how long a task is lived; one episode unless said.
        seed: everything follows from it; None for one that nobody knows.
    """

    def __init__(
        self,
        environment: AbstractEnvironment,
        space: AbstractTaskSpace,
        trial: Trial | None = None,
        seed: int | None = None,
    ):
        self._environment, self._space = environment, space
        self._life = Single(Driven(environment, space, trial or Trial(episodes=1)))
        self._luck = np.random.default_rng(seed)
        self._begun, self._ended = False, True

    def reset(self) -> dm_env.TimeStep:
        """The first step of the next episode."""
        said = self._life.again() if self._begun else self._life.first(seed_of(self._luck))
        self._begun, self._ended = True, False
        return dm_env.restart(said.observation)

    def step(self, action: Any) -> dm_env.TimeStep:
        """What comes of an action.

        Raises:
            SpecError: the action is not what `action_spec` announces.
        """
        if self._ended:
            return self.reset()
        said = self._life.step(action_of(self._environment.action_spec, action))
        self._ended = bool(said.terminated | said.truncated)
        return _timestep(said, self._ended)

    def observation_spec(self) -> PyTree:
        """A spec for each array of the observation."""

        def spec(path: tuple, leaf: jax.ShapeDtypeStruct) -> specs.BoundedArray:
            name = keystr(path[-1:], simple=True) if path else ""
            low, high = bounds(self._environment, leaf, name)
            return specs.BoundedArray(leaf.shape, leaf.dtype, low, high, name or "observation")

        return tree_map_with_path(spec, shown(self._environment, self._space))

    def action_spec(  # pyright: ignore[reportIncompatibleMethodOverride]  (theirs says None)
        self,
    ) -> specs.BoundedArray:
        """Choices, or an array of numbers in a range."""
        spec = self._environment.action_spec
        if isinstance(spec, Discrete):
            return specs.DiscreteArray(spec.num, np.int32, "action")
        return specs.BoundedArray(spec.shape, np.float32, spec.low, spec.high, "action")

    def reward_spec(self) -> specs.Array:
        """A number."""
        return specs.Array((), np.float32, "reward")

    def discount_spec(self) -> specs.BoundedArray:
        """A number in [0, 1]."""
        return specs.BoundedArray((), np.float32, 0.0, 1.0, "discount")


def _timestep(said: Said, ended: bool) -> dm_env.TimeStep:
    step_type = dm_env.StepType.LAST if ended else dm_env.StepType.MID
    return dm_env.TimeStep(step_type, said.reward[()], said.discount[()], said.observation)
