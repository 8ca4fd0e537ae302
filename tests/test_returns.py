"""Advantages: against the sum written out, against rlax, and what a cut does."""

import importlib
import warnings
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meadow.returns import gae, n_step, v_trace

LENGTH, LIVES = 7, 3
compiled = jax.jit(gae, static_argnames="trace")


def rows(seed: int, *, cuts: float = 0.3, ends: float = 0.2) -> dict[str, np.ndarray]:
    """Random rewards, discounts (some 0), values, values of what followed, and cuts."""
    rng = np.random.default_rng(seed)
    shape = (LENGTH, LIVES)
    numbers = {
        name: rng.normal(size=shape).astype(np.float32)
        for name in ("rewards", "values", "next_values")
    }
    alive = rng.random(shape) >= ends
    cut = (rng.random(shape) < cuts).astype(np.float32)
    return numbers | {"discounts": (0.9 * alive).astype(np.float32), "cuts": cut}


def written_out(rows: dict[str, np.ndarray], trace: float) -> np.ndarray:
    """Every advantage as a sum of its own: A_t = sum_k (prod of decays) delta_{t+k}."""
    r, d, v = rows["rewards"], rows["discounts"], rows["values"]
    deltas = r + d * rows["next_values"] - v
    decays = trace * d * (1 - rows["cuts"])
    return np.stack(
        [
            sum(decays[t : t + k].prod(axis=0) * deltas[t + k] for k in range(LENGTH - t))
            for t in range(LENGTH)
        ]
    )


@given(seed=st.integers(0, 2**32 - 1), trace=st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_the_recursion_is_the_sum(seed, trace):
    lived = rows(seed)
    np.testing.assert_allclose(
        compiled(**lived, trace=trace), written_out(lived, trace), atol=1e-5,
        err_msg="the advantages are not the discounted sums of the one-step errors",
    )  # fmt: skip


def imported_rlax() -> Any:
    """The library, or a skip: it hangs on nightly builds, which a new JAX can break on import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("rlax")
        except Exception as error:
            pytest.skip(f'rlax cannot be imported ({error}): pip install ".[peers]"')


@pytest.mark.parity
def test_equals_rlax_where_nothing_is_cut():
    rlax = imported_rlax()
    lived = rows(0, cuts=0.0)
    # rlax takes values of all times in one row: what followed a step is the next step.
    values = np.concatenate([lived["values"], lived["next_values"][-1:]])
    lived["next_values"] = values[1:]
    theirs = jax.vmap(
        lambda r, d, v: rlax.truncated_generalized_advantage_estimation(r, d, 0.9, v),
        in_axes=1, out_axes=1,
    )(lived["rewards"], lived["discounts"], values)  # fmt: skip
    np.testing.assert_allclose(compiled(**lived, trace=0.9), theirs, atol=1e-5)


def test_a_cut_stops_the_sum_and_not_the_bootstrap():
    lived = rows(1, cuts=0.0, ends=0.0)
    lived["cuts"][3] = 1.0
    before = np.asarray(compiled(**lived, trace=1.0))

    later = {name: x.copy() for name, x in lived.items()}
    later["rewards"][4:] += 10.0
    after = np.asarray(compiled(**later, trace=1.0))
    np.testing.assert_array_equal(before[:4], after[:4], "what came after a cut was counted")
    assert (after[4:] > before[4:]).all(), "what came after a cut counts for what it followed"

    worth = {name: x.copy() for name, x in lived.items()}
    worth["next_values"][3] += 1.0
    gain = np.asarray(compiled(**worth, trace=1.0)) - before
    np.testing.assert_allclose(gain[3], 0.9, atol=1e-5, err_msg="the true final value counts")
    np.testing.assert_allclose(gain[0], 0.9**4, atol=1e-5, err_msg="and for the steps before it")
    np.testing.assert_array_equal(gain[4:], 0.0, "but for nothing after the cut")


def test_nothing_follows_an_end():
    lived = rows(2, cuts=0.0, ends=0.0)
    lived["discounts"][3] = 0.0
    before = np.asarray(compiled(**lived, trace=1.0))
    lived["next_values"][3] = 1e6
    lived["rewards"][4:] = 1e6
    after = np.asarray(compiled(**lived, trace=1.0))
    np.testing.assert_array_equal(before[:4], after[:4], "an end was followed by something")


# --- V-trace --------------------------------------------------------------------------------------

traced = jax.jit(v_trace, static_argnames="trace")


def ratios(seed: int) -> np.ndarray:
    """On both sides of 1, and none above 1.5."""
    drawn = np.exp(np.random.default_rng(seed).normal(size=(LENGTH, LIVES)))
    return np.minimum(drawn, 1.5).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), trace=st.sampled_from([0.0, 0.9, 1.0]))
def test_v_trace_is_the_sum(seed, trace):
    lived, rho = rows(seed), ratios(seed)
    deltas = lived["rewards"] + lived["discounts"] * lived["next_values"] - lived["values"]
    follows = lived["discounts"] * (1 - lived["cuts"])
    decays = follows * trace * np.minimum(1, rho)
    errors = np.stack(
        [
            sum(decays[t : t + k].prod(axis=0) * (rho * deltas)[t + k] for k in range(LENGTH - t))
            for t in range(LENGTH)
        ]
    )
    later = np.concatenate([errors[1:], np.zeros((1, LIVES))])
    targets, advantages = traced(**lived, ratios=rho, trace=trace)
    np.testing.assert_allclose(targets, lived["values"] + errors, atol=1e-5)
    np.testing.assert_allclose(advantages, rho * (deltas + trace * follows * later), atol=1e-5)


def test_v_trace_of_ones_own_policy_is_the_lambda_return():
    lived = rows(0)
    ones = np.ones((LENGTH, LIVES), np.float32)
    targets, advantages = traced(**lived, ratios=ones, trace=0.9)
    expected = np.asarray(compiled(**lived, trace=0.9))
    np.testing.assert_allclose(targets, lived["values"] + expected, atol=1e-5)
    np.testing.assert_allclose(advantages, expected, atol=1e-5)


@pytest.mark.parity
def test_v_trace_equals_rlax_where_nothing_is_cut():
    rlax = imported_rlax()
    lived, rho = rows(0, cuts=0.0), ratios(0)
    values = np.concatenate([lived["values"], lived["next_values"][-1:]])
    lived["next_values"] = values[1:]
    theirs = jax.vmap(
        lambda v, after, r, d, rho: rlax.vtrace_td_error_and_advantage(
            v, after, r, d, rho, 0.9, clip_rho_threshold=1.2, clip_pg_rho_threshold=1.2
        ),
        in_axes=1, out_axes=1,
    )(values[:-1], values[1:], lived["rewards"], lived["discounts"], rho)  # fmt: skip
    targets, advantages = traced(**lived, ratios=np.minimum(rho, 1.2), trace=0.9)
    np.testing.assert_allclose(targets - lived["values"], theirs.errors, atol=1e-5)
    np.testing.assert_allclose(advantages, theirs.pg_advantage, atol=1e-5)


# --- several steps as one -------------------------------------------------------------------------

as_one = jax.jit(n_step)


def steps(seed: int) -> dict[str, np.ndarray]:
    """Random rewards, discounts and ends: discounts are 0 in some ends, and in other rows below."""
    rng = np.random.default_rng(seed)
    shape = (4, LIVES)
    last = rng.random(shape) < 0.3
    discounts = 0.9 * np.where(last, rng.integers(0, 2, shape), rng.choice([1.0, 0.5], shape))
    rewards = rng.normal(size=shape).astype(np.float32)
    return {"rewards": rewards, "discounts": discounts.astype(np.float32), "last": last}


@given(seed=st.integers(0, 2**32 - 1))
def test_several_steps_are_taken_one_by_one(seed):
    lived = steps(seed)
    got = as_one(**lived)
    for life in range(LIVES):
        total, discount, row = 0.0, 1.0, 0
        for row in range(4):
            total += discount * lived["rewards"][row, life]
            discount *= lived["discounts"][row, life]
            if lived["last"][row, life]:
                break
        one = [x[life] for x in got]
        np.testing.assert_allclose(one, [total, discount, row], atol=1e-5, err_msg="R, D, row")


def test_acme_1_so_many_steps_are_discounted_so_often():
    ones, never = np.ones((3, 1), np.float32), np.zeros((3, 1), bool)
    reward, discount, row = as_one(ones, 0.9 * ones, never)
    np.testing.assert_allclose(discount, 0.9**3, rtol=1e-6, err_msg="gamma^n, not gamma^(n - 1)")
    np.testing.assert_allclose(reward, 1 + 0.9 + 0.81, rtol=1e-6)
    assert row.item() == 2


@pytest.mark.parity
def test_several_steps_equal_rlax():
    rlax = imported_rlax()
    lived, value = steps(0), np.arange(1.0, 5.0, dtype=np.float32)[:, None] * np.ones((4, LIVES))
    # Theirs has no ends: a discount of 0 is what stops it.
    lived["discounts"] = np.where(lived["last"], 0.0, lived["discounts"]).astype(np.float32)
    reward, discount, _ = as_one(**lived)
    theirs = jax.vmap(
        lambda r, d, v: rlax.n_step_bootstrapped_returns(r, d, v, 4)[0], in_axes=1
    )(lived["rewards"], lived["discounts"], value.astype(np.float32))  # fmt: skip
    np.testing.assert_allclose(reward + discount * value[-1], theirs, atol=1e-5)
