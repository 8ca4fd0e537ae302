"""The laws of curricula, and `check_curriculum`."""

import dataclasses
from functools import cached_property

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PyTree

from meadow.core.curriculum import AbstractCurriculum, AbstractExaminer, Ticket
from meadow.core.report import Report
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
    students: int | None = None,
    key: Key[Array, ""],
) -> None:
    """Examine a curriculum.

    Args:
        curriculum: the definition to examine.
        tasks: the space its tasks belong to.
        num: tasks per ticket.
        students: how many live each ticket, where reports have their axis.
        key: consumed.

    Raises:
        LawError: the law broken, what was expected and what was got.
    """
    shape = () if students is None else (students,)
    examine(curriculum, LAWS, _Evidence(curriculum, tasks, num, shape, key))


def some_report(shape: tuple[int, ...], *, key: Key[Array, ""]) -> Report:
    """A report as lives might give it; of some tasks no episode was finished."""
    keys = jr.split(key, 4)
    episodes = jr.randint(keys[0], shape, 0, 4).astype(jnp.float32)
    successes = jnp.floor(jr.uniform(keys[1], shape) * (episodes + 1))
    size = jr.uniform(keys[2], shape)
    return Report(
        episodes=episodes,
        successes=successes,
        returns=successes * size,
        squares=successes * size**2,
        best=jnp.where(episodes > 0, jnp.where(successes > 0, size, 0.0), -jnp.inf),
        value=episodes * jr.uniform(keys[3], shape),
        advantage=episodes * (size - 0.5),
        gain=episodes * size,
        magnitude=episodes * (size + 0.1),
        doubt=episodes * 0.1,
    )


@dataclasses.dataclass
class _Evidence:
    curriculum: AbstractCurriculum
    space: AbstractTaskSpace
    num: int
    students: tuple[int, ...]
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.sample = Traced(self.raw_sample)
        self.update = Traced(self.curriculum.update)
        self.key_init, key_sample, key_report = jr.split(self.key, 3)
        self.keys = jr.split(key_sample, 4)
        shape = self.students + (self.num,)
        self.reports = [some_report(shape, key=key) for key in jr.split(key_report, 3)]

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
        states = [self.update(self.state, self.ticket, self.reports[0])]
        second, third = (self.sample(states[0], key) for key in self.keys[1:3])
        for ticket, report in (
            (third, self.reports[2]),
            (second, self.reports[1]),
            (second, self.reports[1]),
            (self.ticket, self.reports[0]),
            (third, self.reports[0]),
        ):
            states.append(self.update(states[-1], ticket, report))
        return states


def _compiles(seen: _Evidence) -> str | None:
    if not isinstance(seen.ticket, Ticket):
        return f"Expected `sample` to return a `Ticket`, got {type(seen.ticket).__name__}."
    jax.block_until_ready(seen.update(seen.state, seen.ticket, seen.reports[0]))
    return None


def _carries_tasks(seen: _Evidence) -> str | None:
    return _not_a_ticket(seen, seen.ticket, seen.num)


def _not_a_ticket(seen: _Evidence, ticket: Ticket, num: int) -> str | None:
    """What keeps it from being a ticket of `num` tasks of the space."""
    expected = outline(
        lambda keys: jax.vmap(lambda k: seen.space.sample(key=k))(keys), jr.split(seen.key, num)
    )
    if different := structure_difference(expected, ticket.tasks):
        return f"For tickets of {num} tasks: {different}"
    slots = ticket.slots
    if slots.shape != (num,) or not jnp.issubdtype(slots.dtype, jnp.integer):
        return f"Expected integer slots [{num}], -1 for none, got {announced(slots)}."
    return None


def _only_reads(seen: _Evidence) -> str | None:
    return value_difference(seen.ticket, anew(seen.raw_sample, seen.state, seen.keys[0]))


def _keeps_structure(seen: _Evidence) -> str | None:
    state = seen.update(seen.state, seen.ticket, seen.reports[0])
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


def _tells(seen: _Evidence) -> str | None:
    told = jax.jit(seen.curriculum.metrics)(seen.history[-1])
    for name, value in told.items():
        if jnp.shape(value) != ():
            return f"Expected the metric {name!r} to be one number, got shape {jnp.shape(value)}."
    return not_finite(told)


def _examines(seen: _Evidence) -> str | None:
    curriculum = seen.curriculum
    if not isinstance(curriculum, AbstractExaminer):
        return None
    due = jax.jit(jax.vmap(curriculum.due))(jnp.arange(64))
    if due.practise.dtype != bool or due.examine.dtype != bool:
        return f"Expected `due` to answer with truths, got {due}."
    look = Traced(lambda state, key: curriculum.examine(state, key=key))
    ticket = look(seen.history[-1], seen.keys[1])
    if wrong := _not_a_ticket(seen, ticket, ticket.slots.size):
        return wrong
    shape = seen.students + ticket.slots.shape
    state = seen.update(seen.history[-1], ticket, some_report(shape, key=seen.keys[2]))
    if different := structure_difference(seen.state, state):
        return f"After `update` with an examined ticket: {different}"
    again = look(state, seen.keys[3])
    return structure_difference(ticket, again) or not_finite(state, allow_infinity=True)


LAWS = {
    "init, sample and update work under jit": _compiles,
    "a ticket carries num tasks of the space": _carries_tasks,
    "sample only reads": _only_reads,
    "update keeps the state's structure": _keeps_structure,
    "tickets may come late, twice and out of order": _is_patient,
    "metrics are finite numbers": _tells,
    "examined tickets are tickets": _examines,
}
