"""Only and Numbered: spaces of a single task, for those who want one thing learnt.

>>> import jax.random as jr
>>> from meadow.tasks.grid import grid_task
>>> from meadow.tasks.tiles import name
>>> space = Only(grid_task(("agent_hold", "red ball"), objects=["red ball"]))
>>> name(int(space.sample(key=jr.key(0)).objects[0]))
'red ball'
"""

import functools
from typing import Generic

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace, Task
from meadow.tasks.grid import GridTask
from meadow.tasks.published import published, regenerate


class Only(AbstractTaskSpace[Task], Generic[Task]):
    """Always `task`, whatever the key."""

    task: Task

    def sample(self, *, key: Key[Array, ""]) -> Task:
        return jax.tree.map(jnp.asarray, self.task)


class Numbered(AbstractTaskSpace[GridTask]):
    """Always the same task of a published set; all plain values, so a recipe can be written down.

    Attributes:
        set: trivial, small, medium or high.
        number: which task of it, from 0.

    Raises:
        UnknownNameError: no such set.
        TaskError: it has no such task.
    """

    set: str = eqx.field(static=True, default="trivial")
    number: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        size = published(self.set).size
        if not 0 <= self.number < size:
            raise TaskError(
                f"The set {self.set!r} has tasks 0..{size - 1:,}, asked for {self.number}."
            )

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        return jax.tree.map(jnp.asarray, _numbered(self.set, self.number))


@functools.lru_cache(maxsize=64)
def _numbered(name: str, number: int) -> GridTask:
    """Arrays of NumPy, which outlive the trace in which they are first asked for."""
    with jax.ensure_compile_time_eval():
        tasks = regenerate(name, number + 1)
        return jax.tree.map(lambda x: np.asarray(x)[number], tasks)
