"""Worths: against rlax, against the sums written out, and what a perfect answer costs."""

import importlib
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meadow.core.errors import SpecError
from meadow.nn.worth import AbstractWorth, Categorical, Quantiles, Scalar, project, quantile_loss

BATCH = 5
WORTHS = {
    "squares": Scalar(),
    "huber": Scalar(huber=0.5),
    "rescaled": Scalar(rescale=True),
    "categorical": Categorical(low=-2.0, high=3.0, atoms=6),
    "quantiles": Quantiles(num=4, huber=0.5),
}


def numbers(worth: AbstractWorth, seed: int = 0) -> tuple[jax.Array, ...]:
    """What is told, a reward, a discount and what follows, for a batch; some ends."""
    rng = np.random.default_rng(seed)
    told, after = 2 * rng.normal(size=(2, BATCH, worth.size)).astype(np.float32)
    reward = rng.normal(size=BATCH).astype(np.float32)
    discount = rng.choice([0.0, 0.81, 0.9], BATCH).astype(np.float32)
    return tuple(map(jnp.asarray, (told, reward, discount, after)))


@eqx.filter_jit
def cost(worth: AbstractWorth, *args: Any) -> jax.Array:
    return worth.loss(*args)


def imported_rlax() -> Any:
    """The library, or a skip: it hangs on nightly builds, which a new JAX can break on import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("rlax")
        except Exception as error:
            pytest.skip(f'rlax cannot be imported ({error}): pip install ".[peers]"')


# --- laws of every worth --------------------------------------------------------------------------

each = pytest.mark.parametrize("worth", WORTHS.values(), ids=WORTHS)


@each
def test_no_gradient_goes_into_the_target(worth):
    def total(*args: Any) -> jax.Array:
        return worth.loss(*args).sum()

    told, *others = jax.jit(jax.grad(total, argnums=(0, 1, 2, 3)))(*numbers(worth))
    assert np.abs(told).max() > 0, "what is told learns"
    for slope in others:
        np.testing.assert_array_equal(slope, 0.0, "a target was moved")


@each
def test_nothing_follows_an_end(worth):
    told, reward, _, after = numbers(worth)
    end = jnp.zeros(BATCH)
    one, other = (cost(worth, told, reward, end, x) for x in (after, after[::-1] + 1))
    np.testing.assert_allclose(one, other, rtol=1e-5, err_msg="discount 0 lets something through")


@each
def test_a_batch_is_its_examples(worth):
    batch = numbers(worth)
    alone = [cost(worth, *(x[i] for x in batch)) for i in range(BATCH)]
    np.testing.assert_allclose(cost(worth, *batch), alone, rtol=1e-5)


@each
def test_the_error_is_that_of_the_means(worth):
    told, reward, discount, after = numbers(worth)
    target = reward + discount * worth.mean(after)
    got = worth.error(told, reward, discount, after)
    expected = worth.scaled(target) - worth.scaled(worth.mean(told))
    np.testing.assert_allclose(got, expected, atol=1e-6)
    if worth.size == 1:
        half = cost(worth, told, reward, discount, after)
        size, bound = np.abs(got), worth.huber or np.inf
        expected = np.where(size < bound, size**2 / 2, bound * (size - bound / 2))
        np.testing.assert_allclose(half, expected, rtol=1e-3, atol=1e-5)


# --- one by one -----------------------------------------------------------------------------------


@given(x=st.floats(-300, 300, width=32))
def test_rescaling_and_its_inverse(x):
    worth = Scalar(rescale=True)
    h = np.sign(x) * (np.sqrt(abs(x) + 1) - 1) + 1e-3 * x
    np.testing.assert_allclose(worth.scaled(jnp.float32(x)), h, rtol=1e-5, atol=1e-6)
    back = worth.mean(jnp.float32(h)[None])
    np.testing.assert_allclose(back, x, rtol=5e-3, atol=2e-3, err_msg="h^-1 does not undo h")


projected = jax.jit(project, static_argnums=(2, 3))


def shared(chances: np.ndarray, returns: np.ndarray, low: float, high: float) -> np.ndarray:
    """Every chance given to the two atoms beside it."""
    atoms, out = np.linspace(low, high, len(chances)), np.zeros(len(chances))
    gap = atoms[1] - atoms[0]
    for chance, z in zip(chances, returns, strict=True):
        b = (np.clip(z, low, high) - low) / gap
        below = min(int(b), len(atoms) - 2)
        out[below] += chance * (below + 1 - b)
        out[below + 1] += chance * (b - below)
    return out


@given(seed=st.integers(0, 2**32 - 1))
def test_projection_shares_with_the_neighbours(seed):
    rng = np.random.default_rng(seed)
    chances, returns = rng.dirichlet(np.ones(6)), 4 * rng.normal(size=6)
    got = projected(jnp.float32(chances), jnp.float32(returns), -2.0, 3.0)
    np.testing.assert_allclose(got, shared(chances, returns, -2.0, 3.0), atol=1e-5)
    np.testing.assert_allclose(got.sum(), 1, rtol=1e-5, err_msg="chances were lost")
    inside = np.clip(returns, -2, 3) @ chances
    mean = np.asarray(got) @ np.linspace(-2, 3, 6)
    np.testing.assert_allclose(mean, inside, atol=1e-4, err_msg="within the bounds it keeps means")


def test_a_perfect_distribution_costs_its_entropy():
    worth = WORTHS["categorical"]
    told, *_ = numbers(worth)
    nothing, all_of_it = jnp.zeros(BATCH), jnp.ones(BATCH)
    p = np.asarray(jax.nn.softmax(told))
    entropy = -(p * np.log(p)).sum(-1)
    np.testing.assert_allclose(cost(worth, told, nothing, all_of_it, told), entropy, rtol=1e-5)
    assert (cost(worth, told + numbers(worth, 1)[0], nothing, all_of_it, told) > entropy).all()


def test_quantile_regression_finds_quantiles():
    """The loss is flat at the middles of equal parts of the target."""
    target = jnp.sort(jnp.asarray(np.random.default_rng(0).normal(size=4000), jnp.float32))
    middles = jnp.quantile(target, (jnp.arange(4) + 0.5) / 4)
    slope = jax.jit(jax.grad(lambda q: quantile_loss(q, target, 1e-3)))
    np.testing.assert_allclose(slope(middles), 0, atol=2e-3)
    assert (slope(middles + 0.1) > 0.01).all() and (slope(middles - 0.1) < -0.01).all()


def test_the_mean_is_that_of_the_distribution():
    categorical, quantiles = WORTHS["categorical"], WORTHS["quantiles"]
    certain = jnp.where(jnp.arange(6) == 4, 50.0, 0.0)
    np.testing.assert_allclose(categorical.mean(certain), 2.0, rtol=1e-5)
    np.testing.assert_allclose(quantiles.mean(jnp.arange(4.0)), 1.5, rtol=1e-6)


@pytest.mark.parametrize("bad", [{"low": 1.0, "high": 1.0}, {"atoms": 1}])
def test_atoms_that_cannot_be_spread_are_refused(bad):
    with pytest.raises(SpecError, match="low < high and two atoms"):
        Categorical(**bad)


@pytest.mark.parametrize("worth", [Scalar, Quantiles])
@pytest.mark.parametrize("huber", [0.0, -1.0, float("nan")])
def test_bounds_that_leave_no_loss_are_refused(worth, huber):
    with pytest.raises(SpecError, match=f"`{worth.__name__}`.* got huber={huber}"):
        worth(huber=huber)


# --- against rlax ---------------------------------------------------------------------------------


@pytest.mark.parity
def test_scalars_equal_rlax():
    rlax = imported_rlax()
    told, reward, discount, after = numbers(Scalar())
    error = reward + discount * after[:, 0] - told[:, 0]
    got = cost(Scalar(huber=0.5), told, reward, discount, after)
    np.testing.assert_allclose(got, rlax.huber_loss(error, 0.5), rtol=1e-5)
    got = cost(Scalar(), told, reward, discount, after)
    np.testing.assert_allclose(got, rlax.l2_loss(error), rtol=1e-5)
    got = Scalar(rescale=True).scaled(reward)
    np.testing.assert_allclose(got, rlax.signed_hyperbolic(reward), rtol=1e-5)
    got = Scalar(rescale=True).mean(told)
    np.testing.assert_allclose(got, rlax.signed_parabolic(told[:, 0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parity
def test_the_projection_equals_rlax():
    rlax = imported_rlax()
    worth = WORTHS["categorical"]
    told, reward, discount, after = numbers(worth)
    chances = jax.nn.softmax(after)
    shifted = reward[:, None] + discount[:, None] * worth.returns
    theirs = jax.vmap(lambda z, p: rlax.categorical_l2_project(z, p, worth.returns))
    expected = theirs(shifted, chances)
    np.testing.assert_allclose(project(chances, shifted, -2.0, 3.0), expected, atol=1e-5)
    entropy = -(np.asarray(expected) * jax.nn.log_softmax(told)).sum(-1)
    np.testing.assert_allclose(cost(worth, told, reward, discount, after), entropy, rtol=1e-5)


@pytest.mark.parity
def test_quantile_regression_equals_rlax():
    rlax = imported_rlax()
    worth = WORTHS["quantiles"]
    told, reward, discount, after = numbers(worth)
    middles = (np.arange(4, dtype=np.float32) + 0.5) / 4

    def theirs(told: Any, reward: Any, discount: Any, after: Any) -> jax.Array:
        # One action, so that choosing it is no part of the comparison.
        q, action = told[:, None], jnp.int32(0)
        return rlax.quantile_q_learning(
            q, middles, action, reward, discount, after[:, None], after[:, None], worth.huber
        )

    # The paper's own loss, as theirs, grows with the Huber bound; that of IQN is divided by it.
    expected = jax.vmap(theirs)(told, reward, discount, after) / worth.huber
    np.testing.assert_allclose(cost(worth, told, reward, discount, after), expected, rtol=1e-5)
