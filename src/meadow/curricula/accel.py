"""ACCEL: tasks grow out of tasks, by small edits to what was just practised.

**practises** as robust PLR does, what it keeps.
**examines** after each practice children: each a parent with `edits` edits, kept if it is worth it.
  In an iteration without practice it examines new tasks, as PLR does.
**parents** `batch`: all that were practised; `easy`, `hard`: the `few` of them with the lowest or
  the highest score. Should there be more children than parents, parents have several.
**empty** new tasks are the simplest there are, so that all that is complex has been grown.
**parallel** (`PLR`'s word) every iteration practises, and examines children and as many new tasks.
  As children are made after practice, they may have chosen parents here as well. Until the first
  practice all of these are new, so the buffer is twice as full by then as `warm` says.
**reference** Parker-Holder et al., Evolving Curricula with Regret-Based Environment Design, 2022,
  algorithm 1; Jiang et al., minimax, 2023 (parallel).
"""

import dataclasses
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.curriculum import AbstractExaminer, Due, Ticket
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.report import Report
from meadow.core.task import AbstractDesignSpace, AbstractTaskSpace
from meadow.curricula import buffer
from meadow.curricula.keep import Origin, fresh
from meadow.curricula.plr import PLR

PARENTS = ("batch", "easy", "hard")


class State(NamedTuple):
    """What is kept, and who may have children.

    Attributes:
        kept: the buffer's state.
        parents: a ticket of as many tasks as will have a child.
        due: whether they have been practised since children were examined last.
    """

    kept: buffer.State
    parents: Ticket
    due: Bool[Array, ""]


class ACCEL(AbstractExaminer[State]):
    """The curriculum.

    Attributes:
        plr: how tasks are kept and practised; `candidates` is also the number of children.
        edits: how many edits make a child.
        parents: which of the practised tasks have children, `batch`, `easy` or `hard`.
        few: how many these are in `easy` and `hard`.
        empty: whether new tasks are the simplest there are.
    """

    plr: PLR
    edits: int = eqx.field(static=True, default=20)
    parents: str = eqx.field(static=True, default="batch")
    few: int = eqx.field(static=True, default=4)
    empty: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.parents not in PARENTS:
            raise UnknownNameError("way to choose parents", self.parents, PARENTS)
        if not isinstance(self.plr.space, AbstractDesignSpace):
            raise SpecError(
                "`ACCEL` mutates tasks, so it needs an `AbstractDesignSpace`, got "
                f"{type(self.plr.space).__name__}."
            )
        if not self.plr.robust or self.edits < 1 or self.few < 1:
            raise SpecError(
                "`ACCEL` needs a robust `PLR`, edits >= 1 and few >= 1, got "
                f"robust={self.plr.robust}, {self.edits} and {self.few}."
            )

    @property
    def _replay(self) -> PLR:
        """PLR whose new tasks are those that we begin with."""
        return (
            dataclasses.replace(self.plr, space=Simplest(self._space)) if self.empty else self.plr
        )

    @property
    def _space(self) -> AbstractDesignSpace:
        return cast(AbstractDesignSpace, self.plr.space)

    def init(self, *, key: Key[Array, ""]) -> State:
        """Nothing kept, and nobody to have children."""
        blank = fresh(self._replay.space, self.plr.candidates, key=key)
        return State(self._replay.init(key=key), blank, jnp.zeros((), bool))

    def due(self, iteration: Int[Array, ""]) -> Due:
        """What is due in PLR; and whenever something is practised, its children."""
        return Due(self._replay.due(iteration).practise, jnp.ones((), bool))

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """Kept tasks, and new ones where these do not suffice."""
        return self._replay.sample(state.kept, num, key=key)

    def examine(self, state: State, *, key: Key[Array, ""]) -> Ticket:
        """Children of what was just practised, or new tasks; in parallel, both."""
        key_edit, key_new, key_more = jr.split(key, 3)
        new = self._replay.examine(state.kept, key=key_new)
        children = self._children(state.parents, key=key_edit)
        ticket = jax.tree.map(lambda old, x: jnp.where(state.due, old, x), children, new)
        if not self.plr.parallel:
            return ticket
        more = self._replay.examine(state.kept, key=key_more)
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), ticket, more)

    def _children(self, parents: Ticket, *, key: Key[Array, ""]) -> Ticket:
        def child(task: PyTree, key: Key[Array, ""]) -> PyTree:
            def edit(task: PyTree, key: Key[Array, ""]) -> tuple[PyTree, None]:
                return self._space.mutate(task, key=key), None

            return jax.lax.scan(edit, task, jr.split(key, self.edits))[0]

        tasks = jax.vmap(child)(parents.tasks, jr.split(key, self.plr.candidates))
        origin = Origin(parents.slots, parents.notes.generation + 1, examined=True)
        return Ticket(tasks, jnp.full_like(parents.slots, -1), origin)

    def update(self, state: State, ticket: Ticket, report: Report) -> State:
        """Keep what is worth it; whatever was practised may now have children."""
        lived = self.plr.judged(state.kept, ticket, report)
        kept = self.plr.buffer.insert(state.kept, lived, ticket.slots)
        if ticket.notes.examined:
            return State(kept, state.parents, jnp.zeros((), bool))
        slots = self.plr.buffer.locate(kept, lived.fingerprint, ticket.slots)
        # Places in the batch, which are no slots: both are looked up by them.
        places = having(lived.score, self.plr.candidates, self.parents, self.few)
        origin = Origin(lived.parent[places], lived.generation[places], examined=True)
        tasks = jax.tree.map(lambda leaf: leaf[places], ticket.tasks)
        return State(kept, Ticket(tasks, slots[places], origin), jnp.ones((), bool))

    def metrics(self, state: State) -> dict[str, Float[Array, ""]]:
        """Those of PLR."""
        return self.plr.metrics(state.kept)


def having(
    scores: Float[Array, "num"], children: int, parents: str, few: int
) -> Int[Array, "children"]:
    """Which of the practised tasks have a child each; unfinished ones only if all others have.

    >>> having(jnp.array([4.0, 7.0, -jnp.inf, 1.0]), 3, "easy", 2).tolist()
    [3, 0, 3]
    """
    turns = jnp.arange(children)
    if parents == "batch":
        return turns % len(scores)
    few = min(few, len(scores))
    wanted = scores if parents == "hard" else -scores
    wanted = jnp.where(jnp.isfinite(scores), wanted, -jnp.inf)
    return jax.lax.top_k(wanted, few)[1][turns % few]


class Simplest(AbstractTaskSpace[PyTree]):
    """Only the simplest tasks of a space."""

    space: AbstractDesignSpace

    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        """One of the simplest."""
        return self.space.empty(key=key)
