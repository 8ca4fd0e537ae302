"""Table: a fixed set of tasks; holdout and Split: tasks kept apart for evaluation.

>>> from meadow.tasks.published import regenerate
>>> train, held_out = holdout(regenerate("small", 1_000), 0.2, seed=0)
>>> len(Table(train)) + len(Table(held_out))
1000
"""

import math
from collections.abc import Callable
from typing import Generic

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int, Key, PyTree

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace, Task
from meadow.tasks.fingerprint import check_fraction, is_held_out
from meadow.tasks.grid import GridTask

FILTERED_AT_ONCE = 65_536  # tasks, so that a predicate over millions needs no more memory


class Table(AbstractTaskSpace[Task], Generic[Task]):
    """Tasks in an array, all equally likely.

    Attributes:
        tasks: any task pytree; the leading axis of every leaf counts the tasks.
    """

    tasks: Task

    def __check_init__(self) -> None:
        shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(self.tasks)]
        if not shapes or any(not s or s[0] != shapes[0][0] for s in shapes) or not shapes[0][0]:
            raise TaskError(
                "A `Table` needs a batch of at least one task, every leaf with the same leading "
                f"axis, got leaves of shape {[list(s) for s in shapes]}. Stack single tasks with "
                "`jax.tree.map(lambda *x: jnp.stack(x), *tasks)`."
            )

    def __len__(self) -> int:
        return jax.tree.leaves(self.tasks)[0].shape[0]

    def task(self, index: int | Int[Array, ""]) -> Task:
        """Task number `index`, from 0; under `jit` one that is too large gives the last task.

        Raises:
            TaskError: a Python number outside the table.
        """
        if isinstance(index, int) and not 0 <= index < len(self):
            raise TaskError(f"This table has tasks 0..{len(self) - 1}, asked for {index}.")
        return jax.tree.map(lambda x: jnp.asarray(x)[index], self.tasks)

    def sample(self, *, key: Key[Array, ""]) -> Task:
        return self.task(jr.randint(key, (), 0, len(self)))

    def shuffle(self, *, key: Key[Array, ""]) -> "Table[Task]":
        """The same tasks in another order."""
        return Table(_rows(self.tasks, jr.permutation(key, len(self))))

    def filter(
        self, predicate: Callable[[Task], Bool[ArrayLike, ""]]
    ) -> tuple["Table[Task]", "Table[Task]"]:
        """Tables of the tasks for which `predicate` holds, and of the others; order is kept.

        >>> from meadow.tasks.published import regenerate
        >>> few, many = Table(regenerate("small", 100)).filter(
        ...     lambda task: (task.rules[:, 0] != 0).sum() < 2
        ... )
        >>> len(few), len(many)
        (27, 73)

        Args:
            predicate: of one task, in JAX: it is traced, and run over thousands at once.

        Raises:
            TaskError: the predicate gives no truth value, or one side would be empty.
        """
        given = jax.eval_shape(predicate, jax.tree.map(lambda x: x[0], self.tasks))
        if getattr(given, "shape", None) != () or given.dtype != jnp.bool_:
            raise TaskError(f"A predicate answers with one truth value, got {given}.")
        holds = np.asarray(jax.lax.map(predicate, self.tasks, batch_size=FILTERED_AT_ONCE))
        if holds.all() or not holds.any():
            raise TaskError(
                f"The predicate holds for {holds.sum():,} of {len(self):,} tasks, which leaves one "
                "side empty. Choose another predicate."
            )
        yes, no = (_rows(self.tasks, np.flatnonzero(side)) for side in (holds, ~holds))
        return Table(yes), Table(no)

    def split(self, fraction: float, *, key: Key[Array, ""]) -> tuple["Table", "Table"]:
        """Shuffle, then cut: tables of `round(fraction * len)` tasks and of the others.

        Equal tasks may land on both sides; `holdout` keeps them together.

        Raises:
            TaskError: one side would be empty.
        """
        check_fraction(fraction)
        cut = round(fraction * len(self))
        if not 0 < cut < len(self):
            raise TaskError(
                f"Splitting {len(self)} tasks at {fraction} leaves one side empty. "
                "Choose another fraction."
            )
        order = jr.permutation(key, len(self))
        first, second = (_rows(self.tasks, part) for part in (order[:cut], order[cut:]))
        return Table(first), Table(second)


class Split(AbstractTaskSpace[GridTask]):
    """One side of an endless space: the tasks to learn from, or those held out.

    Draws from the space until a task lies on this side (`meadow.tasks.fingerprint`), about
    `1 / (1 - fraction)` or `1 / fraction` times; a batch under `vmap` takes as long as its slowest.
    Tasks of `Split(space)` and `Split(space, held_out=True)` never have the same goal and rules.

    The search gives up where the chance of bad luck is below 1e-17, so only in a space that has
    next to no tasks on this side; the task is then empty (all zeros), with a goal that is never
    reached. For a table use `holdout`, which raises.

    Attributes:
        space: where tasks come from.
        held_out: whether this is the held-out side.
        fraction: share of different tasks that are held out, in (0, 1).
        seed: another seed holds out other tasks.
    """

    space: AbstractTaskSpace
    held_out: bool = eqx.field(static=True, default=False)
    fraction: float = eqx.field(static=True, default=0.1)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        check_fraction(self.fraction)

    @property
    def max_draws(self) -> int:
        """How many tasks are drawn at most to find one on this side."""
        share = self.fraction if self.held_out else 1 - self.fraction
        return math.ceil(40 / share)

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        def searching(carry):
            num, found, _ = carry
            return ~found & (num < self.max_draws)

        def draw(carry):
            num, _, _ = carry
            task = self.space.sample(key=jr.fold_in(key, num))
            found = is_held_out(task, self.fraction, self.seed) == self.held_out
            return num + 1, found, task

        shapes = jax.eval_shape(lambda key: self.space.sample(key=key), key)
        empty = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        _, found, task = jax.lax.while_loop(searching, draw, (0, jnp.array(False), empty))
        return jax.tree.map(lambda x: jnp.where(found, x, 0).astype(x.dtype), task)


def holdout(tasks: GridTask, fraction: float, *, seed: int = 0) -> tuple[GridTask, GridTask]:
    """A batch of tasks in two: to learn from, and held out. Order is kept on each side.

    No task of one side has goal and rules of a task of the other. The held-out side is about
    `fraction` of the different tasks, and agrees with `Split` of the same fraction and seed.

    Raises:
        TaskError: one side would be empty.
    """
    check_fraction(fraction)
    side = np.asarray(is_held_out(tasks, fraction, seed))
    if side.ndim != 1 or side.all() or not side.any():
        raise TaskError(
            f"Holding out {fraction} of {side.size} tasks leaves one side empty. Give a batch of "
            "more tasks, another `fraction` or another `seed`."
        )
    return _rows(tasks, np.flatnonzero(~side)), _rows(tasks, np.flatnonzero(side))


def _rows(tasks: PyTree, rows: Int[Array | np.ndarray, "num"]) -> PyTree:
    return jax.tree.map(lambda x: jnp.asarray(x)[rows], tasks)
