"""Entries: tasks and what is known of each; a buffer's rows, and those that would become its rows.

Two entries of the same task fold into one, so that a batch which holds a task twice says of it what
both say together.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped, UInt32

from meadow.core.report import Report


class Entries(eqx.Module):
    """One row for each task.

    Attributes:
        tasks: a task pytree with leading axis `num`.
        fingerprint: equal where two tasks are the same problem.
        score: what it is worth to practise the task; -inf where that is not known.
        best: the largest undiscounted return that any episode on it ever had; -inf before one.
        episodes, successes: how many were finished on it, and how many of them succeeded.
        visits: how often it was lived.
        visited, inserted: the clock when it was lived last, and when it came in.
        parent: the slot that the task it was made from had then; -1 where it was drawn.
        generation: how many edits of edits it is away from a task that was drawn.
        valid: whether there is a task in this row at all.
    """

    tasks: PyTree
    fingerprint: UInt32[Array, "num 2"]
    score: Float[Array, "num"]
    best: Float[Array, "num"]
    episodes: Float[Array, "num"]
    successes: Float[Array, "num"]
    visits: Int[Array, "num"]
    visited: Int[Array, "num"]
    inserted: Int[Array, "num"]
    parent: Int[Array, "num"]
    generation: Int[Array, "num"]
    valid: Bool[Array, "num"]

    @classmethod
    def nothing(cls, example: PyTree, num: int) -> "Entries":
        """Rows without tasks.

        Args:
            example: one task, or the shapes and types of one.
            num: how many rows.
        """
        tasks = jax.tree.map(lambda leaf: jnp.zeros((num, *leaf.shape), leaf.dtype), example)
        zeros, whole = jnp.zeros(num), jnp.zeros(num, jnp.int32)
        unknown, nobody = jnp.full(num, -jnp.inf), jnp.full(num, -1, jnp.int32)
        return cls(
            tasks=tasks,
            fingerprint=jnp.zeros((num, 2), jnp.uint32),
            score=unknown,
            best=unknown,
            episodes=zeros,
            successes=zeros,
            visits=whole,
            visited=whole,
            inserted=whole,
            parent=nobody,
            generation=whole,
            valid=jnp.zeros(num, bool),
        )

    @classmethod
    def lived(
        cls,
        tasks: PyTree,
        fingerprint: UInt32[Array, "num 2"],
        score: Float[Array, "num"],
        report: Report,
        *,
        parent: Int[Array, "num"],
        generation: Int[Array, "num"],
    ) -> "Entries":
        """Tasks as a report has them; a score that is no number becomes -inf.

        Args:
            report: of one student or of several, who count as one.
        """
        students = range(report.episodes.ndim - 1)
        whole = jnp.zeros(len(fingerprint), jnp.int32)
        return cls(
            tasks=tasks,
            fingerprint=fingerprint,
            score=jnp.where(jnp.isfinite(score), score, -jnp.inf),
            best=jnp.max(report.best, tuple(students)),
            episodes=jnp.sum(report.episodes, tuple(students)),
            successes=jnp.sum(report.successes, tuple(students)),
            visits=whole + 1,
            visited=whole,
            inserted=whole,
            parent=parent,
            generation=generation,
            valid=whole == 0,
        )


def fold(entries: Entries, same: Shaped[Array, "num words"]) -> Entries:
    """Entries that agree in all words of `same` become one, at the first of their places.

    Its score is their mean, its best the largest; the other places lose their `valid`.
    """
    num = len(same)
    words = [same[:, word] for word in range(same.shape[1])]
    *words, order = jax.lax.sort([*words, jnp.arange(num)], num_keys=len(words))
    begins = jnp.any(jnp.stack([word != jnp.roll(word, 1) for word in words]), 0).at[0].set(True)
    begun = jax.lax.cummax(jnp.where(begins, jnp.arange(num), 0))
    head = jnp.zeros(num, jnp.int32).at[order].set(order[begun])

    def total(x: Array) -> Array:
        return jnp.zeros_like(x).at[head].add(x)

    known = jnp.isfinite(entries.score)
    heard = total(known.astype(jnp.float32))
    mean = total(jnp.where(known, entries.score, 0)) / jnp.maximum(heard, 1)
    return eqx.tree_at(
        lambda e: (e.score, e.best, e.episodes, e.successes, e.visits, e.valid),
        entries,
        (
            jnp.where(heard > 0, mean, -jnp.inf),
            jnp.full(num, -jnp.inf).at[head].max(entries.best),
            total(entries.episodes),
            total(entries.successes),
            total(entries.visits),
            entries.valid & (head == jnp.arange(num)),
        ),
    )
