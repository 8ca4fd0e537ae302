"""Spaces: what Gymnasium is told of actions and observations."""

import gymnasium
import numpy as np
from jaxtyping import PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.core.spec import ActionSpec, Discrete
from meadow.core.task import AbstractTaskSpace
from meadow.interop.said import bounds, shown


def action_space(spec: ActionSpec) -> gymnasium.Space:
    """The space of a spec."""
    if isinstance(spec, Discrete):
        return gymnasium.spaces.Discrete(spec.num)
    return gymnasium.spaces.Box(spec.low, spec.high, spec.shape, np.float32)


def observation_space(
    environment: AbstractEnvironment, space: AbstractTaskSpace
) -> gymnasium.Space:
    """The space of an environment's observations: dicts, tuples and arrays, as they are."""

    def of(part: PyTree, name: str) -> gymnasium.Space:
        if isinstance(part, dict):
            return gymnasium.spaces.Dict({key: of(value, key) for key, value in part.items()})
        if isinstance(part, (tuple, list)):
            return gymnasium.spaces.Tuple([of(value, name) for value in part])
        low, high = bounds(environment, part, name)
        return gymnasium.spaces.Box(low, high, part.shape, part.dtype.type)

    return of(shown(environment, space), "")
