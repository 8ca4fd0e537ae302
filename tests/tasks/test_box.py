"""Parameters: uniform in the box, changed a little, told apart."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks.box import Parameters

# One wide, one narrow, one fixed.
SPACE = Parameters(("mass", "length", "gravity"), low=(-5, 0.1, 9.8), high=(15, 0.3, 9.8))
LOW, HIGH = map(np.asarray, SPACE.bounds)
NUM = 2_000


@jax.jit
def drawn(keys):
    return jax.vmap(lambda key: SPACE.sample(key=key))(keys)


@jax.jit
def moved(tasks, keys):
    return jax.vmap(lambda task, key: SPACE.mutate(task, key=key))(tasks, keys)


def keys(seed: int):
    return jr.split(jr.key(seed), NUM)


def test_samples_fill_the_box_evenly():
    tasks = np.asarray(drawn(keys(0)))
    assert ((tasks >= LOW) & (tasks <= HIGH)).all(), "nothing is drawn outside the box"
    shares = (tasks[:, :2] - LOW[:2]) / (HIGH - LOW)[:2]
    counts = np.stack([np.histogram(x, bins=4, range=(0, 1))[0] for x in shares.T])
    assert np.abs(counts / NUM - 0.25).max() < 0.05, "every quarter of a range is as likely"
    assert (tasks[:, 2] == LOW[2]).all(), "a range that is a point is that point"


def test_a_mutation_is_small_and_moves_at_least_one():
    middle = jnp.tile(SPACE.empty(key=jr.key(0)), (NUM, 1))
    change = (np.asarray(moved(middle, keys(1))) - np.asarray(middle))[:, :2] / (HIGH - LOW)[:2]
    there = change != 0
    # At least one of three, and the third cannot move: 1/6 moves that alone, 1/2 neither other.
    assert 0.6 < there.mean() < 0.73, "each parameter moves with probability 1/2, one for certain"
    sizes = change[there]
    np.testing.assert_allclose(sizes.std(), SPACE.spread, rtol=0.05)
    assert abs(sizes.mean()) < 0.01, "up and down alike"


def test_mutations_are_reflected_where_they_would_leave_the_box():
    tasks = drawn(keys(2))
    for i in range(20):
        tasks = moved(tasks, keys(3 + i))
        assert bool(((tasks >= LOW) & (tasks <= HIGH)).all()), "a mutation stays in the box"
    ends = np.mean((np.asarray(tasks)[:, :2] == LOW[:2]) | (np.asarray(tasks)[:, :2] == HIGH[:2]))
    assert ends < 0.01, "what would leave is reflected, not heaped up at the ends"
    shares = (np.asarray(tasks)[:, :2] - LOW[:2]) / (HIGH - LOW)[:2]
    counts = np.stack([np.histogram(x, bins=4, range=(0, 1))[0] for x in shares.T])
    assert np.abs(counts / NUM - 0.25).max() < 0.05, "so the even spread is kept"


def test_what_is_simplest_can_be_said():
    start = Parameters(("mass",), (0.0,), (1.0,), start=(0.25,))
    assert start.empty(key=jr.key(0)).tolist() == [0.25]
    middle = SPACE.empty(key=jr.key(0))
    np.testing.assert_allclose(middle, (LOW + HIGH) / 2, rtol=1e-6, err_msg="else the middle")


def test_fingerprints_tell_values_apart_and_forgive_rounding():
    tasks = drawn(keys(0))
    prints = {tuple(x) for x in np.asarray(jax.vmap(SPACE.fingerprint)(tasks)).tolist()}
    assert len(prints) == NUM, "different parameters are different problems"
    middle = SPACE.empty(key=jr.key(0))
    close = SPACE.fingerprint(middle + jnp.asarray([1e-6, 0, 0]))
    np.testing.assert_array_equal(close, SPACE.fingerprint(middle), "the last bit is no difference")


def test_features_are_the_parameters():
    task = jnp.asarray([1.0, 0.2, 9.8])
    assert {k: round(float(v), 4) for k, v in SPACE.features(task).items()} == {
        "mass": 1.0,
        "length": 0.2,
        "gravity": 9.8,
    }
    assert bool(SPACE.solvable(task))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"names": ("a", "b")}, "one number of `low`, `high` and `start`"),
        ({"names": ("a",), "start": (1.0, 2.0)}, "one number of `low`, `high` and `start`"),
        ({"low": (2.0,)}, "low <= start <= high, got low=2.0"),
        ({"high": (float("inf"),)}, "must be finite"),
        ({"start": (3.0,)}, "start=3.0, high=1.0"),
        ({"spread": 0.0}, "`spread` must be above 0"),
    ],
)
def test_ranges_that_are_none_are_refused(fields, says):
    with pytest.raises(TaskError, match=says):
        Parameters(**{"names": ("a",), "low": (0.0,), "high": (1.0,), **fields})
