"""Distributions of vectors: against SciPy and sums over a fine grid."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats

from meadow.nn.distribution import Normal, TanhNormal

MEAN = jnp.array([[0.3, -1.2], [2.0, 0.0]])
LOG_STD = jnp.array([[-0.5, 0.4], [0.0, -1.0]])
NORMAL = Normal(MEAN, LOG_STD)
LOW, HIGH = -1.0, 3.0
SQUASHED = TanhNormal(NORMAL, LOW, HIGH)


def scipys(normal: Normal = NORMAL) -> Any:
    return scipy.stats.norm(np.float64(normal.mean), np.exp(np.float64(normal.log_std)))


def test_the_density_and_entropy_of_a_normal_are_scipys():
    action = jnp.array([[0.0, 0.5], [-3.0, 0.2]])
    theirs = scipys().logpdf(np.float64(action)).sum(-1)
    np.testing.assert_allclose(NORMAL.log_prob(action), theirs, rtol=1e-5)
    np.testing.assert_allclose(NORMAL.entropy(), scipys().entropy().sum(-1), rtol=1e-5)


def test_a_normal_is_drawn_as_scipys():
    drawn = jax.jit(jax.vmap(lambda key: NORMAL.sample(key=key)))(jr.split(jr.key(0), 4000))
    for i in np.ndindex(MEAN.shape):
        ours = scipy.stats.norm(float(MEAN[i]), float(jnp.exp(LOG_STD[i])))
        assert scipy.stats.kstest(drawn[:, *i], ours.cdf).pvalue > 1e-3, "another distribution"


def test_the_divergence_of_normals_is_its_integral():
    other = Normal(MEAN + 0.7, LOG_STD - 0.3)
    x = np.linspace(-15, 15, 30_001)[:, None, None]
    mine, theirs = scipys(), scipys(other)
    density = mine.pdf(x) * (mine.logpdf(x) - theirs.logpdf(x))
    np.testing.assert_allclose(
        NORMAL.divergence(other), np.trapezoid(density, x, axis=0), rtol=1e-4
    )
    np.testing.assert_allclose(NORMAL.divergence(NORMAL), 0.0, atol=1e-6)


def test_the_density_of_a_squashed_normal_is_a_density():
    """It sums to one over the box, and its mass lies where the normal's does."""
    for mean, std in ((0.3, 0.6), (-1.2, 1.5), (2.0, 0.4)):
        one = TanhNormal(Normal(jnp.array([mean]), jnp.log(jnp.array([std]))), LOW, HIGH)
        x = np.linspace(LOW, HIGH, 200_001)[1:-1]
        density = np.exp(np.float64(one.log_prob(jnp.float32(x)[:, None])))
        assert np.trapezoid(density, x) == pytest.approx(1.0, abs=5e-3), "probabilities sum to one"
        below = x < 1.5
        mass = scipy.stats.norm(mean, std).cdf(np.arctanh((1.5 - LOW) / (HIGH - LOW) * 2 - 1))
        assert np.trapezoid(density[below], x[below]) == pytest.approx(mass, abs=5e-3)


def test_what_is_drawn_comes_with_its_density():
    action, log_prob = SQUASHED.sample_and_log_prob(key=jr.key(0))
    np.testing.assert_array_equal(action, SQUASHED.sample(key=jr.key(0)))
    np.testing.assert_allclose(log_prob, SQUASHED.log_prob(action), rtol=1e-3, atol=1e-4)
    assert bool(((action > LOW) & (action < HIGH)).all())


def test_a_density_far_out_is_finite_and_so_are_its_slopes():
    def log_prob(mean: jax.Array) -> jax.Array:
        far = TanhNormal(Normal(mean, jnp.zeros(2)), LOW, HIGH)
        return far.sample_and_log_prob(key=jr.key(0))[1]

    for far in (50.0, -50.0):
        value, slope = jax.jit(jax.value_and_grad(log_prob))(jnp.full(2, far))
        assert bool(jnp.isfinite(value)) and bool(jnp.isfinite(slope).all()), "lost in rounding"
    edge = SQUASHED.log_prob(jnp.full((2, 2), HIGH))
    assert bool(jnp.isfinite(edge).all()), "of an action on the edge"


def test_the_mode_is_what_the_mean_is_squashed_to():
    wanted = LOW + (HIGH - LOW) * (np.tanh(MEAN) + 1) / 2
    np.testing.assert_allclose(SQUASHED.mode(), wanted, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.7), (-0.3, 0.1), (-1.7, 2.3)])
def test_rounding_carries_nothing_out_of_the_box(low, high):
    far = TanhNormal(Normal(jnp.array([40.0, -40.0]), jnp.zeros(2)), low, high)
    assert bool(((far.mode() >= low) & (far.mode() <= high)).all())


def test_a_squashed_normal_says_how_to_estimate_its_entropy():
    with pytest.raises(NotImplementedError, match="mean of -log_prob"):
        SQUASHED.entropy()
