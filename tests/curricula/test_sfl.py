"""SFL: the most learnable of many are kept, and half of practice is of them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from meadow.core.errors import SpecError
from meadow.core.report import Report
from meadow.curricula.sfl import SFL
from meadow.testing.probes import Choice

SMALL = SFL(Choice(100_000), capacity=3, candidates=8, period=5, share=0.5)


@eqx.filter_jit
def update(state, ticket, episodes, successes):
    blank = Report.nothing(len(episodes))
    report = dataclasses.replace(blank, episodes=episodes, successes=successes, best=successes)
    return SMALL.update(state, ticket, report)


init = jax.jit(lambda key: SMALL.init(key=key))
sample = jax.jit(lambda state, key: SMALL.sample(state, 40, key=key))
examine = jax.jit(lambda state, key: SMALL.examine(state, key=key))


@pytest.fixture(scope="module")
def examined():
    """Tasks, two of which nobody finished, and what was kept of them."""
    state = init(jax.random.key(3))
    ticket = examine(state, jax.random.key(3))
    episodes = jnp.array([0.0, 4, 4, 4, 0, 4, 4, 4])
    successes = jnp.array([0.0, 4, 2, 0, 0, 1, 4, 2])
    return ticket, update(state, ticket, episodes, successes)


def names(state):
    return set(state.entries.tasks[state.entries.valid].tolist())


def test_the_most_learnable_are_kept(examined):
    ticket, state = examined
    assert names(state) == {int(ticket.tasks[i]) for i in (2, 5, 7)}, "p (1 - p): .25, .19, .25"


def test_who_finished_nothing_is_never_among_the_best(examined):
    ticket, state = examined
    one = jnp.zeros(8).at[4].set(3)
    state = update(state, ticket, one, one)
    assert names(state) == {int(ticket.tasks[4])}, "a task of which nothing is known was kept"
    assert not names(update(state, ticket, jnp.zeros(8), jnp.zeros(8)))


def test_nothing_is_carried_over(examined, key):
    ticket, state = examined
    fresh = examine(state, key)
    after = update(state, fresh, jnp.full(8, 4.0), jnp.zeros(8))
    assert names(after) <= set(fresh.tasks.tolist()), "a task of the last examination is still here"
    assert len(names(after)) == 3


def test_a_share_of_practice_is_of_kept_tasks(examined, key):
    _, state = examined
    ticket = sample(state, key)
    assert (ticket.slots[:20] >= 0).all() and (ticket.slots[20:] == -1).all()
    assert set(ticket.tasks[:20].tolist()) == names(state), "all of them, with replacement"
    assert not set(ticket.tasks[20:].tolist()) & names(state)
    assert (sample(init(key), key).slots == -1).all()


def test_practice_changes_nothing(examined, key):
    _, state = examined
    after = SMALL.update(state, sample(state, key), Report.nothing(40))
    assert eqx.tree_equal(after, state)


def test_kinetix_it_examines_once_a_period_and_uses_what_it_found():
    practise, look = jax.vmap(SMALL.due)(jnp.arange(11))
    assert practise.all() and jnp.flatnonzero(look).tolist() == [0, 5, 10]


def test_wrong_definitions_are_refused():
    with pytest.raises(SpecError, match="candidates"):
        SFL(Choice(2), capacity=9, candidates=8)
    with pytest.raises(SpecError, match="share"):
        SFL(Choice(2), share=2.0)
