"""Listed: a finite list of tasks as a space that curricula may keep, mutate and tell apart.

>>> import jax.random as jr
>>> space = Listed(jnp.arange(2))
>>> space.mutate(jnp.asarray(0), key=jr.key(0)).item()
1
"""

from typing import Generic

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, UInt32

from meadow.core.task import AbstractDesignSpace, Task
from meadow.tasks.hashed import hashed
from meadow.tasks.table import Table


class Listed(AbstractDesignSpace[Task], Generic[Task]):
    """Tasks in an array, all equally likely; nothing is known of them but whether they are equal.

    `mutate` gives any other task of the list, `empty` the first: put the simplest there.

    Attributes:
        tasks: any task pytree; the leading axis of every leaf counts the tasks.

    Raises:
        TaskError: it is no batch of tasks.
    """

    tasks: Task

    def __check_init__(self) -> None:
        Table(self.tasks)

    def __len__(self) -> int:
        return len(Table(self.tasks))

    def sample(self, *, key: Key[Array, ""]) -> Task:
        return Table(self.tasks).sample(key=key)

    def empty(self, *, key: Key[Array, ""]) -> Task:
        return Table(self.tasks).task(0)

    def mutate(self, task: Task, *, key: Key[Array, ""]) -> Task:
        num, (key_first, key_second) = len(self), jr.split(key)
        # Two different rows, of which the first does unless it is the task itself: so all others
        # are equally likely, without a search for the task.
        first = jr.randint(key_first, (), 0, num)
        second = (first + jr.randint(key_second, (), 1, max(num, 2))) % num
        one, other = (Table(self.tasks).task(row) for row in (first, second))
        same = [jnp.array_equal(*x) for x in zip(*map(jax.tree.leaves, (one, task)), strict=True)]
        return jax.tree.map(lambda x, y: jnp.where(jnp.stack(same).all(), y, x), one, other)

    def fingerprint(self, task: Task) -> UInt32[Array, "2"]:
        return hashed(task)

    def features(self, task: Task) -> dict[str, Float[Array, ""]]:
        """None."""
        return {}

    def solvable(self, task: Task) -> Bool[Array, ""]:
        """True: nothing is known against any of them."""
        return jnp.array(True)
