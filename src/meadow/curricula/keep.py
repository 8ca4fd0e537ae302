"""Keep: what every curriculum does that keeps tasks: draw them again, hear of them, describe them.

A ticket's notes say where each task comes from (`Origin`), so that a report can come at any time
and the task still finds its place.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree, UInt32

from meadow.core.curriculum import Ticket
from meadow.core.report import Report
from meadow.core.task import AbstractDesignSpace, AbstractTaskSpace
from meadow.curricula.buffer import Buffer, State
from meadow.curricula.entries import Entries
from meadow.rollout.life import where
from meadow.scores import scored
from meadow.tasks.hashed import hashed


class Origin(eqx.Module):
    """Where the tasks of a ticket come from.

    Attributes:
        parent: the slot of the task each was made from; -1 where it was drawn.
        generation: how many edits of edits each is away from a task that was drawn.
        examined: whether nobody learns from them.
    """

    parent: Int[Array, "num"]
    generation: Int[Array, "num"]
    examined: bool = eqx.field(static=True)


def example(space: AbstractTaskSpace) -> PyTree:
    """The shapes and types of a task; none is drawn."""
    return jax.eval_shape(lambda key: space.sample(key=key), jr.key(0))


def drawn(space: AbstractTaskSpace, num: int, *, key: Key[Array, ""]) -> PyTree:
    """`num` tasks of a space, independent of each other."""
    return jax.vmap(lambda key: space.sample(key=key))(jr.split(key, num))


def fresh(space: AbstractTaskSpace, num: int, *, key: Key[Array, ""]) -> Ticket:
    """A ticket of tasks to examine that nobody has seen."""
    nobody = jnp.full(num, -1, jnp.int32)
    return Ticket(drawn(space, num, key=key), nobody, Origin(nobody, nobody + 1, examined=True))


def recalled(
    space: AbstractTaskSpace, state: State, slots: Int[Array, "num"], *, key: Key[Array, ""]
) -> Ticket:
    """A ticket of the tasks kept in these slots; in place of a slot of -1 a new task."""
    kept, there = state.entries, slots >= 0
    tasks = where(
        there,
        jax.tree.map(lambda leaf: leaf[slots], kept.tasks),
        drawn(space, len(slots), key=key),
    )
    origin = Origin(
        jnp.where(there, kept.parent[slots], -1),
        jnp.where(there, kept.generation[slots], 0),
        examined=False,
    )
    return Ticket(tasks, slots, origin)


def fingerprints(space: AbstractTaskSpace, tasks: PyTree) -> UInt32[Array, "num 2"]:
    """What tells tasks apart: the space's own word, or all that is written in them."""
    designed = isinstance(space, AbstractDesignSpace)
    return jax.vmap(space.fingerprint if designed else hashed)(tasks)


def judged(
    space: AbstractTaskSpace, buffer: Buffer, score: str, state: State, told: tuple[Ticket, Report]
) -> Entries:
    """A ticket's tasks with their scores.

    A score that looks at the best return is told the best *ever*, where a task is kept already. Of
    several students each has its own, which is not kept.
    """
    ticket, report = told
    prints = fingerprints(space, ticket.tasks)
    if report.best.ndim == 1:
        slots = buffer.locate(state, prints, ticket.slots)
        ever = jnp.where(slots >= 0, state.entries.best[slots], -jnp.inf)
        report = eqx.tree_at(lambda r: r.best, report, jnp.maximum(report.best, ever))
    origin = {"parent": ticket.notes.parent, "generation": ticket.notes.generation}
    return Entries.lived(ticket.tasks, prints, scored(score, report), report, **origin)


def described(
    space: AbstractTaskSpace, kept: Entries, chances: Float[Array, "capacity"]
) -> dict[str, Float[Array, ""]]:
    """What is kept, as numbers; from the third on, as practice would meet it with these chances.

    `fill` is the share of slots in use; `effective` how many tasks, all alike, would be drawn as
    unevenly as these. A design space adds `task_` with each of its features, and the share of tasks
    that can be solved.
    """
    square = jnp.sum(chances**2)

    def mean(x: Array) -> Float[Array, ""]:
        # A feature may be infinite, as is the way to a goal that cannot be reached.
        return jnp.sum(chances * jnp.where(kept.valid & jnp.isfinite(x), x, 0))

    told = {
        "fill": jnp.mean(kept.valid),
        "effective": jnp.where(square > 0, 1 / jnp.where(square > 0, square, 1), 0),
        "score": mean(kept.score),
        "generation": mean(kept.generation),
    }
    if isinstance(space, AbstractDesignSpace):
        features = jax.vmap(space.features)(kept.tasks)
        features |= {"solvable": jax.vmap(space.solvable)(kept.tasks)}
        told |= {f"task_{name}": mean(values) for name, values in features.items()}
    return told
