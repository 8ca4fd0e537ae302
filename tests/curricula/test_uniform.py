"""Uniform beyond the laws of curricula: all tasks alike, whatever the scores."""

import jax.numpy as jnp
import numpy as np

from meadow.curricula.uniform import Uniform
from meadow.testing.probes import Choice


def test_tasks_come_alike_whatever_was_scored(key):
    curriculum = Uniform(Choice(4))
    state = curriculum.init(key=key)
    ticket = curriculum.sample(state, 4_000, key=key)
    after = curriculum.update(state, ticket, (ticket.tasks == 0) * 9.0)
    assert after == state, "scores change nothing"
    # Five standard deviations of a binomial count: 5 * sqrt(4000 * 0.25 * 0.75) = 137.
    drawn = np.bincount(ticket.tasks, minlength=4)
    assert abs(drawn - 1000).max() < 137, f"tasks are not drawn alike: {drawn}"


def test_slots_refer_to_nothing(key):
    ticket = Uniform(Choice(2)).sample((), 3, key=key)
    assert jnp.array_equal(ticket.slots, jnp.full(3, -1)), "there is no table to refer to"
