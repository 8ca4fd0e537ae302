"""Listed: any task of the list, another task of it, and no task twice."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks.listed import Listed

NUM = 3_000
TASKS = {"map": jnp.asarray([[0, 1], [1, 0], [0, 1], [1, 1]]), "goal": jnp.asarray([1, 1, 2, 1])}
SPACE = Listed(TASKS)


def number(tasks) -> np.ndarray:
    """Which row each task is."""
    same = (tasks["map"][:, None] == TASKS["map"]).all(-1) & (
        tasks["goal"][:, None] == TASKS["goal"]
    )
    assert bool(same.any(1).all()), "every task is one of the list"
    return np.asarray(same.argmax(1))


def test_all_tasks_are_equally_likely():
    tasks = jax.jit(jax.vmap(lambda key: SPACE.sample(key=key)))(jr.split(jr.key(0), NUM))
    assert np.abs(np.bincount(number(tasks)) / NUM - 0.25).max() < 0.03


def test_a_mutation_is_any_other_task():
    row = jax.tree.map(lambda x: x[1], TASKS)
    others = jax.jit(jax.vmap(lambda key: SPACE.mutate(row, key=key)))(jr.split(jr.key(1), NUM))
    shares = np.bincount(number(others), minlength=4) / NUM
    assert shares[1] == 0, "never the task itself"
    assert np.abs(shares[[0, 2, 3]] - 1 / 3).max() < 0.03, "all others alike"


def test_a_single_task_stays():
    only = Listed(jnp.asarray([7]))
    assert only.mutate(jnp.asarray(7), key=jr.key(0)).item() == 7


def test_the_first_is_the_simplest():
    assert SPACE.empty(key=jr.key(0))["goal"].item() == 1
    assert len(SPACE) == 4


def test_fingerprints_go_by_content_and_not_by_place():
    twice = Listed(jax.tree.map(lambda x: jnp.concatenate([x, x[:1]]), TASKS))
    prints = np.asarray(jax.vmap(twice.fingerprint)(twice.tasks)).tolist()
    assert prints[0] == prints[4], "the same task under another number"
    assert len({tuple(x) for x in prints}) == 4, "different tasks are told apart"


def test_nothing_is_known_of_listed_tasks():
    task = SPACE.sample(key=jr.key(0))
    assert SPACE.features(task) == {} and bool(SPACE.solvable(task))


def test_no_batch_of_tasks_is_refused():
    with pytest.raises(TaskError, match="batch of at least one task"):
        Listed({"map": jnp.zeros((2, 3)), "goal": jnp.zeros(3)})
