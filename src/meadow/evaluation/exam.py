"""Exam: one agent judged on several named sets of tasks, each with its own environment.

Every attempt is one episode by itself, with nothing remembered from any other. Attempts wait in a
queue: whoever has ended takes up the next, so that an agent that solves most tasks soon is not kept
waiting by the few that run into the time limit.
"""

from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.evaluation.trials import Outcome
from meadow.rollout.life import Life, Trial, unborn
from meadow.rollout.live import Living

LIVES = 1024
_APART = 20  # bits of an attempt's number; above them, the step it is at
_MIXED = -1640531535  # 2^32 / golden ratio, odd; for steps that those twelve bits do not hold


class Exam(eqx.Module):
    """A set of tasks, and what may be tried.

    Attributes:
        name: what the set is called.
        environment: it ends its episodes by itself, unless `limit` does.
        tasks: a task pytree `[tasks, ...]`.
        attempts: independent episodes of each task.
        limit: steps after which an episode is cut all the same.
    """

    name: str = eqx.field(static=True)
    environment: AbstractEnvironment
    tasks: PyTree
    attempts: int = eqx.field(static=True)
    limit: int | None = eqx.field(static=True, default=None)

    @property
    def num_tasks(self) -> int:
        """How many tasks."""
        return jax.tree.leaves(self.tasks)[0].shape[0]


def judge(
    agent: AbstractAgent, exams: Iterable[Exam], *, lives: int = LIVES, key: Key[Array, ""]
) -> dict[str, Outcome]:
    """What the agent makes of each set, by name: NumPy arrays `[tasks, attempts]`.

    Sets in one environment whose tasks have one shape are lived together and compiled for once.
    The luck of an attempt depends on the key, its number in its set and the step it is at: neither
    on other sets nor on the agent.

    Args:
        lives: how many live side by side, at most.

    Raises:
        SpecError: two sets of one name, an empty set, no attempts, or more than a million.
    """
    exams = list(exams)
    _check(exams)
    found: dict[str, Outcome] = {}
    for group in _groups(exams):
        found |= _together(agent, group, lives, key=key)
    return {exam.name: found[exam.name] for exam in exams}


def _check(exams: list[Exam]) -> None:
    names = [exam.name for exam in exams]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(f"Every exam needs a name of its own; got several called {twice}.")
    for exam in exams:
        if min(exam.num_tasks, exam.attempts) < 1:
            raise SpecError(
                f"The exam {exam.name!r} needs at least one task and one attempt, got "
                f"{exam.num_tasks} tasks and {exam.attempts} attempts."
            )
        if (num := exam.num_tasks * exam.attempts) > 2**_APART:
            raise SpecError(
                f"The exam {exam.name!r} has {exam.num_tasks:,} tasks of {exam.attempts:,} "
                f"attempts, {num:,} in all; there is luck for {2**_APART:,}. Make several exams "
                "of it, and judge them with a key each."
            )


def _groups(exams: list[Exam]) -> list[list[Exam]]:
    """Exams that one program can hold, together."""
    groups: list[list[Exam]] = []
    for exam in exams:
        for group in groups:
            if eqx.tree_equal(_shape(exam), _shape(group[0])):
                group.append(exam)
                break
        else:
            groups.append([exam])
    return groups


def _shape(exam: Exam) -> tuple:
    """What must be equal for exams to be lived together."""
    rows = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), exam.tasks)
    return exam.environment, exam.limit, rows


def _together(
    agent: AbstractAgent, exams: list[Exam], lives: int, *, key: Key[Array, ""]
) -> dict[str, Outcome]:
    """Exams of one shape, as one queue."""
    tasks = jax.tree.map(lambda *rows: jnp.concatenate(rows), *(exam.tasks for exam in exams))
    sizes = [exam.num_tasks * exam.attempts for exam in exams]
    which = np.repeat(
        np.arange(sum(exam.num_tasks for exam in exams)),
        [exam.attempts for exam in exams for _ in range(exam.num_tasks)],
    )
    queue = _Queue(tasks, jnp.asarray(which), jnp.concatenate([jnp.arange(n) for n in sizes]))
    living = Living(exams[0].environment, Trial(episodes=1, steps=exams[0].limit))
    rows = _lived(living, agent, queue, min(lives, len(which)), key=key)
    parts = zip(*(jnp.split(row, np.cumsum(sizes)[:-1]) for row in rows), strict=True)
    outcomes = {
        exam.name: Outcome(*(part.reshape(exam.num_tasks, exam.attempts) for part in three))
        for exam, three in zip(exams, parts, strict=True)
    }
    return jax.device_get(outcomes)


class _Queue(eqx.Module):
    """Attempts in their order.

    Attributes:
        tasks: all there are, `[tasks, ...]`.
        which: the task of each attempt.
        number: what the luck of each attempt is drawn from.
    """

    tasks: PyTree
    which: Int[Array, "attempts"]
    number: Int[Array, "attempts"]

    def at(self, attempt: Int[Array, "lives"]) -> tuple[PyTree, Int[Array, "lives"]]:
        """The tasks and the numbers of some attempts; of the last where there are no more."""
        which, number = (x.at[attempt].get(mode="clip") for x in (self.which, self.number))
        return jax.tree.map(lambda x: x[which], self.tasks), number


class _Work(eqx.Module):
    """What is being lived, and what came of it so far.

    Attributes:
        life: a batch of lives.
        attempt: which attempt each is at; past the last where the queue is empty.
        begun, ended: attempts taken from the queue, and done.
        found: of each attempt the return, whether it succeeded, and its steps.
    """

    life: Life
    attempt: Int[Array, "lives"]
    begun: Int[Array, ""]
    ended: Int[Array, ""]
    found: tuple[Float[Array, "attempts"], Bool[Array, "attempts"], Int[Array, "attempts"]]


@eqx.filter_jit
def _lived(
    living: Living, agent: AbstractAgent, queue: _Queue, lives: int, *, key: Key[Array, ""]
) -> tuple[Array, Array, Array]:
    """The return, the success and the steps of every attempt."""
    num = queue.which.shape[0]

    def step(work: _Work) -> _Work:
        over = work.life.over
        attempt = jnp.where(over, work.begun + jnp.cumsum(over) - 1, work.attempt)
        tasks, number = queue.at(attempt)
        luck = _luck(number, jnp.where(over, 0, work.life.steps))
        life = eqx.tree_at(lambda life: life.number, work.life, luck)
        life, moment = living.live(agent, life, tasks, key=key)
        solved = moment.next.terminated() & (moment.next.reward > 0)
        returns, success, lengths = work.found
        found = (
            returns.at[attempt].add(moment.next.reward, mode="drop"),
            success.at[attempt].max(solved, mode="drop"),
            lengths.at[attempt].add(1, mode="drop"),
        )
        ended = work.ended + (life.over & (attempt < num)).sum()
        return _Work(life, attempt, work.begun + over.sum(), ended, found)

    work = _before(living, agent, queue, lives)
    return jax.lax.while_loop(lambda work: work.ended < num, step, work).found


def _luck(number: Int[Array, "lives"], step: Int[Array, "lives"]) -> Int[Array, "lives"]:
    """What the luck of an attempt at a step is drawn from: another number for each of its steps,
    and for each attempt of a set up to step 4096."""
    return (number + (step << _APART)) ^ ((step >> (32 - _APART)) * _MIXED)


def _before(living: Living, agent: AbstractAgent, queue: _Queue, lives: int) -> _Work:
    """Nobody has begun."""
    num = queue.which.shape[0]
    nobody = jnp.full(lives, num, jnp.int32)
    life = unborn(living.environment, agent, queue.at(nobody)[0])
    zeros = jnp.zeros(num)
    found = (zeros, zeros.astype(bool), zeros.astype(jnp.int32))
    return _Work(life, nobody, jnp.int32(0), jnp.int32(0), found)
