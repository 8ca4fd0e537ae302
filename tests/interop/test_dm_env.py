"""The dm_env door: dm_env's own tests, its specs, and the same life as Gymnasium's."""

import dm_env
import numpy as np
import pytest
from absl.testing import absltest
from dm_env import specs, test_utils

from meadow.core.errors import SpecError
from meadow.interop.dm_env import Environment
from meadow.rollout.life import Trial
from meadow.testing.probes import Choice, Matching, TimeLimit


class TestConformance(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """What dm_env asks of everyone, over ends and cuts."""

    def make_object_under_test(self):
        return Environment(TimeLimit(), Choice(2), seed=0)

    def make_action_sequence(self):
        yield from np.random.default_rng(0).integers(0, 2, 20)


def test_specs_are_those_of_the_environment(room, tasks):
    env = Environment(room, tasks)
    assert env.action_spec() == specs.DiscreteArray(6)
    assert env.observation_spec() == {
        "direction": specs.BoundedArray((4,), np.float32, 0.0, 1.0),
        "pocket": specs.BoundedArray((), np.uint8, 0, 255),
        "view": specs.BoundedArray((3, 3), np.uint8, 0, 255),
    }
    assert env.reward_spec().dtype == env.discount_spec().dtype == np.float32


def test_an_end_and_a_cut_differ_in_the_discount():
    env, seen = Environment(TimeLimit(), Choice(2), seed=0), set()
    for _ in range(8):
        first = env.reset().observation
        assert env.step(0).mid()
        last = env.step(0)
        assert last.last() and last.discount == (1.0 if first[-1] else 0.0)
        assert env.step(0).step_type is dm_env.StepType.FIRST, "the next episode, by itself"
        seen.add(float(last.discount))
    assert seen == {0.0, 1.0}, "both tasks were met"


def test_a_seed_decides_everything_and_a_trial_keeps_its_task():
    def tasks(seed):
        env = Environment(Matching(num=16), Choice(16), Trial(episodes=3), seed)
        return [env.reset().observation.argmax() for _ in range(12)]

    first = np.reshape(tasks(0), (4, 3))
    assert (first == first[:, :1]).all() and len(set(first[:, 0])) > 1
    assert tasks(0) == tasks(0) != tasks(1)


def test_actions_that_are_none_are_refused():
    env = Environment(TimeLimit(), Choice(2), seed=0)
    env.reset()
    with pytest.raises(SpecError, match=r"whole numbers in 0\.\.1"):
        env.step(2)
