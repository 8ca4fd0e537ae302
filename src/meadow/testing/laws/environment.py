"""The laws of environments, and `check_environment`."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Key, PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import StepType, TimeStep
from meadow.testing.laws.compare import (
    host,
    is_key,
    not_finite,
    paths,
    row,
    structure_difference,
    value_difference,
)
from meadow.testing.laws.examine import Traced, anew, examine

Hidden = Callable[[PyTree, Key[Array, ""]], PyTree]
NUM_LIVES, NUM_COMPARED = 3, 3


def check_environment(
    environment: AbstractEnvironment,
    tasks: AbstractTaskSpace,
    *,
    hidden: Hidden | None = None,
    max_steps: int | None = 256,
    time_limit: int | None = None,
    key: Key[Array, ""],
) -> None:
    """Examine an environment on three tasks, lived with random actions.

    Args:
        environment: the definition to examine.
        tasks: where its tasks come from.
        hidden: changes only what the agent may not know of a task; the first observation must
            then stay as it was. None where nothing is hidden.
        max_steps: an episode of random actions ends within so many steps; None for an environment
            that is documented to be endless.
        time_limit: steps after which an episode is cut, where there is such a limit and random
            actions reach it.
        key: for tasks, actions and the environment itself.

    Raises:
        LawError: the law broken, what was expected and what was got.
    """
    examine(environment, LAWS, _Evidence(environment, tasks, hidden, max_steps, time_limit, key))


@dataclasses.dataclass
class _Evidence:
    environment: AbstractEnvironment
    space: AbstractTaskSpace
    hidden: Hidden | None
    max_steps: int | None
    time_limit: int | None
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        # From here on no key is used twice: `split` and `fold_in` of one key give the same keys.
        self.key_luck, self.key_hidden = jr.split(self.key)
        self.reset = Traced(self.raw_reset)
        self.step = Traced(self.raw_step)

    def raw_reset(self, task: PyTree, key: Array) -> tuple[PyTree, TimeStep]:
        return self.environment.reset(task, key=key)

    def raw_step(
        self, state: PyTree, task: PyTree, action: PyTree, key: Array
    ) -> tuple[PyTree, TimeStep]:
        return self.environment.step(state, task, action, key=key)

    @cached_property
    def luck(self) -> tuple[PyTree, Array, PyTree, Array]:
        """Tasks and reset keys `[lives]`, actions and step keys `[time, lives]`."""
        length = max(self.max_steps or 16, self.time_limit or 0, NUM_COMPARED)

        ours, theirs = jr.split(self.key_luck, (2, length + 1, NUM_LIVES))
        tasks = jax.jit(jax.vmap(lambda k: self.space.sample(key=k)))(ours[0])
        # Not under `jit`, so that one environment finds the programs compiled for the last one.
        act = jax.vmap(jax.vmap(lambda k: self.environment.action_spec.sample(key=k)))
        return host(tasks), theirs[0], host(act(ours[1:])), theirs[1:]

    @cached_property
    def opening(self) -> list[tuple[PyTree, TimeStep]]:
        """A reset and the first step of the first life."""
        tasks, keys, _, _ = self.luck
        born = self.reset(row(tasks, 0), keys[0])
        return [born, self.first_life_steps(born[0], 0)]

    def first_life_steps(self, state: PyTree, t: int) -> tuple[PyTree, TimeStep]:
        tasks, _, actions, step_keys = self.luck
        return self.step(state, row(tasks, 0), row(actions, t, 0), step_keys[t, 0])

    @cached_property
    def lives(self) -> tuple[PyTree, PyTree]:
        """What was reset to, `[lives]`, and every step after, `[time, lives]`; ends ignored."""

        @jax.jit
        def live(tasks: PyTree, keys: Array, actions: PyTree, step_keys: Array) -> Any:
            def body(state: PyTree, given: tuple[PyTree, Array]) -> Any:
                said = jax.vmap(self.raw_step)(state, tasks, *given)
                return said[0], said

            born = jax.vmap(self.raw_reset)(tasks, keys)
            return born, jax.lax.scan(body, born[0], (actions, step_keys))[1]

        return host(live(*self.luck))

    @property
    def first(self) -> TimeStep:
        return self.lives[0][1]

    @property
    def steps(self) -> TimeStep:
        return self.lives[1][1]

    @cached_property
    def alive(self) -> Bool[np.ndarray, "time lives"]:
        """Up to and including each life's first LAST; what follows it has no meaning."""
        last = self.steps.step_type == StepType.LAST
        return np.cumsum(last, axis=0) - last == 0


def _compiles(seen: _Evidence) -> str | None:
    for state, timestep in seen.opening:
        if not isinstance(timestep, TimeStep):
            return f"Expected a state and a `TimeStep`, got {type(timestep).__name__} for it."
        jax.block_until_ready(state)
    return None


def _is_pure(seen: _Evidence) -> str | None:
    tasks, keys, _, _ = seen.luck
    return value_difference(seen.opening[0], anew(seen.raw_reset, row(tasks, 0), keys[0]))


def _keeps_structure(seen: _Evidence) -> str | None:
    different = structure_difference(*seen.opening)
    return different and f"After `step`, compared with `reset`: {different}"


def _holds_no_key(seen: _Evidence) -> str | None:
    for path, leaf in paths(seen.opening[0][0]).items():
        raw = leaf.dtype == jnp.uint32 and leaf.shape == (2,)
        if is_key(leaf) or raw:
            return f"Expected arrays of other kinds, got a PRNG key at {path}. Use the `key` given."
    return None


def _traces_once(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.first_life_steps(seen.opening[1][0], 1))
    if seen.reset.count == seen.step.count == 1:
        return None
    return (
        f"Expected one trace each of `reset` and `step`, got {seen.reset.count} and "
        f"{seen.step.count}. A Python number in the state is weakly typed: write "
        "`jnp.asarray(0, jnp.int32)`."
    )


def _begins(seen: _Evidence) -> str | None:
    first = seen.first
    for name, wanted in {"step_type": int(StepType.FIRST), "reward": 0, "discount": 1}.items():
        got = getattr(first, name)
        if (got != wanted).any():
            return f"Expected `{name}` {wanted} from `reset`, got {got}. Return `restart(...)`."
    return None


def _never_first(seen: _Evidence) -> str | None:
    wrong = seen.alive & (seen.steps.step_type == StepType.FIRST)
    if wrong.any():
        return f"Expected MID or LAST, got FIRST at step {np.argwhere(wrong)[0][0] + 1}."
    return None


def _counts_no_episodes(seen: _Evidence) -> str | None:
    if seen.first.episode.any() or seen.steps.episode[seen.alive].any():
        return "Expected `episode` 0 always, got another. The rollout counts; leave the field 0."
    return None


def _rewards(seen: _Evidence) -> str | None:
    return not_finite(seen.steps.reward[seen.alive])


def _discounts(seen: _Evidence) -> str | None:
    got = seen.steps.discount[seen.alive]
    wrong = ~((got >= 0) & (got <= 1))
    return f"Expected discounts in [0, 1], got {got[wrong][0]}." if wrong.any() else None


def _ends(seen: _Evidence) -> str | None:
    if seen.max_steps is None:
        return None
    last = (seen.steps.step_type == StepType.LAST)[: seen.max_steps]
    if last.any(axis=0).all():
        return None
    return (
        f"Expected LAST within {seen.max_steps} random actions, got none. Raise `max_steps`, or "
        "pass None if the environment is documented to be endless."
    )


def _limit_truncates(seen: _Evidence) -> str | None:
    if seen.time_limit is None:
        return None
    longest = seen.alive.sum(axis=0)
    if (longest > seen.time_limit).any():
        return f"Expected LAST by step {seen.time_limit}, got an episode of {longest.max()} steps."
    reached = longest == seen.time_limit
    if not reached.any():
        return f"Expected a life that lasts {seen.time_limit} steps, got {longest}: nothing shown."
    # Some life may also reach its goal with the last step allowed, but not every one.
    if not (seen.steps.discount[seen.time_limit - 1][reached] == 1).any():
        return "Expected discount 1 where time ran out, got 0. Write `transition(truncated=...)`."
    return None


def _vmaps(seen: _Evidence) -> str | None:
    tasks, keys, actions, step_keys = seen.luck
    born, lived = seen.lives
    for i in range(NUM_LIVES):
        said = seen.reset(row(tasks, i), keys[i])
        if different := value_difference(said, row(born, i)):
            return f"`reset`, alone and then under `vmap`: {different}"
        for t in range(NUM_COMPARED):
            if not seen.alive[t, i]:
                break
            said = seen.step(said[0], row(tasks, i), row(actions, t, i), step_keys[t, i])
            if different := value_difference(said, row(lived, t, i)):
                return f"`step` {t + 1}, alone and then under `vmap`: {different}"
    return None


def _hides(seen: _Evidence) -> str | None:
    if seen.hidden is None:
        return None
    tasks, keys, _, _ = seen.luck
    hidden, changed = jax.jit(seen.hidden), False
    for i in range(NUM_LIVES):
        task = row(tasks, i)
        other = hidden(task, jr.fold_in(seen.key_hidden, i))
        changed |= value_difference(task, other) is not None
        shown, also = (seen.reset(x, keys[i])[1].observation for x in (task, other))
        if different := value_difference(shown, also):
            return f"Tasks that differ only in what is hidden look different: {different}"
    return None if changed else "Expected `hidden` to change the task, got the same task back."


LAWS = {
    "reset and step work under jit": _compiles,
    "reset is a function of task and key": _is_pure,
    "structure, shapes and dtypes never change": _keeps_structure,
    "the state holds no key": _holds_no_key,
    "reset and step are traced once": _traces_once,
    "reset gives FIRST with reward 0 and discount 1": _begins,
    "step never gives FIRST": _never_first,
    "the environment counts no episodes": _counts_no_episodes,
    "rewards are finite": _rewards,
    "discounts lie in [0, 1]": _discounts,
    "an episode ends": _ends,
    "a time limit truncates": _limit_truncates,
    "vmap equals one at a time": _vmaps,
    "hidden stays hidden": _hides,
}
