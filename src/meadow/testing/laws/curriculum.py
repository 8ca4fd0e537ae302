"""The laws of curricula, and `check_curriculum`."""

import dataclasses
from functools import cached_property

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PyTree

from meadow.core.curriculum import AbstractCurriculum, Ticket
from meadow.core.task import AbstractTaskSpace
from meadow.testing.laws.compare import (
    announced,
    not_finite,
    structure_difference,
    value_difference,
)
from meadow.testing.laws.examine import Traced, anew, examine, outline


def check_curriculum(
    curriculum: AbstractCurriculum,
    tasks: AbstractTaskSpace,
    *,
    num: int = 4,
    key: Key[Array, ""],
) -> None:
    """Examine a curriculum.

    Args:
        curriculum: the definition to examine.
        tasks: the space its tasks belong to.
        num: tasks per ticket.
        key: consumed.

    Raises:
        LawError: the law broken, what was expected and what was got.
    """
    examine(curriculum, LAWS, _Evidence(curriculum, tasks, num, key))


@dataclasses.dataclass
class _Evidence:
    curriculum: AbstractCurriculum
    space: AbstractTaskSpace
    num: int
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.sample = Traced(self.raw_sample)
        self.update = Traced(self.curriculum.update)
        self.key_init, key_sample, key_scores = jr.split(self.key, 3)
        self.keys = jr.split(key_sample, 4)
        self.scores = jr.uniform(key_scores, (3, self.num))

    def raw_sample(self, state: PyTree, key: Array) -> Ticket:
        return self.curriculum.sample(state, self.num, key=key)

    @cached_property
    def state(self) -> PyTree:
        return jax.jit(lambda key: self.curriculum.init(key=key))(self.key_init)

    @cached_property
    def ticket(self) -> Ticket:
        return self.sample(self.state, self.keys[0])

    @cached_property
    def history(self) -> list[PyTree]:
        """States after each of: in time, late and out of order, twice over."""
        states = [self.update(self.state, self.ticket, self.scores[0])]
        second, third = (self.sample(states[0], key) for key in self.keys[1:3])
        for ticket, scores in (
            (third, self.scores[2]),
            (second, self.scores[1]),
            (second, self.scores[1]),
            (self.ticket, self.scores[0]),
            (third, self.scores[0]),
        ):
            states.append(self.update(states[-1], ticket, scores))
        return states


def _compiles(seen: _Evidence) -> str | None:
    if not isinstance(seen.ticket, Ticket):
        return f"Expected `sample` to return a `Ticket`, got {type(seen.ticket).__name__}."
    jax.block_until_ready(seen.update(seen.state, seen.ticket, seen.scores[0]))
    return None


def _carries_tasks(seen: _Evidence) -> str | None:
    expected = outline(
        lambda keys: jax.vmap(lambda k: seen.space.sample(key=k))(keys),
        jr.split(seen.key, seen.num),
    )
    if different := structure_difference(expected, seen.ticket.tasks):
        return f"For tickets of {seen.num} tasks: {different}"
    slots = seen.ticket.slots
    if slots.shape != (seen.num,) or not jnp.issubdtype(slots.dtype, jnp.integer):
        return f"Expected integer slots [{seen.num}], -1 for none, got {announced(slots)}."
    return None


def _only_reads(seen: _Evidence) -> str | None:
    return value_difference(seen.ticket, anew(seen.raw_sample, seen.state, seen.keys[0]))


def _keeps_structure(seen: _Evidence) -> str | None:
    state = seen.update(seen.state, seen.ticket, seen.scores[0])
    if different := structure_difference(seen.state, state):
        return f"After `update`, compared with `init`: {different}"
    return None


def _is_patient(seen: _Evidence) -> str | None:
    for state in seen.history:
        if different := structure_difference(seen.state, state):
            return different
    ticket = seen.sample(seen.history[-1], seen.keys[3])
    for what in (seen.history, ticket):
        if wrong := not_finite(what, allow_infinity=True):
            return wrong
    return structure_difference(seen.ticket, ticket)


LAWS = {
    "init, sample and update work under jit": _compiles,
    "a ticket carries num tasks of the space": _carries_tasks,
    "sample only reads": _only_reads,
    "update keeps the state's structure": _keeps_structure,
    "tickets may come late, twice and out of order": _is_patient,
}
