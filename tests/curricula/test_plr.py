"""PLR: when it practises and examines, what it hands out, what it remembers."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from meadow.core.errors import SpecError
from meadow.core.report import Report
from meadow.curricula.buffer import Buffer
from meadow.curricula.plr import PLR
from meadow.testing.probes import Choice

SPACE = Choice(100_000)
SMALL = PLR(SPACE, Buffer(8), candidates=4)
NUM = 10  # to practise; two more than are kept


def reported(best, value=0.0):
    """One finished episode on each task, with this return."""
    best = jnp.asarray(best, jnp.float32)
    ones = jnp.ones_like(best)
    return dataclasses.replace(
        Report.nothing(len(best)),
        episodes=ones,
        returns=best,
        squares=best**2,
        best=best,
        value=value * ones,
    )


@eqx.filter_jit
def sample(curriculum, state, key):
    return curriculum.sample(state, NUM, key=key)


@eqx.filter_jit
def update(curriculum, state, ticket, report):
    return curriculum.update(state, ticket, report)


@pytest.fixture(scope="module")
def empty():
    return jax.jit(lambda key: SMALL.init(key=key))(jr.key(0))


@pytest.fixture(scope="module")
def tickets(empty):
    """Two of new tasks."""
    examine = jax.jit(lambda key: SMALL.examine(empty, key=key))
    return [examine(jr.key(i)) for i in range(2)]


@pytest.fixture(scope="module")
def full(empty, tickets):
    """A buffer of eight whose scores are the places in which the tasks came."""
    state = update(SMALL, empty, tickets[0], reported(jnp.arange(4.0)))
    return update(SMALL, state, tickets[1], reported(jnp.arange(4.0, 8.0)))


def due(curriculum, iterations=400):
    practise, examine = jax.vmap(curriculum.due)(jnp.arange(iterations))
    return practise, examine


def test_it_examines_until_the_buffer_is_warm():
    for parallel in (False, True):
        curriculum = PLR(SPACE, Buffer(100), candidates=8, warm=0.5, parallel=parallel)
        practise, examine = due(curriculum)
        first = int(jnp.argmax(practise))
        assert curriculum.filling == 7, "ceil(0.5 * 100 / 8)"
        assert not practise[:7].any() and examine[:7].all(), "practised before it was warm"
        assert first < 12


def test_a_coin_decides_between_practice_and_examination():
    practise, examine = due(PLR(SPACE, Buffer(8), candidates=8, replay=0.8, warm=0.0))
    assert (practise != examine).all(), "robust PLR does one or the other"
    assert abs(practise.mean() - 0.8) < 0.08, f"replayed {practise.mean()} of the time, not 0.8"


def test_in_parallel_both_are_due():
    practise, examine = due(PLR(SPACE, Buffer(8), candidates=8, warm=0.0, parallel=True))
    assert practise.all() and examine.all()


def test_without_robustness_everything_is_practised(empty, full, key):
    curriculum = PLR(SPACE, Buffer(8), robust=False, replay=0.7)
    practise, examine = due(curriculum, 20)
    assert practise.all() and not examine.any()
    draws = jax.jit(jax.vmap(lambda state, k: curriculum.sample(state, 4, key=k).slots, (None, 0)))
    slots = draws(full, jr.split(key, 300))
    replayed = (slots >= 0).all(1)
    assert ((slots < 0).all(1) | replayed).all(), "one coin for the whole batch"
    assert abs(replayed.mean() - 0.7) < 0.1
    assert (draws(empty, jr.split(key, 300)) == -1).all(), "replayed from an empty buffer"


def test_what_is_replayed_is_what_is_kept(full, key):
    ticket = sample(SMALL, full, key)
    kept = ticket.slots >= 0
    assert kept.sum() == 8 and len(set(ticket.slots.tolist())) == 9, "all that are kept, once"
    assert (ticket.tasks == full.entries.tasks[ticket.slots])[kept].all(), "a slot's is another's"
    assert not ticket.notes.examined


def test_new_tasks_take_the_places_of_missing_ones(empty, full, key):
    ticket = sample(SMALL, full, key)
    kept = set(full.entries.tasks.tolist())
    assert sum(task not in kept for task in ticket.tasks.tolist()) == 2
    after = update(SMALL, full, ticket, reported(jnp.where(ticket.slots < 0, 99.0, 0.0)))
    assert (after.entries.score == 99).sum() == 2, "new tasks that were practised are kept too"
    assert (sample(SMALL, empty, key).slots == -1).all()


def only(ticket, first, other=0.0):
    """A return for the ticket's first task, and one for all others."""
    return reported(jnp.full(NUM, other).at[0].set(first), value=5.0)


def test_max_mc_compares_with_the_best_ever(full, key):
    ticket = sample(SMALL, full, key)
    first = update(SMALL, full, ticket, only(ticket, 20.0))
    second = update(SMALL, first, ticket, only(ticket, 0.0))
    slot = int(ticket.slots[0])
    assert second.entries.score[slot] == 15, "20 - 5: the best return was forgotten in the score"
    assert second.entries.best[slot] == 20


def test_a_late_ticket_finds_its_task_where_it_is_now(full, key):
    ticket = sample(SMALL, full, key)
    moved = eqx.tree_at(
        lambda s: s.entries,
        full,
        jax.tree.map(lambda leaf: jnp.roll(leaf, 1, 0), full.entries),
    )
    after = update(SMALL, moved, ticket, only(ticket, 50.0)).entries
    assert after.score[jnp.argmax(after.tasks == ticket.tasks[0])] == 45


def test_metrics_tell_what_is_kept(empty, full):
    metrics = jax.jit(SMALL.metrics)
    told, none = metrics(full), metrics(empty)
    assert told["fill"] == 1 and told["distinct"] == 1
    assert 1 < told["effective"] < 8
    assert 3.5 < told["score"] < 7, "high scores are drawn more often than low ones"
    assert none["fill"] == 0 and none["effective"] == 0


def test_minimax_5_several_students_count_as_one(empty, tickets):
    curriculum = dataclasses.replace(SMALL, score="population_regret")
    two = jax.tree.map(lambda *x: jnp.stack(x), reported([1.0] * 4), reported([3.0] * 4))
    kept = update(curriculum, empty, tickets[0], two).entries
    assert kept.valid.sum() == 4 and kept.score[kept.valid].tolist() == [1] * 4
    assert kept.best[kept.valid].tolist() == [3] * 4 and kept.episodes.sum() == 8


def test_wrong_definitions_are_refused():
    with pytest.raises(SpecError, match="robust"):
        PLR(SPACE, parallel=True, robust=False)
    with pytest.raises(SpecError, match="replay"):
        PLR(SPACE, replay=1.5)
