"""The buffer: who comes in, who stays, who is drawn; and faults of others it must not have."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError, UnknownNameError
from meadow.curricula.buffer import Buffer, State
from meadow.curricula.entries import Entries, fold
from meadow.curricula.prioritise import PRIORITISATIONS, rank

# All of one size, so that few programs are compiled.
SIZE = 6
BY_CHANCE = Buffer(SIZE, staleness=0.0)
BY_SCORE = Buffer(SIZE, eviction="score", smoothing=0.25)
TWICE = Buffer(SIZE, eviction="score", unique=False)
AGAIN = Buffer(SIZE, staleness=0.0, replace=True)


def entries(names, scores, best=None, size=SIZE):
    """Tasks that are numbers, each its own fingerprint, with scores and best returns.

    There are as many rows as asked for; those beyond the names are of no account.
    """
    num = len(names)
    whole, missing = np.zeros(size, np.int32), size - num
    names = np.concatenate([np.asarray(names, np.int32), -2 - np.arange(missing, dtype=np.int32)])
    scores = np.concatenate([np.asarray(scores, np.float32), np.full(missing, -np.inf, np.float32)])
    best = np.zeros(num) if best is None else best
    rows = dict(
        tasks=names,
        fingerprint=np.stack([names, names], 1).astype(np.uint32),
        score=scores,
        best=np.concatenate([np.asarray(best, np.float32), np.full(missing, -np.inf, np.float32)]),
        episodes=np.ones(size, np.float32),
        successes=np.zeros(size, np.float32),
        visits=whole + 1,
        visited=whole,
        inserted=whole,
        parent=whole - 1,
        generation=whole,
        valid=np.arange(size) < num,
    )
    return Entries(**{name: jnp.asarray(row) for name, row in rows.items()})


def holding(scores, best=None, size=SIZE):
    """A buffer that keeps tasks 0, 1, ... with these scores."""
    return State(entries(np.arange(len(scores)), scores, best, size), jnp.int32(0))


@eqx.filter_jit
def _insert(buffer, state, lived, slots):
    return buffer.insert(state, lived, slots)


def insert(buffer, state, names, scores, best=None, slots=None):
    slots = jnp.full(SIZE, -1, jnp.int32) if slots is None else slots
    return _insert(buffer, state, entries(names, scores, best), slots)


@eqx.filter_jit
def draw(buffer, state, num, keys):
    return jax.vmap(lambda key: buffer.sample(state, num, key=key))(keys)


def kept(state):
    """Names and scores of what is there."""
    rows = jax.device_get(state.entries)
    return {
        int(n): float(s) for n, s, v in zip(rows.tasks, rows.score, rows.valid, strict=True) if v
    }


@pytest.mark.parametrize(
    ("temperature", "top", "ess"), [(1.0, 0.113, 47.9), (0.3, 0.872, 1.3), (0.1, 0.999, 1.0)]
)
def test_rank_weights_are_the_published_ones(temperature, top, ess):
    weights = np.asarray(rank(jnp.asarray(np.arange(4000.0)[::-1].copy()), temperature, 0), float)
    chances = weights / weights.sum()
    assert abs(chances.max() - top) < 6e-4, "the best task's chance is not that of rank 1"
    assert abs(1 / (chances**2).sum() - ess) < 0.06, "the effective number is not the published"


def test_a_batch_without_replacement_is_distinct(key):
    buffer, scores = Buffer(4000, temperature=0.1), np.random.default_rng(0).permutation(4000)
    slots = draw(buffer, holding(scores, size=4000), 32, jr.split(key, 2))
    assert len(set(slots[0].tolist())) == 32, "a task was drawn twice"
    assert slots.min() >= 0
    assert (slots == np.argmax(scores)).any(1).all(), "with T = 0.1 the best is always among them"


@pytest.mark.parametrize("buffer", [BY_CHANCE, AGAIN], ids=["distinct", "replaced"])
def test_draws_follow_the_chances(buffer, key):
    slots = draw(buffer, holding([1.0, 4.0, 2.0]), 8, jr.split(key, 4000))
    seen, wanted = (
        np.bincount(slots[:, 0], minlength=SIZE) / 4000,
        np.array([2, 6, 3, 0, 0, 0]) / 11,
    )
    assert abs(seen - wanted).max() < 0.04, f"drawn {seen}, chances {wanted}"
    there = (slots >= 0).sum(1)
    assert (there == (8 if buffer.replace else 3)).all(), "there are three to draw from"
    nothing = draw(buffer, holding([]), 8, jr.split(key, 4000))
    assert (nothing == -1).all(), "drawn from nothing"


def test_tied_scores_have_equal_chances(key):
    slots = draw(BY_CHANCE, holding(np.zeros(SIZE)), 8, jr.split(key, 4000))
    seen = np.bincount(slots[:, 0], minlength=SIZE) / 4000
    assert abs(seen - 1 / SIZE).max() < 0.03, f"equal scores are drawn unequally: {seen}"


def test_stale_tasks_gain_chance():
    visited = jnp.array([1, 4, 4, 0, 0, 0])
    state = eqx.tree_at(lambda s: (s.entries.visited, s.clock), holding([1, 3, 2]), (visited, 4))
    chances = jax.jit(Buffer(SIZE, staleness=0.4).chances)(state)
    wanted = 0.6 * np.array([2, 6, 3, 0, 0, 0]) / 11 + 0.4 * np.array([1, 0, 0, 0, 0, 0])
    assert np.allclose(chances, wanted, atol=1e-6), f"P is {chances}, not {wanted}"


@pytest.mark.parametrize("buffer", [BY_CHANCE, BY_SCORE], ids=["priority", "score"])
def test_of_the_union_the_best_stay(buffer):
    state = insert(buffer, holding([5.0, 1.0, 3.0]), [10, 11, 12, 13, 14], [2, 9, 0.5, 4, 0])
    assert kept(state) == {0: 5, 1: 1, 2: 3, 10: 2, 11: 9, 13: 4}
    state = insert(buffer, state, [20, 21], [1.0, 6.0])
    assert kept(state) == {0: 5, 2: 3, 10: 2, 11: 9, 13: 4, 21: 6}
    state = insert(buffer, state, [30, 31], [2.0, 2.5])
    assert kept(state) == {0: 5, 2: 3, 31: 2.5, 11: 9, 13: 4, 21: 6}
    state = insert(buffer, state, [40], [2.5])
    assert 40 not in kept(state), "a tie is decided for what is here"


@pytest.mark.parametrize("buffer", [BY_CHANCE, BY_SCORE], ids=["priority", "score"])
def test_who_was_not_finished_never_comes_in(buffer):
    state = insert(buffer, holding([]), [0, 1], [-np.inf, 1.0])
    assert kept(state) == {1: 1}, "a task without a finished episode came in"
    state = insert(buffer, state, [1], [-np.inf])
    assert kept(state) == {1: 1}, "an unfinished visit says nothing of a task that is kept"


def test_minimax_1_best_return_is_the_best_ever():
    state = insert(BY_CHANCE, holding([1.0], best=[0.9]), [0], [1.0], best=[0.0])
    assert abs(state.entries.best[0] - 0.9) < 1e-6, "the best return ever was forgotten"


def test_jaxued_3_a_duplicate_keeps_the_larger_best():
    state = holding([1.0, 0.0], best=[0.2, 0.9])
    state = insert(BY_CHANCE, state, [5, 0, 1, 5], [3.0, 2.0, 7.0, 1.0], [0.1, 0.7, 0.3, 0.4])
    assert kept(state) == {0: 2, 1: 7, 5: 2}, "a duplicate is one task, with the mean of scores"
    new = int(np.flatnonzero(state.entries.tasks == 5)[0])
    best = state.entries.best[jnp.array([0, 1, new])]
    assert np.allclose(best, [0.7, 0.9, 0.4]), f"the larger best is to be kept, got {best}"
    assert state.entries.visits[new] == 2 and state.entries.episodes[0] == 2


def test_twice_where_that_is_allowed():
    state = insert(TWICE, holding([1.0]), [0, 0], [2.0, 3.0])
    assert sorted(state.entries.score[state.entries.valid].tolist()) == [1, 2, 3]


def test_a_slot_given_to_another_task_hears_nothing():
    slots = jnp.array([1, 1, -1, -1, -1, -1])
    state = insert(TWICE, holding([1.0, 2.0]), [7, 1], [5.0, 8.0], slots=slots)
    assert kept(state) == {0: 1, 1: 8, 7: 5}, "the report on a task that left went to another"


def test_scores_are_smoothed():
    assert kept(insert(BY_SCORE, holding([1.0]), [0], [5.0])) == {0: 2}, "0.25 * 5 + 0.75 * 1"


def test_folding_adds_up():
    lived = entries([3, 1, 3, 3], [1, 5, -np.inf, 2], [0, 1, 7, 2])
    folded = jax.jit(fold)(lived, lived.fingerprint)
    assert folded.valid.tolist() == [True, True] + [False] * 4
    assert folded.score[:2].tolist() == [1.5, 5.0], "the mean of what was finished"
    assert folded.best[:2].tolist() == [7, 1] and folded.visits[:2].tolist() == [3, 1]


def test_sfl_prioritisations_and_a_top_of_more_than_one():
    scores, soft = jnp.array([3.0, 1.0, -1.0, -jnp.inf]), np.exp([0.0, -4.0, -8.0])
    for name, wanted in {
        "proportional": [1, 1 / 9, 0, 0],
        "softmax": [*soft, 0],
        "top_k": [*soft[:2], 0, 0],
        "uniform": [1, 1, 1, 0],
    }.items():
        weigh = jax.jit(lambda scores, name=name: PRIORITISATIONS[name](scores, 0.5, 2))
        weights, nothing = weigh(scores), weigh(jnp.full(4, -jnp.inf))
        assert np.allclose(weights, wanted, atol=1e-6), f"{name}: {weights}"
        assert (nothing == 0).all(), f"{name} weighs what is not there"


def test_wrong_definitions_are_refused():
    with pytest.raises(UnknownNameError, match="rank"):
        Buffer(4, prioritisation="ranks")
    with pytest.raises(UnknownNameError, match="score"):
        Buffer(4, eviction="scores")
    with pytest.raises(SpecError, match="capacity"):
        Buffer(0)
    with pytest.raises(SpecError, match="staleness"):
        Buffer(4, staleness=1.5)
