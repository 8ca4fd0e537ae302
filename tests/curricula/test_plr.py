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

SPACE = Choice(1000)
SMALL = PLR(SPACE, Buffer(8), candidates=4)


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


@pytest.fixture(scope="module")
def full():
    """A buffer of eight whose scores are the places in which the tasks came."""
    state, update = SMALL.init(key=jr.key(0)), jax.jit(SMALL.update)
    for i in range(2):
        ticket = SMALL.examine(state, key=jr.key(i))
        state = update(state, ticket, reported(jnp.arange(4) + 4.0 * i))
    return state


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


def test_without_robustness_everything_is_practised(full, key):
    curriculum = PLR(SPACE, Buffer(8), robust=False, replay=0.7)
    practise, examine = due(curriculum, 20)
    assert practise.all() and not examine.any()
    slots = jax.vmap(lambda k: curriculum.sample(full, 4, key=k).slots)(jr.split(key, 300))
    replayed = (slots >= 0).all(1)
    assert ((slots < 0).all(1) | replayed).all(), "one coin for the whole batch"
    assert abs(replayed.mean() - 0.7) < 0.1
    none = curriculum.sample(curriculum.init(key=key), 4, key=key)
    assert (none.slots == -1).all(), "replayed from an empty buffer"


def test_what_is_replayed_is_what_is_kept(full, key):
    ticket = SMALL.sample(full, 6, key=key)
    assert (ticket.slots >= 0).all() and len(set(ticket.slots.tolist())) == 6
    assert (ticket.tasks == full.entries.tasks[ticket.slots]).all(), "a slot's task is another"
    assert not ticket.notes.examined


def test_new_tasks_take_the_places_of_missing_ones(full, key):
    ticket = SMALL.sample(full, 11, key=key)
    assert (ticket.slots >= 0).sum() == 8, "all that are kept, and no more"
    kept = set(full.entries.tasks.tolist())
    assert sum(task not in kept for task in ticket.tasks.tolist()) >= 2
    after = SMALL.update(full, ticket, reported(jnp.where(ticket.slots < 0, 99.0, 0.0)))
    assert (after.entries.score == 99).sum() == 3, "new tasks that were practised are kept too"


def test_max_mc_compares_with_the_best_ever(full, key):
    ticket = SMALL.sample(full, 1, key=key)
    first = SMALL.update(full, ticket, reported([20.0], value=5.0))
    second = SMALL.update(first, ticket, reported([0.0], value=5.0))
    slot = int(ticket.slots[0])
    assert second.entries.score[slot] == 15, "20 - 5: the best return was forgotten in the score"
    assert second.entries.best[slot] == 20


def test_a_late_ticket_finds_its_task_where_it_is_now(full, key):
    ticket = SMALL.sample(full, 2, key=key)
    moved = eqx.tree_at(
        lambda s: s.entries,
        full,
        jax.tree.map(lambda leaf: jnp.roll(leaf, 1, 0), full.entries),
    )
    after = SMALL.update(moved, ticket, reported([50.0, 60.0]))
    for task, score in zip(ticket.tasks, (50.0, 60.0), strict=True):
        assert after.entries.score[jnp.argmax(after.entries.tasks == task)] == score


def test_metrics_tell_what_is_kept(full):
    told = SMALL.metrics(full)
    assert told["fill"] == 1 and told["distinct"] == 1
    assert 1 < told["effective"] < 8
    assert 3.5 < told["score"] < 7, "high scores are drawn more often than low ones"
    none = SMALL.metrics(SMALL.init(key=jr.key(0)))
    assert none["fill"] == 0 and none["effective"] == 0


def test_several_students_count_as_one(key):
    curriculum = dataclasses.replace(SMALL, score="population_regret")
    state = curriculum.init(key=key)
    ticket = curriculum.examine(state, key=key)
    two = jax.tree.map(lambda *x: jnp.stack(x), reported([1.0] * 4), reported([3.0] * 4))
    kept = curriculum.update(state, ticket, two).entries
    assert (kept.score[kept.valid] == 1).all() and (kept.best[kept.valid] == 3).all()
    assert (kept.episodes[kept.valid] >= 2).all()


def test_wrong_definitions_are_refused():
    with pytest.raises(SpecError, match="robust"):
        PLR(SPACE, parallel=True, robust=False)
    with pytest.raises(SpecError, match="replay"):
        PLR(SPACE, replay=1.5)
