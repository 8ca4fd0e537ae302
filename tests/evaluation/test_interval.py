"""Intervals cover what they claim to, and say so when a statistic does not exist."""

import numpy as np
import pytest

from meadow.core.errors import UnknownNameError
from meadow.evaluation.interval import STATISTICS, estimate


@pytest.mark.parametrize(
    ("statistic", "truth"),
    [("mean", 1.0), ("median", np.log(2)), ("20th percentile", -np.log(0.8))],
)
def test_the_interval_covers(statistic, truth):
    """Of tasks whose values are exponential with mean 1, so that nothing is symmetric."""
    rng = np.random.default_rng(0)
    draws = [estimate(rng.exponential(size=100), statistic, resamples=200) for _ in range(400)]
    covered = np.mean([one.low <= truth <= one.high for one in draws])
    assert 0.91 < covered < 0.98, f"95 % intervals covered the truth {covered:.1%} of the time"
    values = [one.value for one in draws]
    assert np.mean(values) == pytest.approx(truth, abs=0.03), "and their centres are right"


def test_the_level_is_the_share_that_is_covered():
    rng = np.random.default_rng(1)
    values = [rng.normal(size=60) for _ in range(400)]
    half = [estimate(x, level=0.5, resamples=200) for x in values]
    covered = np.mean([one.low <= 0 <= one.high for one in half])
    assert 0.42 < covered < 0.56, f"50 % intervals covered the truth {covered:.1%} of the time"


def test_statistics_are_what_they_are_called():
    values = np.array([0.0, 1.0, 2.0, 3.0, 10.0])
    found = {name: estimate(values, name).value for name in STATISTICS}
    assert found == {"mean": 3.2, "median": 2.0, "20th percentile": pytest.approx(0.8)}
    assert estimate(np.array([True, False, True, True])).value == 0.75, "a share is a mean"


def test_the_same_values_have_the_same_interval():
    values = np.random.default_rng(0).normal(size=30)
    assert estimate(values) == estimate(values), "the bootstrap draws from a seed"
    assert estimate(values) != estimate(values, seed=1), "and the seed decides"


def test_an_unknown_statistic_is_refused():
    with pytest.raises(
        UnknownNameError, match="no statistic called 'medain'. Did you mean 'median'"
    ):
        estimate(np.ones(3), "medain")
