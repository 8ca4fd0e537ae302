"""Probes give exactly the returns and values they state."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.testing.probes import (
    ConstantReward,
    DeepSea,
    DelayedReward,
    HiddenArm,
    Matching,
    ObservedReward,
    TimeLimit,
    TMaze,
    other_arm,
)

# A policy maps all observations and rewards so far, within the trial, to an action.
Policy = Callable[[list[np.ndarray], list[float]], int]


def trial(
    environment: AbstractEnvironment, task: int, policy: Policy, *, episodes: int = 1
) -> list[tuple]:
    """(observation, reward, discount, next observation) of every step of a trial."""
    reset, step = (jax.jit(lambda *a, f=f: f(*a, key=jr.key(0))) for f in _verbs(environment))
    task, rows, shown, paid = jnp.asarray(task, jnp.int32), [], [], []
    for _ in range(episodes):
        state, timestep = reset(task)
        while not timestep.last():
            shown.append(np.asarray(timestep.observation))
            action = jnp.asarray(policy(shown, paid), jnp.int32)
            state, timestep = step(state, task, action)
            paid.append(float(timestep.reward))
            rows.append((shown[-1], paid[-1], float(timestep.discount), timestep.observation))
    return rows


def _verbs(environment: AbstractEnvironment) -> tuple[Callable, Callable]:
    return environment.reset, environment.step


def mean_return(
    environment: AbstractEnvironment, num: int, policy: Policy, *, episodes: int = 1
) -> float:
    """The return of a trial, averaged over all tasks."""
    trials = [trial(environment, task, policy, episodes=episodes) for task in range(num)]
    return float(np.mean([sum(reward for _, reward, *_ in rows) for rows in trials]))


def always(action: int) -> Policy:
    return lambda shown, paid: action


def in_turn(num: int) -> Policy:
    """Try arms in turn and stay with the one that pays."""
    return lambda shown, paid: min(paid.index(1.0) if 1.0 in paid else len(paid), num - 1)


def values(rows: list[tuple], gamma: float) -> dict[tuple, float]:
    """The value of every observation, by sweeps of the Bellman equation over lived steps."""
    found: dict[tuple, float] = {}
    for _ in range(200):
        for shown, reward, discount, after in rows:
            future = found.get(tuple(after.tolist()), 0.0)
            found[tuple(shown.tolist())] = reward + gamma * discount * future
    return found


@pytest.mark.parametrize(
    ("environment", "num", "policy", "expected"),
    [
        (ConstantReward(), 1, always(0), 1),
        (ObservedReward(), 2, always(0), 0),
        (DelayedReward(), 1, always(0), 1),
        (Matching(num=3), 3, lambda shown, paid: int(shown[-1].argmax()), 1),
        (Matching(num=3), 3, always(1), 1 / 3),
        (TimeLimit(limit=3), 2, always(0), 3),
        (TMaze(length=3), 2, lambda shown, paid: int(shown[0][:2].argmax()), 1),
        (TMaze(length=3), 2, lambda shown, paid: int(shown[-1][:2].argmax()), 1 / 2),
        (HiddenArm(num=3, length=5), 3, in_turn(3), 5 - (3 - 1) / 2),
        (HiddenArm(num=3, length=5), 3, always(2), 5 / 3),
    ],
    # A function's repr holds its address, and workers must agree on names.
    ids=lambda value: "policy" if callable(value) else repr(value),
)
def test_returns(environment, num, policy, expected):
    got = mean_return(environment, num, policy)
    assert got == pytest.approx(expected), f"{environment} states another return"


@pytest.mark.parametrize("task", [0, 1])
def test_the_sea_is_deep(task):
    sea = DeepSea(size=4)
    ways = [sea.right(jnp.int32(cell), jnp.int32(task)).item() for cell in range(16)]
    assert len(set(ways)) == 2, "one action is right everywhere"
    for right, expected in ((True, 0.99), (False, 0.0)):
        rows = trial(sea, task, lambda shown, _, r=right: (ways[shown[-1].argmax()] == 1) == r)
        assert len(rows) == 4 and rows[-1][2] == 0, "it ends at the bottom"
        total = sum(reward for _, reward, *_ in rows)
        assert total == pytest.approx(expected), "the treasure, less what going right costs"


@pytest.mark.parametrize(("num", "episodes"), [(2, 4), (3, 4)])
def test_second_episode_beats_the_first(num, episodes):
    arm = HiddenArm(num=num, length=1)
    best = mean_return(arm, num, in_turn(num), episodes=episodes)
    assert best == pytest.approx(episodes - (num - 1) / 2), "optimal return of a trial"
    blind = mean_return(arm, num, always(0), episodes=episodes)
    assert blind == pytest.approx(episodes / num), "return of an agent that forgets"


def test_two_arms_are_known_after_one_episode():
    paid = [[reward for _, reward, *_ in trial(HiddenArm(length=1), task, in_turn(2), episodes=3)]
            for task in range(2)]  # fmt: skip
    assert np.mean(paid, axis=0).tolist() == [0.5, 1, 1], "a half in the first episode, then 1"


def test_observed_reward_is_its_own_value():
    rows = trial(ObservedReward(), 0, always(0)) + trial(ObservedReward(), 1, always(0))
    assert values(rows, 0.9) == {(-1.0,): -1.0, (1.0,): 1.0}, "the value of x is x"


def test_delayed_reward_is_discounted():
    found = values(trial(DelayedReward(), 0, always(0)), gamma=0.5)
    assert list(found.values()) == [0.25, 0.5, 1.0], "values are g^2, g and 1"


def test_a_cut_is_bootstrapped_and_an_end_is_not():
    gamma, limit = 0.9, 2
    end, cut = (trial(TimeLimit(limit), task, always(0)) for task in range(2))
    assert list(values(end, gamma).values()) == pytest.approx([1.9, 1.0]), "values of task 0"
    assert list(values(cut, gamma).values()) == pytest.approx([1 / (1 - gamma)]), "value of task 1"


def test_cue_is_seen_only_at_first():
    first, second = (trial(TMaze(length=2), task, always(0)) for task in range(2))
    assert not np.array_equal(first[0][0], second[0][0]), "the cue shows the task"
    for one, other in zip(first[1:], second[1:], strict=True):
        np.testing.assert_array_equal(one[0], other[0], "after the cue both tasks look alike")
    assert [row[0][2] for row in first] == [0, 0, 1], "only the last place is the junction"


def test_corridor_has_a_length():
    with pytest.raises(SpecError, match="length >= 1"):
        TMaze(length=0)


def test_other_arm_is_another(key):
    arms = jax.vmap(lambda k: other_arm(jnp.asarray(1), k, num=3))(jr.split(key, 50))
    assert set(arms.tolist()) == {0, 2}, "every other arm and never the same"
