"""The laws of agents, and `check_agent`."""

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec
from meadow.core.timestep import StepType, TimeStep
from meadow.testing.laws.compare import host, is_key, row, structure_difference, value_difference
from meadow.testing.laws.examine import Traced, anew, examine, outline

NUM_DRAWS = 4


def check_agent(
    agent: AbstractAgent, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]
) -> None:
    """Examine an agent.

    Args:
        agent: the definition to examine.
        timestep: one time step of the kind it will meet, no batch axes; only its observation is
            used as it is.
        action_spec: what its actions may be.
        key: consumed.

    Raises:
        LawError: the law broken, what was expected and what was got.
        SpecError: `timestep` has batch axes.
    """
    if jnp.shape(timestep.step_type) != ():
        raise SpecError(
            "Expected one time step without batch axes, got `step_type` of shape "
            f"{jnp.shape(timestep.step_type)}. Index it first: `jax.tree.map(lambda x: x[0], ...)`."
        )
    examine(agent, LAWS, _Evidence(agent, timestep, action_spec, key))


@dataclasses.dataclass
class _Evidence:
    agent: AbstractAgent
    example: TimeStep
    action_spec: ActionSpec
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.act = Traced(self.raw_act)
        self.keys = jr.split(self.key, NUM_DRAWS)

    def raw_act(self, memory: PyTree, timestep: TimeStep, key: Array) -> Any:
        return self.agent.act(memory, timestep, key=key)

    @cached_property
    def story(self) -> list[TimeStep]:
        """A trial's first step, a step within, and the first step of its second episode."""
        return [
            self._at(StepType.FIRST, 0.0, 0),
            self._at(StepType.MID, 1.0, 0),
            self._at(StepType.FIRST, 1.0, 1),
        ]

    def _at(self, step_type: StepType, reward: float, episode: int) -> TimeStep:
        return TimeStep(
            step_type=jnp.asarray(step_type, jnp.uint8),
            reward=jnp.asarray(reward, jnp.float32),
            discount=jnp.asarray(1, jnp.float32),
            observation=self.example.observation,
            episode=jnp.asarray(episode, jnp.int32),
        )

    @cached_property
    def memories(self) -> list[PyTree]:
        """The memory before each step of the story, and after it."""
        return [self.agent.init_memory()] + [memory for memory, _, _ in self.answers]

    @cached_property
    def first(self) -> tuple[PyTree, PyTree, PyTree]:
        return self.act(self.agent.init_memory(), self.story[0], self.keys[0])

    @cached_property
    def answers(self) -> list[tuple[PyTree, PyTree, PyTree]]:
        answers = [self.first]
        for timestep, key in zip(self.story[1:], self.keys[1:], strict=False):
            answers.append(self.act(answers[-1][0], timestep, key))
        return answers


def _compiles(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.first)
    return None


def _memory_keeps_structure(seen: _Evidence) -> str | None:
    different = structure_difference(seen.agent.init_memory(), seen.first[0])
    return different and f"After `act`, compared with `init_memory`: {different}"


def _traces_once(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.answers)
    if seen.act.count == 1:
        return None
    return (
        f"Expected one trace of `act`, got {seen.act.count}. A Python number in the memory is "
        "weakly typed: write `jnp.asarray(0, jnp.int32)`."
    )


def _record_keeps_structure(seen: _Evidence) -> str | None:
    again = outline(seen.raw_act, seen.memories[0], seen.story[0], seen.keys[0])
    return structure_difference(seen.answers[0][2], again[2])


def _is_pure(seen: _Evidence) -> str | None:
    again = anew(seen.raw_act, seen.memories[0], seen.story[0], seen.keys[0])
    return value_difference(seen.answers[0], again)


def _acts_within(seen: _Evidence) -> str | None:
    example = jax.eval_shape(lambda key: seen.action_spec.sample(key=key), seen.key)
    for memory, timestep in zip(seen.memories, seen.story, strict=False):
        for key in seen.keys:
            action = seen.act(memory, timestep, key)[1]
            if jnp.shape(action) != example.shape or not bool(seen.action_spec.contains(action)):
                return f"Expected an action of {seen.action_spec}, got {action!r}."
    return None


def _vmaps(seen: _Evidence) -> str | None:
    @jax.jit
    def together(*moments: tuple[PyTree, TimeStep, Array]) -> Any:
        return jax.vmap(seen.raw_act)(*jax.tree.map(lambda *x: jnp.stack(x), *moments))

    moments = list(zip(seen.memories, seen.story, seen.keys, strict=False))
    batch = host(together(*moments))
    for i, answer in enumerate(seen.answers):
        if different := value_difference(answer, row(batch, i)):
            return f"Acting alone and then under `vmap`: {different}"
    return None


def _forgets(seen: _Evidence) -> str | None:
    fresh = seen.memories[0]
    expected = _two_answers(seen, fresh)
    ones = jax.tree.map(lambda x: x if is_key(x) else jnp.ones_like(x), fresh)
    for old in (seen.memories[-1], ones):
        if different := value_difference(expected, _two_answers(seen, old)):
            return (
                "With another memory before the trial's first step, action and record of its first "
                f"two steps differ: {different} Start afresh where `timestep.begins_trial()`."
            )
    return None


def _two_answers(seen: _Evidence, memory: PyTree) -> list[tuple[PyTree, PyTree]]:
    """Action and record at a trial's first two steps: the second shows what was kept."""
    memory, *first = seen.act(memory, seen.story[0], seen.keys[0])
    _, *second = seen.act(memory, seen.story[1], seen.keys[1])
    return [tuple(first), tuple(second)]


LAWS = {
    "acting works under jit": _compiles,
    "memory keeps its structure": _memory_keeps_structure,
    "acting is traced once": _traces_once,
    "the record keeps its structure": _record_keeps_structure,
    "acting is a function of memory, timestep and key": _is_pure,
    "actions lie within the spec": _acts_within,
    "vmap equals one at a time": _vmaps,
    "a new trial forgets": _forgets,
}
