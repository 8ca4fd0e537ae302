"""The worst share of tasks, judged by attempts that did not choose them."""

import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.evaluation.tail import ALPHAS, conditional, tail


def test_who_chooses_and_judges_by_the_same_attempts_is_biased():
    """On pure noise: every task is solved half of the time, so no task is worse than another."""
    first, second = np.random.default_rng(0).binomial(10, 0.5, (2, 200, 1000)) / 10
    same = conditional(first, first).mean(axis=0)
    apart = conditional(first, second).mean(axis=0)
    np.testing.assert_allclose(apart, 0.5, atol=0.01, err_msg="two seeds report what is true")
    assert (same[:3] < [0.12, 0.22, 0.26]).all(), "one seed reports its own bad luck as difficulty"
    assert same[ALPHAS.index(100.0)] == pytest.approx(0.5, abs=0.01), "of all there is no choice"


def test_the_worst_tasks_are_found_where_there_are_some():
    rates = np.where(np.arange(1000) < 50, 0.1, 0.9)  # a twentieth of the tasks is hard
    first, second = np.random.default_rng(0).binomial(20, rates, (2, 1000)) / 20
    found = conditional(first, second)
    expected = [0.1, 0.1, 0.5, 0.86]  # of the worst 1, 5, 10 and 100 %
    np.testing.assert_allclose(found, expected, atol=0.04)


def test_the_order_of_tasks_does_not_matter_where_they_tie():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, 50) / 2, rng.random(50)
    order = rng.permutation(50)
    np.testing.assert_allclose(
        conditional(first[order], second[order], [3, 30, 70]),
        conditional(first, second, [3, 30, 70]),
    )


def test_it_is_what_sorting_gives_where_nothing_ties():
    rng = np.random.default_rng(0)
    first, second = rng.permutation(200) / 200, rng.random(200)
    worst = second[np.argsort(first)]
    for alpha in (0.5, 1, 7, 99.5, 100):
        expected = worst[: round(2 * alpha)].mean()
        np.testing.assert_allclose(conditional(first, second, [alpha]), [expected])
    part = (worst[0] + 0.4 * worst[1]) / 1.4
    np.testing.assert_allclose(conditional(first, second, [0.7]), [part], err_msg="1.4 tasks")


def test_each_run_has_its_own_worst_tasks():
    first = np.array([[0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]])
    second = np.array([[0.1, 0.9, 0.9, 0.9], [0.8, 0.8, 0.8, 0.2]])
    found = tail(first, second, 25)
    assert found.value == pytest.approx(0.15), "the mean of 0.1 and 0.2"
    assert found.low == pytest.approx(0.1) and found.high == pytest.approx(0.2), "runs are drawn"
    one = tail(first[:1], second[:1], 25)
    assert one.value == pytest.approx(0.1) and one.high > 0.5, "of one run, tasks are"


@pytest.mark.parametrize("alpha", [0, -1, 101])
def test_a_share_is_a_share(alpha):
    with pytest.raises(SpecError, match="above 0 and at most 100"):
        conditional(np.ones(3), np.ones(3), [alpha])
