"""Rulesets: task trees as a space to design in; Within: one side of such a space.

>>> space = Rulesets(Trees(depth=2), moves=("grow", "prune"))
>>> Within(space, fraction=0.2).space.trees.num_rules
6
"""

import dataclasses
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, UInt32

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.task import AbstractDesignSpace, AbstractTaskSpace
from meadow.tasks import difficulty
from meadow.tasks.closure import Solvable, solvable
from meadow.tasks.edit_trees import MOVES, edit
from meadow.tasks.fingerprint import check_fraction, fingerprint, is_held_out
from meadow.tasks.grid import GridTask
from meadow.tasks.hashed import hashed
from meadow.tasks.table import Split
from meadow.tasks.trees import Trees


class Rulesets(AbstractDesignSpace[GridTask]):
    """Task trees that can be told apart, measured and changed a little.

    `empty` is a drawn goal with its tiles given and no rules. `mutate` is one edit, all that fit
    equally likely (`meadow.tasks.edit_trees`); a task that can be solved stays one. Arrays are as
    long as those of `trees` and bound how far a tree can grow; its depth is not bound.

    Where two tasks have the same goal and rules but other objects, they are different problems
    here, and `fingerprint` tells them apart; the order of rules and objects is none of it.

    Attributes:
        trees: what is drawn, and the tiles and kinds that edits draw from.
        moves: the edits, by name.
        solvable_only: draw again until nothing speaks against a task (`meadow.tasks.closure`).

    Raises:
        UnknownNameError: no such edit.
        TaskError: no edits.
    """

    trees: Trees = Trees()
    moves: tuple[str, ...] = eqx.field(static=True, converter=tuple, default=tuple(MOVES))
    solvable_only: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if not self.moves:
            raise TaskError(f"Name at least one of `moves`: {', '.join(MOVES)}.")
        for name in self.moves:
            if name not in MOVES:
                raise UnknownNameError("edit", name, MOVES)

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        return (Solvable(self.trees) if self.solvable_only else self.trees).sample(key=key)

    def empty(self, *, key: Key[Array, ""]) -> GridTask:
        bare = dataclasses.replace(
            self.trees, depth=0, min_depth=0, distractor_rules=0, distractor_objects=0
        )
        task = bare.sample(key=key)
        objects = jnp.zeros(self.trees.num_objects, jnp.uint8)
        return GridTask(
            goal=task.goal,
            rules=jnp.zeros((self.trees.num_rules, 4), jnp.uint8),
            objects=objects.at[: bare.num_objects].set(task.objects),
        )

    def mutate(self, task: GridTask, *, key: Key[Array, ""]) -> GridTask:
        return edit(task, self.trees, self.moves, key=key)

    def fingerprint(self, task: GridTask) -> UInt32[Array, "2"]:
        return hashed((fingerprint(task, 1), fingerprint(task, 2), jnp.sort(task.objects)))

    def features(self, task: GridTask) -> dict[str, Float[Array, ""]]:
        found = difficulty.features(task)._asdict()
        return {name: number.astype(jnp.float32) for name, number in found.items()}

    def solvable(self, task: GridTask) -> Bool[Array, ""]:
        return solvable(task)


class Within(AbstractDesignSpace[GridTask]):
    """One side of a design space: to learn from, or held out (`meadow.tasks.table.Split`).

    Sides and fields are those of `Split`. An edit that leads to the other side leaves the task as
    it was, so nothing that is held out is ever come to by small steps.

    Attributes:
        space: where tasks come from.
        held_out: whether this is the held-out side.
        fraction: share of different tasks that are held out, in (0, 1).
        seed: another seed holds out other tasks.
    """

    space: AbstractDesignSpace
    held_out: bool = eqx.field(static=True, default=False)
    fraction: float = eqx.field(static=True, default=0.1)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        check_fraction(self.fraction)

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        return self._split(self.space).sample(key=key)

    def empty(self, *, key: Key[Array, ""]) -> GridTask:
        return self._split(_Empty(self.space)).sample(key=key)

    def mutate(self, task: GridTask, *, key: Key[Array, ""]) -> GridTask:
        other = self.space.mutate(task, key=key)
        here = is_held_out(other, self.fraction, self.seed) == self.held_out
        return cast(GridTask, jax.tree.map(lambda x, y: jnp.where(here, x, y), other, task))

    def fingerprint(self, task: GridTask) -> UInt32[Array, "2"]:
        return self.space.fingerprint(task)

    def features(self, task: GridTask) -> dict[str, Float[Array, ""]]:
        return self.space.features(task)

    def solvable(self, task: GridTask) -> Bool[Array, ""]:
        return self.space.solvable(task)

    def _split(self, space: AbstractTaskSpace) -> Split:
        return Split(space, self.held_out, self.fraction, self.seed)


class _Empty(AbstractTaskSpace[GridTask]):
    """The simplest tasks of a space."""

    space: AbstractDesignSpace

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        return self.space.empty(key=key)
