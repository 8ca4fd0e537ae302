"""The buffer: who comes in, who stays, who is drawn; and faults of others it must not have."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.report import Report
from meadow.curricula.buffer import Buffer
from meadow.curricula.entries import Entries, fold

NOWHERE = -1


def lived(names, scores, best=None):
    """Tasks that are numbers, each its own fingerprint, with scores and best returns."""
    names = jnp.asarray(names, jnp.int32)
    num = len(names)
    prints = jnp.stack([names, names], 1).astype(jnp.uint32)
    best = jnp.zeros(num) if best is None else jnp.asarray(best, float)
    report = eqx.tree_at(lambda r: (r.episodes, r.best), Report.nothing(num), (best * 0 + 1, best))
    nobody = jnp.full(num, NOWHERE, jnp.int32)
    scores = jnp.asarray(scores, float)
    return Entries.lived(names, prints, scores, report, parent=nobody, generation=nobody + 1)


@eqx.filter_jit
def insert(buffer, state, entries):
    return buffer.insert(state, entries, jnp.full(len(entries.score), NOWHERE, jnp.int32))


def filled(buffer, scores, best=None):
    state = buffer.init(jnp.zeros((), jnp.int32))
    return insert(buffer, state, lived(np.arange(len(scores)), scores, best))


def kept(state):
    """Names and scores of what is there."""
    rows = jax.device_get(state.entries)
    return {
        int(n): float(s) for n, s, v in zip(rows.tasks, rows.score, rows.valid, strict=True) if v
    }


def slot(state, name):
    return int(np.flatnonzero((state.entries.tasks == name) & state.entries.valid)[0])


@pytest.fixture(scope="module")
def draw():
    return eqx.filter_jit(lambda buffer, state, num, key: buffer.sample(state, num, key=key))


@pytest.mark.parametrize(
    ("temperature", "top", "ess"), [(1.0, 0.113, 47.9), (0.3, 0.872, 1.3), (0.1, 0.999, 1.0)]
)
def test_rank_weights_are_the_published_ones(temperature, top, ess):
    buffer = Buffer(4000, temperature=temperature, staleness=0.0)
    chances = buffer.chances(filled(buffer, np.random.default_rng(0).permutation(4000)))
    assert abs(chances.max() - top) < 6e-4, "the best task's chance is not that of rank 1"
    assert abs(1 / jnp.sum(chances**2) - ess) < 0.06, "as many tasks are drawn as others measured"


def test_a_batch_without_replacement_is_distinct(draw, key):
    buffer = Buffer(4000, temperature=0.1)
    slots = draw(buffer, filled(buffer, np.arange(4000.0)), 32, key)
    assert len(set(slots.tolist())) == 32, "a task was drawn twice"
    assert slots.min() >= 0


def test_with_replacement_few_are_distinct(draw, key):
    buffer = Buffer(4000, temperature=0.1, replace=True)
    slots = draw(buffer, filled(buffer, np.arange(4000.0)), 32, key)
    assert np.bincount(slots).max() > 12, "nearly all chance is on one task, yet it is not drawn"


def test_draws_follow_the_chances(draw, key):
    for replace in (False, True):
        buffer = Buffer(4, temperature=1.0, staleness=0.0, replace=replace)
        state = filled(buffer, [1.0, 4.0, 2.0])
        slots = jax.vmap(lambda k: buffer.sample(state, 1, key=k)[0])(jr.split(key, 4000))  # noqa: B023
        expected = np.zeros(4)
        expected[[slot(state, name) for name in (1, 2, 0)]] = np.array([6, 3, 2]) / 11
        seen = np.bincount(slots, minlength=4) / 4000
        assert abs(seen - expected).max() < 0.04, f"replace={replace}: drawn {seen}, P {expected}"
        assert np.allclose(buffer.chances(state), expected, atol=1e-6)


def test_tied_scores_have_equal_chances(key):
    buffer = Buffer(5, staleness=0.0)
    state = filled(buffer, np.zeros(5))
    slots = jax.vmap(lambda k: buffer.sample(state, 1, key=k)[0])(jr.split(key, 5000))
    seen = np.bincount(slots, minlength=5) / 5000
    assert abs(seen - 0.2).max() < 0.03, f"equal scores are drawn unequally: {seen}"


def test_stale_tasks_gain_chance():
    buffer = Buffer(2, staleness=0.4)
    state = insert(buffer, filled(buffer, [1.0, 1.0]), lived([1], [1.0]))
    for _ in range(2):
        state = insert(buffer, state, lived([1], [1.0]))
    chances = buffer.chances(state)
    # By rank 2/3 and 1/3 in whichever order; all the staleness is that of task 0.
    assert abs(chances[slot(state, 1)] - 0.6 * chances.sum() * (1 / 3)) < 0.21
    assert chances[slot(state, 0)] > 0.4 + 0.6 / 3 - 1e-6, "who waited has no greater chance"
    assert abs(chances.sum() - 1) < 1e-6


def test_of_the_union_the_best_stay():
    for eviction in ("score", "priority"):
        buffer = Buffer(6, eviction=eviction, staleness=0.0)
        state = filled(buffer, [5.0, 1.0, 3.0])
        assert kept(state) == {0: 5, 1: 1, 2: 3}
        state = insert(buffer, state, lived([10, 11, 12, 13, 14], [2.0, 9.0, 0.5, 4.0, 0.0]))
        assert kept(state) == {0: 5, 1: 1, 2: 3, 10: 2, 11: 9, 13: 4}, eviction
        state = insert(buffer, state, lived([20, 21], [1.0, 6.0]))
        assert kept(state) == {0: 5, 2: 3, 10: 2, 11: 9, 13: 4, 21: 6}, f"{eviction}: a tie stays"


def test_more_than_fit_come_at_once():
    for eviction in ("score", "priority"):
        scores = np.random.default_rng(1).permutation(50).astype(float)
        state = filled(Buffer(8, eviction=eviction), scores)
        assert sorted(kept(state).values()) == list(range(42, 50)), eviction


def test_who_was_not_finished_never_comes_in():
    for eviction in ("score", "priority"):
        buffer = Buffer(4, eviction=eviction)
        state = filled(buffer, [-np.inf, 1.0, np.nan])
        assert kept(state) == {1: 1}, "a task without a finished episode came in"
        state = insert(buffer, state, lived([1], [-np.inf]))
        assert kept(state) == {1: 1}, "an unfinished visit says nothing of a task that is kept"


def test_minimax_1_best_return_is_the_best_ever():
    buffer = Buffer(4)
    state = filled(buffer, [1.0], best=[0.9])
    state = insert(buffer, state, lived([0], [1.0], best=[0.0]))
    assert abs(state.entries.best[slot(state, 0)] - 0.9) < 1e-6, "the best ever was forgotten"


def test_jaxued_3_a_duplicate_keeps_the_larger_best():
    buffer = Buffer(4)
    state = filled(buffer, [1.0, 0.0], best=[0.2, 0.9])
    state = insert(buffer, state, lived([5, 0, 1, 5], [3.0, 2.0, 7.0, 1.0], [0.1, 0.7, 0.3, 0.4]))
    assert kept(state) == {0: 2, 1: 7, 5: 2}, "a duplicate is one task, with the mean of scores"
    best = {name: float(state.entries.best[slot(state, name)]) for name in (0, 1, 5)}
    assert np.allclose([best[0], best[1], best[5]], [0.7, 0.9, 0.4]), f"kept {best}"
    assert state.entries.visits[slot(state, 5)] == 2
    assert state.entries.episodes[slot(state, 0)] == 2


def test_twice_where_that_is_allowed():
    buffer = Buffer(4, unique=False)
    state = insert(buffer, filled(buffer, [1.0]), lived([0, 0], [2.0, 3.0]))
    assert sorted(jax.device_get(state.entries.score)[np.asarray(state.entries.valid)]) == [1, 2, 3]


def test_a_slot_given_to_another_task_hears_nothing():
    buffer = Buffer(2, unique=False, eviction="score")
    state = insert(buffer, filled(buffer, [1.0, 2.0]), lived([7], [9.0]))
    slots = jnp.full(2, slot(state, 7), jnp.int32)
    late = buffer.insert(state, lived([0, 7], [5.0, 8.0]), slots)
    assert kept(late)[7] == 8, "the report on a task that had left was taken for its successor's"


def test_scores_are_smoothed():
    buffer = Buffer(2, smoothing=0.25)
    state = insert(buffer, filled(buffer, [1.0]), lived([0], [5.0]))
    assert kept(state) == {0: 2.0}, "0.25 * 5 + 0.75 * 1"


def test_too_few_to_draw_from(draw, key):
    for replace, expected in ((False, 2), (True, 6)):
        buffer = Buffer(4, replace=replace)
        slots = draw(buffer, filled(buffer, [1.0, 2.0]), 6, key)
        assert slots.shape == (6,) and (slots >= 0).sum() == expected
        empty = draw(buffer, buffer.init(jnp.zeros((), jnp.int32)), 6, key)
        assert (empty == -1).all(), "drawn from nothing"


def test_folding_adds_up():
    folded = fold(
        lived([3, 1, 3, 3], [1, 5, -np.inf, 2], [0, 1, 7, 2]), jnp.uint32([[3], [1], [3], [3]])
    )
    assert folded.valid.tolist() == [True, True, False, False]
    assert folded.score[:2].tolist() == [1.5, 5.0], "the mean of what was finished"
    assert folded.best[:2].tolist() == [7, 1] and folded.visits[:2].tolist() == [3, 1]


@pytest.mark.parametrize("name", ["proportional", "softmax", "top_k", "uniform"])
def test_other_prioritisations(name):
    buffer = Buffer(4, prioritisation=name, staleness=0.0, temperature=0.5, top=2)
    state = filled(buffer, [1.0, 3.0, -1.0])
    chances = [float(buffer.chances(state)[slot(state, i)]) for i in range(3)]
    soft = np.exp([2.0, 6.0, -2.0])
    expected = {
        "proportional": [0.1, 0.9, 0.0],
        "softmax": soft / soft.sum(),
        "top_k": [soft[0] / soft[:2].sum(), soft[1] / soft[:2].sum(), 0.0],
        "uniform": [1 / 3] * 3,
    }[name]
    assert np.allclose(chances, expected, atol=1e-6), f"{name}: {chances}"


def test_wrong_definitions_are_refused():
    with pytest.raises(UnknownNameError, match="rank"):
        Buffer(4, prioritisation="ranks")
    with pytest.raises(UnknownNameError, match="score"):
        Buffer(4, eviction="scores")
    with pytest.raises(SpecError, match="capacity"):
        Buffer(0)
    with pytest.raises(SpecError, match="staleness"):
        Buffer(4, staleness=1.5)
