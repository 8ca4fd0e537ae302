"""Limiter: one inequality on counts, against a model of twenty lines."""

import math
import random
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.replay.limiter import Counts, Limiter


class Model:
    """Reverb's rule: counts go up, and whoever may not wait."""

    def __init__(self, ratio, least, low, high):
        self.ratio, self.least, self.low, self.high = ratio, least, low, high
        self.inserts = self.samples = self.deletes = 0

    def may_insert(self, num):
        few = self.inserts + num - self.deletes <= self.least
        return few or (self.inserts + num) * self.ratio - self.samples <= self.high

    def may_sample(self, num):
        if self.inserts - self.deletes < self.least:
            return False
        return self.inserts * self.ratio - self.samples - num >= self.low

    @property
    def counts(self):
        return Counts(self.inserts, self.samples, self.deletes)


LIMITERS = {
    "least": (Limiter.after(7), (1, 7, -math.inf, math.inf)),
    "ratio": (Limiter.ratio_of(4.0, 10), (4, 10, 36, 44)),
    "fraction": (Limiter.ratio_of(0.25, 40, 8.0), (0.25, 40, 2, 18)),
    "queue": (Limiter.queue(5), (1, 1, 0, 5)),
    "window": (Limiter(3.0, 2, -5.0, 9.0), (3, 2, -5, 9)),
}


@pytest.mark.parametrize("name", LIMITERS)
def test_ten_thousand_operations_as_the_model_allows(name):
    limiter, rule = LIMITERS[name]
    model, luck, seen = Model(*rule), random.Random(0), set()
    for _ in range(10_000):
        what, num = luck.choice(["insert", "sample", "sample", "delete"]), luck.randint(1, 4)
        if what == "delete":
            model.deletes = min(model.deletes + luck.choice([0, 0, num]), model.inserts)
            continue
        got = getattr(limiter, f"may_{what}")(model.counts, num)
        assert got == getattr(model, f"may_{what}")(num), (
            f"{name}: may {num} {what}s follow {model.counts}?"
        )
        seen.add((what, got))
        if got:
            setattr(model, f"{what}s", getattr(model, f"{what}s") + num)
    assert ("sample", False) in seen and ("insert", True) in seen, "both answers were heard"


def test_a_stack_is_limited_like_a_queue():
    """Each item once, and so many waiting."""
    queue, counts = Limiter.queue(2), Counts(inserts=2)
    assert not queue.may_insert(counts) and queue.may_sample(counts, 2)
    assert not queue.may_sample(counts, 3), "no more than there are"
    assert queue.may_insert(Counts(inserts=2, samples=1)), "one was taken, one may come"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"ratio": 0.0}, "ratio > 0"),
        ({"least": 0}, "least >= 1"),
        ({"low": 0.0, "high": 1.9}, "Widen the window"),
        ({"ratio": 4.0, "low": 0.0, "high": 7.9}, "Widen the window"),
        ({"low": 2.5, "least": 2}, "Lower `low`"),
    ],
)
def test_acme_16_rules_that_lock_are_errors(rule, message):
    with pytest.raises(SpecError, match=message):
        Limiter(**rule)


def _loop(ratio, least, num, inserts):
    """How often a loop draws that may as long as the store is ahead of `ratio * least`."""
    samples = times = 0
    while inserts >= least and inserts * ratio - samples - num >= ratio * least:
        samples, times = samples + num, times + 1
    return times


@pytest.mark.parametrize(
    ("ratio", "least", "num"),
    [(8, 100, 32), (1, 1, 1), (Fraction(1, 4), 10, 32), (Fraction(7, 3), 5, 12), (256, 3, 256),
     (Fraction(31_415, 10_000), 17, 64), (Fraction(1, 1000), 1, 3)],
)  # fmt: skip
def test_due_is_what_a_loop_would_do(ratio, least, num):
    inserts = np.arange(0, 400, 3)
    due = [Limiter(float(ratio), least).due(int(i), num) for i in inserts]
    wanted = [_loop(Fraction(ratio), least, num, int(i)) for i in inserts]
    np.testing.assert_array_equal(due, wanted, "draws due after so many inserts")


@pytest.mark.parametrize("ratio", [Fraction(1, 4), Fraction(314_159, 100_000), Fraction(999, 997)])
@pytest.mark.parametrize("num", [1, 256, 5000])
def test_acme_4_due_is_exact_up_to_the_last_count(ratio, num):
    """Where nobody could count with a loop."""
    inserts = 2**31 - 1 - np.random.default_rng(0).integers(0, 2**30, 20)
    inserts = inserts if ratio < 1 or num > 3 else inserts // 4
    due = [Limiter(float(ratio), 1000).due(int(i), num) for i in inserts]
    wanted = [math.floor(ratio * (int(i) - 1000) / num) for i in inserts]
    np.testing.assert_array_equal(due, wanted, "draws due after very many inserts")


@pytest.mark.parametrize(("num", "each", "least"), [(1, 1, 1), (64, 16, 1000), (5000, 999, 7)])
@pytest.mark.parametrize("ratio", [Fraction(1, 4), Fraction(64), Fraction(314_159, 100_000)])
def test_what_a_turn_makes_due_is_exact_beyond_what_32_bits_count(num, each, least, ratio):
    """In a run of many months learning goes on; the first turns are those of `due`."""
    limiter = Limiter(float(ratio), least)
    first, last = np.arange(1, 200), 2**31 - 1 - np.random.default_rng(0).integers(0, 2**30, 50)
    turns = np.concatenate([first, last, [2**31 // each, 2**31 // each + 1, 2**31 - 1]])
    turns = turns[turns < 2**31]

    def whole(turn):
        return math.floor(max(int(turn) * each - least, 0) * ratio / num)

    got = jax.jit(limiter.due_in, static_argnums=(1, 2))(jnp.asarray(turns, jnp.int32), each, num)
    np.testing.assert_array_equal(got, [whole(t) - whole(t - 1) for t in turns])
    due = [limiter.due(int(turn) * each, num) for turn in np.append(0, first)]
    np.testing.assert_array_equal(got[: len(first)], np.diff(due), "as it is counted in all")


def _can_lock(rule, inserted, sampled):
    """Whether some order of batches ends where nobody may go on."""
    model, known, waiting = Model(*rule), {(0, 0)}, [(0, 0)]
    while waiting:
        inserts, samples = model.inserts, model.samples = waiting.pop()
        writes, reads = model.may_insert(inserted), model.may_sample(sampled)
        if not (writes or reads):
            return True
        follow = {(inserts + inserted, samples)} if writes and inserts < 40 else set()
        follow |= {(inserts, samples + sampled)} if reads else set()
        waiting += follow - known
        known |= follow
    return False


def test_batches_that_pass_never_lock_and_those_that_do_not_may():
    luck, answers = random.Random(0), {True: 0, False: 0}
    for _ in range(300):
        ratio, least = luck.choice([0.5, 1.0, 2.0, 4.0]), luck.randint(1, 12)
        width = luck.uniform(2 * max(1.0, ratio), 24.0)
        low = min(ratio * least, luck.uniform(-4.0, 10.0))
        rule = ratio, least, low, low + width
        inserted, sampled = luck.randint(1, 5), luck.randint(1, 8)
        try:
            Limiter(*rule).check_batch(inserted, sampled)
            passes = True
        except SpecError:
            passes = False
        locks = _can_lock(rule, inserted, sampled)
        assert not (passes and locks), f"{rule} locks with {inserted} and {sampled}"
        answers[locks] += 1
        # The rule is no stricter than by the finest step of the counts.
        step = math.gcd(int(2 * ratio * inserted), 2 * sampled) / 2
        if not passes and least % inserted == 0 and width < sampled + inserted * ratio - 2 * step:
            assert locks, f"{rule} does not lock with {inserted} and {sampled}"
    assert min(answers.values()) > 20, "both were tried"


def test_the_error_says_how_wide_the_window_must_be():
    with pytest.raises(SpecError, match="need bounds 40 apart, got low=0 and high=32"):
        Limiter.queue(32).check_batch(inserted=8, sampled=32)
    Limiter.queue(40).check_batch(inserted=8, sampled=32)
