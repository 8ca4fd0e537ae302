"""Uniform beyond the laws of curricula: all tasks alike, however they went."""

import jax.numpy as jnp
import numpy as np

from meadow.curricula.uniform import Uniform
from meadow.testing.laws.curriculum import some_report
from meadow.testing.probes import Choice


def test_tasks_come_alike_however_they_went(key):
    curriculum = Uniform(Choice(4))
    state = curriculum.init(key=key)
    ticket = curriculum.sample(state, 4_000, key=key)
    after = curriculum.update(state, ticket, some_report((4_000,), key=key))
    assert after == state, "how it went changes nothing"
    # Five standard deviations of a binomial count: 5 * sqrt(4000 * 0.25 * 0.75) = 137.
    drawn = np.bincount(ticket.tasks, minlength=4)
    assert abs(drawn - 1000).max() < 137, f"tasks are not drawn alike: {drawn}"


def test_slots_refer_to_nothing(key):
    ticket = Uniform(Choice(2)).sample((), 3, key=key)
    assert jnp.array_equal(ticket.slots, jnp.full(3, -1)), "there is no table to refer to"
