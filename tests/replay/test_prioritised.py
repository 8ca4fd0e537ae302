"""Prioritised: chances, weights and updates against NumPy, and a tree that adds up."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meadow.core.errors import SpecError
from meadow.replay import tree
from meadow.replay.prioritised import Prioritised
from meadow.replay.selector import Chosen, Span

PLACES, LIVES, MOST = 13, 3, 2  # 39 leaves: no tree has just so many
SELECTOR = Prioritised(alpha=0.7, beta=0.5)
add, update, sample = map(eqx.filter_jit, (Prioritised.add, Prioritised.update, Prioritised.sample))
find, put = jax.jit(tree.find), jax.jit(tree.put)


def span(added: int) -> Span:
    """One number for each row."""
    return Span(jnp.int32(max(added - PLACES, 0)), jnp.int32(added), PLACES, LIVES)


def grown(added: int, selector: Prioritised = SELECTOR):
    """After so many numbers were added."""
    state = selector.init(PLACES, LIVES)
    for n in range(added):
        state = add(selector, state, span(n), span(n + 1), MOST)
    return state


def chosen(*windows: tuple[int, int]) -> Chosen:
    number, life = jnp.asarray(windows, jnp.int32).T
    return Chosen(number, life, jnp.ones(len(windows)))


def told(selector, state, added, windows, surprise):
    surprise = None if surprise is None else jnp.asarray(surprise, jnp.float32)
    return update(selector, state, span(added), chosen(*windows), surprise)


def leaves(state) -> np.ndarray:
    return np.asarray(state.tree[0][: PLACES * LIVES]).reshape(PLACES, LIVES)


def powers(surprise):
    return (np.abs(surprise) + 1e-6) ** 0.7


EVERY = [(n, life) for n in range(PLACES) for life in range(LIVES)]


@pytest.fixture(scope="module")
def surprises():
    return np.random.default_rng(0).gamma(0.5, size=len(EVERY)) * np.arange(len(EVERY)) % 5


@pytest.fixture(scope="module")
def full(surprises):
    return told(SELECTOR, grown(PLACES), PLACES, EVERY, surprises)


def test_windows_are_drawn_by_their_surprise(full, surprises, counted, chi_square):
    """A million draws."""
    chances = powers(surprises) / powers(surprises).sum()
    chi_square(counted(SELECTOR, full, span(PLACES)).ravel(), chances, "P(i) is p_i^alpha's share")


def test_weights_take_the_bias_back(full, surprises, key):
    drawn = sample(SELECTOR, full, span(PLACES), 64, key=key)
    chances = (powers(surprises) / powers(surprises).sum()).reshape(PLACES, LIVES)
    wanted = (PLACES * LIVES * chances[drawn.number, drawn.life]) ** -0.5
    np.testing.assert_allclose(drawn.weight, wanted / wanted.max(), rtol=1e-4)


def test_acme_9_what_is_new_has_the_greatest_priority_that_was_told():
    """And not 1, which may be far more or far less than any surprise."""
    for least, most in ((1e-3, 2e-3), (50.0, 90.0)):
        state = told(SELECTOR, grown(2), 2, [(0, 0), (1, 2)], [least, most])
        state = add(SELECTOR, state, span(2), span(3), MOST)
        np.testing.assert_allclose(leaves(state)[2], powers(most), rtol=1e-5)
        state = told(SELECTOR, state, 3, [(1, 2)], [least])
        state = add(SELECTOR, state, span(3), span(4), MOST)
        np.testing.assert_allclose(leaves(state)[3], powers(most), rtol=1e-5, err_msg="running")
    assert (leaves(grown(1))[0] == 1).all(), "1 where nothing was told yet"


def test_acme_8_stale_draws_are_passed_over():
    """Their place holds another window by now."""
    state = grown(PLACES + 2)
    after = told(SELECTOR, state, PLACES + 2, [(0, 0), (1, 2), (2, 1)], [9.0, 9.0, 4.0])
    wanted = leaves(state).copy()
    wanted[2, 1] = powers(4.0)
    np.testing.assert_allclose(leaves(after), wanted, rtol=1e-5, err_msg="0 and 1 are gone")
    np.testing.assert_allclose(after.most, powers(4.0), rtol=1e-5, err_msg="the stale do not count")


def test_a_window_told_of_twice_at_once_counts_once():
    state = told(SELECTOR, grown(4), 4, [(1, 1), (1, 1), (1, 1), (3, 0)], [2.0, 2.0, 2.0, 5.0])
    assert leaves(state)[1, 1] == pytest.approx(powers(2.0), rel=1e-5)
    np.testing.assert_allclose(tree.total(state.tree), leaves(state).sum(), rtol=1e-6)


def test_a_surprise_that_is_no_number_changes_nothing():
    state = told(SELECTOR, grown(4), 4, [(0, 0), (1, 0), (2, 0)], [np.nan, np.inf, 3.0])
    np.testing.assert_allclose(leaves(state)[:3, 0], [1, 1, powers(3.0)], rtol=1e-5)
    np.testing.assert_allclose(state.most, powers(3.0), rtol=1e-5)


def test_a_window_seen_often_enough_is_gone(key):
    selector = Prioritised(0.7, 0.5, times=2)
    state = told(selector, grown(4, selector), 4, [(0, 0), (1, 1), (1, 1)], [1.0, 2.0, 2.0])
    assert leaves(state)[1, 1] == 0 and leaves(state)[0, 0] > 0, "one was seen twice, one once"
    state = told(selector, state, 4, [(0, 0)], None)
    assert leaves(state)[0, 0] == 0, "whether or not the learner can tell"
    drawn = sample(selector, state, span(4), 256, key=key)
    pairs = {(int(n), int(b)) for n, b in zip(drawn.number, drawn.life, strict=True)}
    assert len(pairs) == 10 and not pairs & {(0, 0), (1, 1)}, "every other window is drawn"
    for n in range(4, PLACES + 1):
        state = add(selector, state, span(n), span(n + 1), MOST)
    assert leaves(state)[0, 0] > 0, "a new window in the same place is new"


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**16)), min_size=1, max_size=12),
)
def test_the_tree_is_what_a_list_would_be(steps):
    """Numbers come and go, draws are told of late; against a dictionary."""
    state, added, model, most = SELECTOR.init(PLACES, LIVES), 0, {}, None
    for more, seed in steps:
        before, added = added, added + more
        state = add(SELECTOR, state, span(before), span(added), MOST)
        for n in range(before, added):
            model |= {(n, life): 1.0 if most is None else most for life in range(LIVES)}
        model = {window: p for window, p in model.items() if window[0] >= added - PLACES}
        if not added:
            continue
        luck = np.random.default_rng(seed)
        windows = [(int(luck.integers(added)), int(luck.integers(LIVES))) for _ in range(4)]
        windows = list(dict.fromkeys(windows)) + [(-100, 0)] * 4
        windows, surprise = windows[:4], luck.gamma(1.0, size=4)
        state = told(SELECTOR, state, added, windows, surprise)
        for window, x in zip(windows, surprise, strict=True):
            if window in model:
                model[window] = powers(x)
                most = max(most or 0.0, powers(x))
    wanted = np.zeros((PLACES, LIVES))
    for (n, life), p in model.items():
        wanted[n % PLACES, life] = p
    np.testing.assert_allclose(leaves(state), wanted, rtol=1e-5, err_msg="chances")
    assert not np.asarray(state.tree[0][PLACES * LIVES :]).any(), "no leaf beyond the windows"
    for below, level in zip(state.tree, state.tree[1:], strict=False):
        sums = np.asarray(below).reshape(-1, 8).sum(-1)
        np.testing.assert_allclose(level[: len(sums)], sums, rtol=1e-6, err_msg="sums of children")


@pytest.fixture(scope="module")
def rough():
    """A large tree of very different numbers, most of them 0."""
    luck = np.random.default_rng(1)
    size = 40_000
    values = np.where(luck.random(size) < 0.3, luck.lognormal(0.0, 6.0, size), 0.0)
    values = values.astype(np.float32)
    return values, put(tree.grown(size), jnp.arange(size), jnp.asarray(values))


def test_rounding_never_leads_to_a_leaf_that_is_zero(rough):
    values, grown = rough
    whole = float(tree.total(grown))
    running = np.cumsum(values.astype(np.float64))
    shares = np.concatenate([running, [0.0, whole, whole * 2], np.nextafter(running, 0)])
    where, value = find(grown, jnp.asarray(shares, jnp.float32))
    assert (np.asarray(value) > 0).all() and (np.asarray(where) < len(values)).all()
    np.testing.assert_array_equal(values[np.asarray(where)], value, "the value is the leaf's")


def test_shares_find_their_leaves(rough):
    values, grown = rough
    for level, below in zip(grown[1:], grown, strict=False):
        sums = np.asarray(below, np.float64).reshape(-1, 8).sum(-1)
        np.testing.assert_allclose(level[: len(sums)], sums, rtol=1e-6, err_msg="sums of children")
    running = np.cumsum(values.astype(np.float64))
    large = np.flatnonzero(values > running[-1] * 1e-5)  # others are lost in float32's rounding
    middle = running[large] - values[large] / 2
    where, _ = find(grown, jnp.asarray(middle, jnp.float32))
    np.testing.assert_array_equal(where, large, "the leaf in which the share lies")


@pytest.mark.parametrize(
    "rule", [{"alpha": 1.1}, {"alpha": -0.1}, {"beta": 2.0}, {"times": 0}], ids=str
)
def test_exponents_and_times_out_of_range_are_errors(rule):
    with pytest.raises(SpecError, match="`Prioritised`"):
        Prioritised(**rule)


def test_nothing_is_drawn_of_nothing():
    drawn = sample(SELECTOR, SELECTOR.init(PLACES, LIVES), span(0), 64, key=jr.key(0))
    assert not drawn.weight.any(), "weights of an empty store"
