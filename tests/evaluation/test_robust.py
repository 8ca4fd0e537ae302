"""Figures over runs and tasks agree with SciPy, and comparisons with what is known of them."""

import numpy as np
import pytest
from scipy import stats

from meadow.core.errors import UnknownNameError
from meadow.evaluation.robust import aggregate, compare, improvement, interquartile_mean


@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 7, 8, 101])
def test_the_interquartile_mean_is_a_trimmed_mean(num):
    values = np.random.default_rng(num).exponential(size=(3, num))
    expected = stats.trim_mean(values, 0.25, axis=1)
    np.testing.assert_allclose(interquartile_mean(values), expected, err_msg=f"of {num} values")


def test_an_aggregate_is_over_all_runs_and_tasks():
    values = np.arange(12.0).reshape(3, 4)
    values[0, 0] = -1000
    assert aggregate(values).value == stats.trim_mean(values, 0.25, axis=None)
    assert aggregate(values, "mean").value == values.mean()
    few, many = (aggregate(np.resize(values, (runs, 4)), "mean") for runs in (3, 60))
    assert many.high - many.low < few.high - few.low, "more runs, more certain"
    solved = aggregate(np.array([[True, False], [True, True]]), "mean")
    assert solved.value == 0.75, "a share is a mean"
    with pytest.raises(UnknownNameError, match="Did you mean 'mean'"):
        aggregate(values, "men")


def test_a_comparison_is_run_for_run():
    rng = np.random.default_rng(0)
    luck = rng.normal(size=(8, 1))  # of a seed, the same for both methods
    one, other = (luck + rng.normal(0, 0.1, (8, 20)) + gain for gain in (0.3, 0.0))
    paired = compare(one, other)
    assert paired.low > 0 and paired.value == pytest.approx(0.3, abs=0.1), "it sees through luck"
    apart = aggregate(one, "mean").low - aggregate(other, "mean").high
    assert apart < 0, "where intervals of each overlap"
    assert compare(other, one).value == -paired.value
    assert compare(one[:, 0], other[:, 0], "interquartile mean").low > 0, "without tasks too"


def test_a_comparison_covers_the_true_difference():
    rng = np.random.default_rng(0)
    found = [
        compare(rng.normal(0.5, 1, 20), rng.normal(0, 1, 20), resamples=200) for _ in range(300)
    ]
    share = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert 0.88 < share < 0.97, f"95 % intervals covered the difference {share:.1%} of the time"


def test_the_probability_of_improvement_is_mann_whitneys():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 6, (9, 3)), rng.integers(0, 5, (7, 3))
    expected = stats.mannwhitneyu(one, other, axis=0).statistic.mean() / (9 * 7)
    found = improvement(one, other)
    assert found.value == pytest.approx(expected), "of pairs, a mean over tasks, ties half"
    assert found.low < found.value < found.high
    assert improvement(other, one).value == pytest.approx(1 - expected)
    assert improvement(one + 10, other) == pytest.approx((1, 1, 1)), (
        "whoever is always better, surely is"
    )
