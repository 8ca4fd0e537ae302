"""Trials spend their budgets; whoever has finished is begun again, and nobody else is touched."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meadow.core.errors import SpecError
from meadow.core.timestep import StepType, TimeStep
from meadow.rollout.life import Life, Trial, revive, unborn

ALIVE, EPISODE_OVER, TRIAL_OVER = range(3)
# Not a multiple of the 16 that are reset at a time, so that the last handful is a partial one.
NUM_LIVES = 37
KEY = jr.key(7)


def moment(step_type: list[int], episode: list[int]) -> TimeStep:
    """A batch of time steps of which only these two matter."""
    num = len(step_type)
    return TimeStep(
        step_type=jnp.array(step_type, jnp.uint8),
        reward=jnp.zeros(num),
        discount=jnp.ones(num),
        observation=(),
        episode=jnp.array(episode, jnp.int32),
    )


@pytest.mark.parametrize(
    ("trial", "over", "cut"),
    [
        (Trial(episodes=2), [0, 0, 0, 1, 1], [0, 0, 1, 1, 1]),
        (Trial(steps=6), [0, 0, 1, 0, 1], [0, 0, 1, 1, 1]),
        (Trial(episodes=2, steps=6), [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]),
        (Trial(episodes=3, steps=9), [0, 0, 0, 0, 0], [0, 0, 0, 1, 1]),
    ],
    ids=str,
)
def test_a_trial_spends_its_budget(trial, over, cut):
    if trial == Trial(episodes=2):
        cut = [0, 0, 0, 1, 1]  # no budget of steps cuts the third
    mid, last = StepType.MID, StepType.LAST
    timestep = moment([mid, mid, mid, last, last], [0, 1, 0, 1, 1])
    timestep, spent = trial.spend(timestep, jnp.array([1, 5, 6, 4, 7]))
    assert spent.tolist() == [bool(x) for x in over], "the trial ended at another step"
    assert timestep.last().tolist() == [bool(x) for x in cut], "an episode was cut elsewhere"
    assert timestep.finished().tolist() == [False, False, False, True, True], "ends of their own"
    assert (timestep.discount == 1).all(), "a spent budget truncates and never terminates"


@pytest.mark.parametrize(
    "budget", [{}, {"episodes": 0}, {"steps": -1}, {"episodes": 1, "steps": 0}]
)
def test_a_trial_needs_a_budget(budget):
    with pytest.raises(SpecError, match=r"at least 1; got .*Write `Trial\(episodes=1\)`"):
        Trial(**budget)


@pytest.fixture(scope="module")
def life_of(clock, diary) -> Callable[[np.ndarray], Life]:
    """Lives in the middle of trials, of such fates; numbered unlike their places."""

    @functools.cache
    def anyone(num: int) -> Life:
        rng = np.random.default_rng(0)
        blank = unborn(clock, diary, jnp.zeros(num, jnp.int32))
        life = jax.tree.map(lambda x: jnp.asarray(rng.integers(1, 9, num), x.dtype), blank)
        return eqx.tree_at(lambda l: l.number, life, jnp.asarray(1000 - rng.permutation(num)))

    def life(fates: np.ndarray) -> Life:
        step_type = np.where(fates == ALIVE, StepType.MID, StepType.LAST).astype(np.uint8)
        ends = jnp.asarray(step_type), jnp.asarray(fates == TRIAL_OVER)
        return eqx.tree_at(lambda l: (l.timestep.step_type, l.over), anyone(len(fates)), ends)

    return life


@pytest.fixture(scope="module")
def revived(clock) -> Callable[..., Life]:
    """`revive`, compiled once for each shape."""
    return jax.jit(lambda life, tasks: revive(clock, life, tasks, keys=life.keys(KEY)))


@pytest.fixture(scope="module")
def expect(clock, life_of, revived) -> Callable[..., None]:
    """Revive lives of such fates and compare each with what should have become of it."""
    reset = jax.jit(
        jax.vmap(lambda task, number: clock.reset(task, key=jr.fold_in(KEY, number)))
    )  # fmt: skip

    def check(fates: np.ndarray, *, offered: bool) -> None:
        life = life_of(fates)
        tasks = jnp.arange(100, 100 + len(fates), dtype=jnp.int32) if offered else None
        after, before = jax.device_get((revived(life, tasks), life))
        new = fates == TRIAL_OVER
        begun = (fates == EPISODE_OVER) | (new & offered)
        same(after, before, ~begun, "a life that goes on was touched")
        task = (
            np.where(new, np.arange(100, 100 + len(fates)), before.task) if offered else before.task
        )
        same(after.task, task, begun, "the next task is taken up where a trial is over, only")
        state, first = jax.device_get(reset(jnp.asarray(task, jnp.int32), life.number))
        same(after.state, state, begun, "`environment.reset` with the life's own luck")
        now, then = before.timestep, after.timestep
        same(then.observation, first.observation, begun, "what the reset shows")
        same(then.step_type, first.step_type, begun, "an episode begins with FIRST")
        same(then.discount, first.discount, begun, "a first step has discount 1")
        same(then.reward, np.where(new, 0, now.reward), begun, "kept in a trial, 0 in a new one")
        same(then.episode, np.where(new, 0, now.episode + 1), begun, "episodes of a trial count")
        same(after.steps, np.where(new, 0, before.steps), begun, "and its steps")
        same(after.memory, before.memory, begun, "memory belongs to the agent")
        assert not after.over[begun].any(), "a life that begins is not over"

    return check


def same(got, expected, where: np.ndarray, law: str) -> None:
    """The same bits, where it matters."""
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(x)[where], np.asarray(y)[where], law)


def test_any_number_of_lives_can_finish_at_once(expect):
    order = np.random.default_rng(1).permutation(NUM_LIVES)
    for count in range(NUM_LIVES + 1):
        fates = np.zeros(NUM_LIVES, int)
        fates[order[:count]] = 1 + np.arange(count) % 2
        expect(fates, offered=True)


@given(fates=st.lists(st.sampled_from(range(3)), min_size=NUM_LIVES, max_size=NUM_LIVES))
def test_any_set_of_lives_can_finish_at_once(expect, fates):
    expect(np.array(fates), offered=True)


@pytest.mark.parametrize("fate", range(3))
def test_without_tasks_only_trials_that_go_on_are_begun_again(expect, fate):
    expect(np.full(NUM_LIVES, fate), offered=False)
    expect(np.arange(NUM_LIVES) % 3, offered=False)


@pytest.mark.parametrize("num", [1, 16, 600])  # fewer than, as many as, and more than a handful
def test_any_number_of_lives(expect, num):
    for fates in (np.zeros(num, int), np.full(num, TRIAL_OVER), np.arange(num) % 3):
        expect(fates, offered=True)


def test_unborn_lives_wait_for_their_first_task(clock, diary, revived):
    tasks = jnp.arange(1, NUM_LIVES + 1)
    life = unborn(clock, diary, tasks)
    assert life.over.all() and life.timestep.last().all(), "no trial has begun"
    assert revived(life, None).over.all(), "nor does one without a task"
    born = revived(life, tasks)
    assert born.timestep.begins_trial().all() and not born.over.any(), "every life begins"
    np.testing.assert_array_equal(born.task, tasks, "with its own task")
    np.testing.assert_array_equal(born.number, np.arange(NUM_LIVES), "and its own number")
