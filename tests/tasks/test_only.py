"""Spaces of a single task: the task that was asked for, under any key."""

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks.grid import grid_task
from meadow.tasks.only import Numbered, Only
from meadow.tasks.published import regenerate


def drawn(space):
    return jax.jit(jax.vmap(lambda key: space.sample(key=key)))(jr.split(jr.key(0), 3))


def test_the_only_task_is_that_task():
    task = grid_task(("agent_hold", "red ball"), objects=["red ball", "blue key"])
    for got, expected in zip(*map(jax.tree.leaves, (drawn(Only(task)), task)), strict=True):
        np.testing.assert_array_equal(got, np.stack([expected] * 3), "three keys, one task")


def test_a_numbered_task_is_that_of_the_published_set():
    expected = jax.tree.map(lambda x: np.stack([x[4]] * 3), regenerate("small", 5))
    got = drawn(Numbered("small", 4))
    for x, y in zip(*map(jax.tree.leaves, (got, expected)), strict=True):
        np.testing.assert_array_equal(x, y, "task 4 of the set, under any key")


def test_a_task_that_was_not_published_is_refused():
    with pytest.raises(TaskError, match=r"has tasks 0..20,999, asked for 21000"):
        Numbered("trivial", 21_000)
    with pytest.raises(TaskError, match="asked for -1"):
        Numbered("trivial", -1)
    with pytest.raises(UnknownNameError, match="Did you mean 'trivial'"):
        Numbered("trivia", 0)
