"""Said: what driven lives tell the host, and what an action from the host may be."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree, UInt32

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Discrete
from meadow.core.task import AbstractTaskSpace
from meadow.interop.driven import Lives


class Said(NamedTuple):
    """One time step of a batch of lives, or of one life without the axis; JAX or NumPy arrays.

    Attributes:
        observation: the environment's.
        reward: of the action that led here; 0 on the first step of an episode.
        discount: the environment's.
        terminated, truncated: whether and how the episode ended.
        trial: index of the trial since the seed, from 0.
        episode: index of the episode in its trial, from 0.
        over: the trial has ended.
    """

    observation: PyTree
    reward: Float[Array, "*batch"]
    discount: Float[Array, "*batch"]
    terminated: Bool[Array, "*batch"]
    truncated: Bool[Array, "*batch"]
    trial: Int[Array, "*batch"]
    episode: Int[Array, "*batch"]
    over: Bool[Array, "*batch"]


def said(lives: Lives) -> Said:
    """What lives tell where they stand."""
    timestep = lives.life.timestep
    return Said(
        timestep.observation,
        jnp.where(timestep.first(), 0.0, timestep.reward),
        timestep.discount,
        timestep.terminated(),
        timestep.truncated(),
        lives.trial,
        timestep.episode,
        lives.life.over,
    )


def seed_of(luck: np.random.Generator) -> UInt32[np.ndarray, "words"]:
    """The seed of a life, from NumPy's generator."""
    (words,) = jax.eval_shape(lambda: jr.key_data(jr.key(0))).shape
    return luck.integers(2**32, size=words, dtype=np.uint32)


def shown(environment: AbstractEnvironment, space: AbstractTaskSpace) -> PyTree:
    """Shapes and types of an observation, without making one."""

    def first() -> PyTree:
        task = space.sample(key=jr.key(0))
        return environment.reset(task, key=jr.key(0))[1].observation

    return jax.eval_shape(first)


def bounds(
    environment: AbstractEnvironment, leaf: jax.ShapeDtypeStruct, name: str
) -> tuple[int | float, int | float]:
    """The least and the greatest number that an observation of that name can hold.

    What a type can hold, infinity included, unless a grid world says more. A grid world is known
    by its board.
    """
    if hasattr(environment, "board") and name == "direction":
        return 0.0, 1.0
    if leaf.dtype == bool:
        return 0, 1
    if np.issubdtype(leaf.dtype, np.integer):
        kind = np.iinfo(leaf.dtype)
        return int(kind.min), int(kind.max)
    return -np.inf, np.inf


def action_of(spec: ActionSpec, value: Any, batch: tuple[int, ...] = ()) -> np.ndarray:
    """An action from outside as the environment takes it, `[*batch, ...]`.

    Raises:
        SpecError: it is not what the spec announced.
    """
    if type(value) is int and not batch and isinstance(spec, Discrete) and 0 <= value < spec.num:
        return np.asarray(value, np.int32)  # by far the most frequent case, a tenth of the time
    action = np.asarray(value)
    if isinstance(spec, Discrete):
        what = f"whole numbers in 0..{spec.num - 1} of shape {batch}"
        fits = action.dtype.kind in "iu" and action.shape == batch
        fits = fits and 0 <= action.min(initial=0) and action.max(initial=0) < spec.num
        kind = np.int32
    else:
        what = f"numbers in [{spec.low}, {spec.high}] of shape {(*batch, *spec.shape)}"
        fits = action.dtype.kind in "iuf" and action.shape == (*batch, *spec.shape)
        fits = fits and bool(((action >= spec.low) & (action <= spec.high)).all())
        kind = np.float32
    if not fits:
        raise SpecError(f"Expected an action, {what}; got {value!r}.")
    return action.astype(kind)
