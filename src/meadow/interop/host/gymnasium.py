"""Gymnasium's environments as programs.

Choices that are observed are shown as one-hot vectors, tuples as dicts, real numbers as float32.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import PyTree

from meadow.core.errors import SpecError, UnknownNameError
from meadow.interop.host.actions import Doing, choices, numbers
from meadow.rollout.host_program import Told

Reader = Callable[[Any], PyTree]


class GymnasiumProgram:
    """An environment of Gymnasium's kind.

    Args:
        env: without a vector's axis.
        seed: of its luck.

    Raises:
        SpecError: a space that nothing of ours can take.
    """

    def __init__(self, env: gymnasium.Env, seed: int | None = None):
        self._env, self._seed = env, seed
        self.action_spec, self._doing = _doing(env.action_space)
        self.observation, self._read = _reading(env.observation_space)

    def reset(self) -> PyTree:
        """Begin an episode; the first with the seed."""
        seed, self._seed = self._seed, None
        return self._read(self._env.reset(seed=seed)[0])

    def step(self, action: Any) -> Told:
        """What comes of an action."""
        shown, reward, terminated, truncated, _ = self._env.step(self._doing(action))
        ended = bool(terminated or truncated)
        return Told(self._read(shown), float(reward), 0.0 if terminated else 1.0, ended)

    def close(self) -> None:
        """End it."""
        self._env.close()


def registered(name: str, options: dict[str, Any], seed: int) -> GymnasiumProgram:
    """An environment by its id, such as CartPole-v1.

    Raises:
        UnknownNameError: no environment is registered so.
    """
    if ":" not in name and name not in gymnasium.registry:
        known = (each for each in gymnasium.registry if not each.startswith("phys2d"))
        raise UnknownNameError("Gymnasium environment", name, known)
    env = gymnasium.make(name, disable_env_checker=True, **options)
    return GymnasiumProgram(env, seed)


def _doing(space: gymnasium.Space) -> Doing:
    if isinstance(space, spaces.Discrete):
        return choices(int(space.n), int(space.start))
    if isinstance(space, spaces.Box):
        return numbers(space.shape, space.low, space.high, space.dtype)
    raise SpecError(
        f"Expected a Discrete or a Box of actions, got {space}. Wrap the environment: "
        "`gymnasium.wrappers.TransformAction`."
    )


def _reading(space: gymnasium.Space) -> tuple[PyTree, Reader]:
    """An example of what is shown, and how what the environment shows becomes that."""
    if isinstance(space, spaces.Box | spaces.MultiBinary | spaces.MultiDiscrete):
        assert space.shape is not None and space.dtype is not None, "an array has both"
        if isinstance(space, spaces.Box) and not _fits(space):
            raise SpecError(
                f"Expected whole numbers that int32 holds to be observed, got {space}. Wrap the "
                "environment so that its bounds are: `gymnasium.wrappers.TransformObservation`."
            )
        return np.zeros(space.shape, _kind(space.dtype)), _same
    if isinstance(space, spaces.Discrete):
        num, first = int(space.n), int(space.start)
        rows = np.eye(num, dtype=np.float32)
        return np.zeros(num, np.float32), lambda x: rows[int(x) - first]
    if isinstance(space, spaces.Dict):
        return _readings(dict(space.spaces.items()))
    if isinstance(space, spaces.Tuple):
        parts, read = _readings({str(i): part for i, part in enumerate(space.spaces)})
        return parts, lambda x: read({str(i): part for i, part in enumerate(x)})
    raise SpecError(
        "Expected observations that are arrays, choices, or dicts and tuples of them, got "
        f"{space}. Wrap the environment: `gymnasium.wrappers.TransformObservation`."
    )


def _readings(named: dict[str, gymnasium.Space]) -> tuple[PyTree, Reader]:
    parts = {name: _reading(space) for name, space in sorted(named.items())}
    example = {name: example for name, (example, _) in parts.items()}
    reads = [(name, read) for name, (_, read) in parts.items()]
    return example, lambda x: {name: read(x[name]) for name, read in reads}


def _same(x: Any) -> Any:
    return x


def _kind(dtype: Any) -> Any:
    """How numbers of this type are kept: bytes and booleans as they are."""
    if np.issubdtype(dtype, np.floating):
        return np.float32
    return dtype if dtype in (np.uint8, np.bool_) else np.int32


def _fits(space: spaces.Box) -> bool:
    """Whether all that a box may show can be kept."""
    if np.issubdtype(space.dtype, np.floating) or not space.low.size:
        return True
    held = np.iinfo(np.int32)
    return held.min <= int(space.low.min()) and int(space.high.max()) <= held.max
