"""Bootstrap over runs: intervals cover what they say, and what is paired stays paired."""

import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.evaluation.bootstrap import bootstrap

RUNS, TASKS, REPEATS = 10, 8, 300


def mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=(-2, -1))


def covered(draw, statistic=mean, truth: float = 0.0, **options) -> float:
    """How often the interval of values drawn anew holds the truth."""
    rng = np.random.default_rng(0)
    found = [bootstrap(statistic, draw(rng), resamples=200, **options) for _ in range(REPEATS)]
    return np.mean([one.low <= truth <= one.high for one in found])


def agents_judged_on_all(rng: np.random.Generator) -> np.ndarray:
    """Each run is one agent, good or bad at all the tasks."""
    return rng.normal(size=(RUNS, 1)) + 0.5 * rng.normal(size=(RUNS, TASKS))


def agents_of_their_own(rng: np.random.Generator) -> np.ndarray:
    """Each task was learnt by agents that know no other."""
    return rng.normal(size=(RUNS, TASKS))


def test_a_run_is_drawn_with_its_whole_row():
    share = covered(agents_judged_on_all)
    assert 0.85 < share < 0.96, f"95 % intervals covered {share:.1%}; by the docstring it is 90 %"


def test_runs_drawn_apart_cover_only_where_tasks_had_agents_of_their_own():
    share = covered(agents_of_their_own, apart=True)
    assert 0.87 < share < 0.98, f"the stratified bootstrap covered {share:.1%} where it applies"
    share = covered(agents_judged_on_all, apart=True)
    assert share < 0.7, f"and {share:.1%} where agents were judged on all tasks"


def test_the_docstring_says_how_few_runs_cover():
    for runs, promised in [(5, 0.84), (20, 0.93)]:
        share = covered(lambda rng, runs=runs: rng.normal(size=(runs, 1)))
        assert abs(share - promised) < 0.05, f"{runs} runs cover {share:.1%}, told {promised:.0%}"


def test_of_one_run_tasks_are_drawn():
    share = covered(lambda rng: rng.normal(size=(1, 60)))
    assert 0.9 < share < 0.98, f"95 % intervals over tasks covered {share:.1%}"


def test_what_is_paired_is_drawn_together():
    values = np.random.default_rng(0).normal(size=(RUNS, TASKS))
    found = bootstrap(lambda a, b: mean(b - a), values, values + 3)
    assert found == pytest.approx((3, 3, 3)), "an equal difference has no width"


def test_draws_in_several_parts_are_the_same_kind_of_draws(monkeypatch):
    values = agents_judged_on_all(np.random.default_rng(1))
    whole = bootstrap(mean, values)
    monkeypatch.setattr("meadow.evaluation.bootstrap._AT_ONCE", RUNS * TASKS * 3)
    parts = bootstrap(mean, values)
    assert parts == pytest.approx(whole, abs=0.1), "memory bounds the draws made at once"
    assert parts == bootstrap(mean, values), "and the seed decides"


@pytest.mark.parametrize("shapes", [[(3, 2), (2, 2)], [(0, 2)], []], ids=str)
def test_values_that_do_not_pair_are_refused(shapes):
    with pytest.raises(SpecError, match=r"Expected values \[runs, tasks\] of one shape"):
        bootstrap(lambda *x: np.zeros(()), *map(np.zeros, shapes))
