"""The laws of task spaces, and `check_task_space`."""

import dataclasses
from functools import cached_property

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PyTree

from meadow.core.task import AbstractDesignSpace, AbstractTaskSpace
from meadow.testing.laws.compare import (
    announced,
    host,
    not_finite,
    row,
    structure_difference,
    value_difference,
)
from meadow.testing.laws.examine import Traced, anew, examine, outline

NUM_TASKS = 3


def check_task_space(space: AbstractTaskSpace, *, key: Key[Array, ""]) -> None:
    """Examine a task space.

    Raises:
        LawError: the law broken, what was expected and what was got.
    """
    examine(space, LAWS, _Evidence(space, key))


@dataclasses.dataclass
class _Evidence:
    space: AbstractTaskSpace
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.sample = Traced(self.raw_sample)

    def raw_sample(self, key: Array) -> PyTree:
        return self.space.sample(key=key)

    @cached_property
    def keys(self) -> Array:
        return jr.split(self.key, NUM_TASKS)

    @cached_property
    def tasks(self) -> list[PyTree]:
        return [self.sample(key) for key in self.keys]


def _compiles(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.tasks)
    return None


def _keeps_structure(seen: _Evidence) -> str | None:
    return structure_difference(seen.tasks[0], outline(seen.raw_sample, seen.keys[0]))


def _is_pure(seen: _Evidence) -> str | None:
    return value_difference(seen.tasks[0], anew(seen.raw_sample, seen.keys[0]))


def _is_finite(seen: _Evidence) -> str | None:
    return not_finite(seen.tasks, allow_infinity=True)


def _vmaps(seen: _Evidence) -> str | None:
    batch = host(jax.jit(jax.vmap(seen.raw_sample))(seen.keys))
    for i, task in enumerate(seen.tasks):
        if different := value_difference(task, row(batch, i)):
            return f"Task {i}, sampled alone and then under `vmap`: {different}"
    return None


def _edits(seen: _Evidence) -> str | None:
    space = seen.space
    if not isinstance(space, AbstractDesignSpace):
        return None
    mutate = Traced(lambda task, key: space.mutate(task, key=key))
    empty = Traced(lambda key: space.empty(key=key))
    for what, task in (
        ("mutate", mutate(mutate(seen.tasks[0], seen.keys[0]), seen.keys[1])),
        ("mutate of empty", mutate(empty(seen.keys[0]), seen.keys[1])),
    ):
        if different := structure_difference(seen.tasks[0], task) or not_finite(task):
            return f"After `{what}`: {different}"
    return None


def _tells_apart(seen: _Evidence) -> str | None:
    space = seen.space
    if not isinstance(space, AbstractDesignSpace):
        return None
    about = jax.jit(lambda t: (space.fingerprint(t), space.features(t), space.solvable(t)))
    mark, features, solvable = about(seen.tasks[0])
    if mark.shape != (2,) or mark.dtype != jnp.uint32:
        return f"Expected a fingerprint uint32[2], got {announced(mark)}."
    if solvable.shape != () or solvable.dtype != bool:
        return f"Expected `solvable` to answer with one truth, got {announced(solvable)}."
    for name, number in features.items():
        if number.shape != () or not jnp.issubdtype(number.dtype, jnp.floating):
            return f"Expected the feature {name!r} to be one float, got {announced(number)}."
    again = anew(space.fingerprint, seen.tasks[0])
    return value_difference(mark, again) or not_finite(features)


LAWS = {
    "sample works under jit": _compiles,
    "tasks have one structure": _keeps_structure,
    "sample is a function of the key": _is_pure,
    "tasks hold no NaN": _is_finite,
    "vmap equals one at a time": _vmaps,
    "an edited task is a task of the space": _edits,
    "tasks are told apart and measured": _tells_apart,
}
