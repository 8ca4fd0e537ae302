"""NCC: the projection is exact, and chances climb to where the scores are, no further."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.core.report import Report
from meadow.curricula.ncc import NCC, projected
from meadow.testing.probes import Choice

SMALL = NCC(Choice(100_000), capacity=6, candidates=2, score="return", floor=0.01)


def bisected(point, valid, floor):
    """The same by halving: the level under which everything is cut."""
    point = np.asarray(point, float)[valid]
    low, high = point.min() - 2, point.max() + 1
    for _ in range(100):
        level = (low + high) / 2
        over = np.maximum(point - level, floor).sum() > 1
        low, high = (level, high) if over else (low, level)
    chances = np.zeros(len(valid))
    chances[valid] = np.maximum(point - level, floor)
    return chances


def test_the_projection_is_exact():
    project = jax.jit(lambda point, valid: projected(point, valid, 0.02))
    draw = np.random.default_rng(0)
    for scale in (0.01, 0.3, 1.0, 50.0):
        for _ in range(10):
            point, valid = (
                draw.normal(0, scale, 12).astype(np.float32),
                np.arange(12) < draw.integers(1, 13),
            )
            chances = project(point, valid)
            wanted = bisected(point, valid, 0.02)
            assert np.allclose(chances, wanted, atol=2e-5), f"scale {scale}: {chances} {wanted}"


@eqx.filter_jit
def step(curriculum, state, key, worth):
    """An examination in which a task is worth what `worth` says of its place."""
    ticket = curriculum.examine(state, key=key)
    returns = worth[ticket.tasks % len(worth)]
    report = dataclasses.replace(
        Report.nothing(len(returns)), episodes=jnp.ones_like(returns), returns=returns, best=returns
    )
    return curriculum.update(state, ticket, report)


init = jax.jit(lambda key: SMALL.init(key=key))
sample = jax.jit(lambda state, key: SMALL.sample(state, 2000, key=key))


def climbed(curriculum, worth, steps):
    state = init(jr.key(0))
    for i in range(steps):
        state = step(curriculum, state, jr.fold_in(jr.key(5), i), worth)
    return state


def test_all_slots_are_filled_at_once(key):
    state = step(SMALL, init(key), key, jnp.arange(8.0))
    assert state.kept.entries.valid.all()
    ticket = jax.jit(lambda: SMALL.examine(state, key=key))()
    assert ticket.slots.tolist() == [0, 1, 2, 3, 4, 5, -1, -1]
    assert (ticket.tasks[:6] == state.kept.entries.tasks).all(), "all that is kept is examined"
    assert (sample(init(key), key).slots == -1).all()


def test_chances_stay_chances():
    state = climbed(SMALL, jnp.arange(8.0), 10)
    assert abs(state.chances.sum() - 1) < 1e-5 and state.chances.min() >= SMALL.floor - 1e-6
    told = eqx.filter_jit(SMALL.metrics)(state)
    assert abs(told["mass"] - state.chances.max()) < 1e-6 and 0 <= told["entropy"] <= np.log(6)


def test_they_climb_to_the_softmax_that_entropy_allows():
    # Six tasks there are, all are kept in the end, and y.s + w H(y) is largest at softmax(s / w).
    worth = jnp.linspace(0.0, 0.5, 6)
    curriculum = dataclasses.replace(SMALL, space=Choice(6), entropy=0.25, floor=1e-4, rate=0.5)
    state = climbed(curriculum, worth, 60)
    wanted = jax.nn.softmax(state.kept.entries.score / 0.25)
    assert state.kept.entries.valid.all() and wanted.max() > 0.3
    assert abs(state.chances - wanted).max() < 0.02, f"{state.chances} is not {wanted}"


def test_practice_is_drawn_from_the_chances(key):
    state = climbed(SMALL, jnp.arange(8.0), 1)._replace(
        chances=jnp.array([0.5, 0.0, 0.3, 0.2, 0.0, 0.0])
    )
    slots = sample(state, key).slots
    seen = np.bincount(slots, minlength=6) / 2000
    assert abs(seen - state.chances).max() < 0.05, f"drawn {seen}"


def test_practice_changes_nothing(key):
    state = climbed(SMALL, jnp.arange(8.0), 1)
    after = SMALL.update(state, sample(state, key), Report.nothing(2000))
    assert eqx.tree_equal(after, state)


def test_wrong_definitions_are_refused():
    with pytest.raises(SpecError, match="floor"):
        NCC(Choice(2), capacity=200, floor=0.01)
    with pytest.raises(SpecError, match="rate"):
        NCC(Choice(2), rate=0.0)
