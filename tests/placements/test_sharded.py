"""One device against two: the same lives, and the same learning but for the order of sums."""

import dataclasses

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import MeadowError
from meadow.loops.compiled import Compiled
from meadow.loops.sharded import Sharded


@pytest.fixture(scope="module")
def sharded(experiment) -> Sharded:
    """The run over two devices."""
    assert jax.device_count() >= 2, "the tests force two devices (tests/conftest.py)"
    return Sharded(experiment, devices=jax.devices()[:2])


def test_two_devices_live_the_same_lives(compiled, sharded, same_bits):
    one, figures = compiled.run(compiled.begin(key=jr.key(0)), 1)
    two, others = sharded.run(sharded.begin(key=jr.key(0)), 1)
    whole = (one.key, one.life, one.curriculum, one.iteration)
    same_bits((two.key, two.life, two.curriculum, two.iteration), whole, "one device against two")
    assert figures["return"] == others["return"] and figures["length"] == others["length"]


def test_two_devices_learn_the_same(compiled, sharded):
    one, figures = compiled.run(compiled.begin(key=jr.key(0)), 2)
    two, others = sharded.run(sharded.begin(key=jr.key(0)), 2)
    for x, y in zip(*map(jax.tree.leaves, (one.learner, two.learner)), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=1e-4, err_msg="parameters")
    start = compiled.begin(key=jr.key(0)).learner.network.policy.last.weight
    moved = np.asarray(one.learner.network.policy.last.weight) - np.asarray(start)
    assert np.abs(moved).max() > 1e-2, "and there was something to learn"
    for name, value in figures.items():
        np.testing.assert_allclose(value, others[name], atol=1e-4, err_msg=name)


def test_lives_lie_on_both_devices_and_the_learner_on_each(sharded, experiment):
    progress, _ = sharded.run(sharded.begin(key=jr.key(0)), 1)
    shards = progress.life.timestep.reward.addressable_shards
    assert [shard.data.shape for shard in shards] == [(experiment.lives // 2,)] * 2
    assert len({shard.device for shard in shards}) == 2, "each device has its half of the lives"
    kernel = progress.learner.network.trunk.memory.recurrent
    assert kernel.sharding.is_fully_replicated, "every device has the whole network"


def test_students_whose_lives_go_on_divide_their_lives(experiment):
    several = dataclasses.replace(experiment, students=3)
    compiled, sharded = Compiled(several), Sharded(several, devices=jax.devices()[:2])
    one, figures = compiled.run(compiled.begin(key=jr.key(0)), 2)
    start = sharded.begin(key=jr.key(0))
    shards = start.life.timestep.reward.addressable_shards
    assert [s.data.shape for s in shards] == [(3, several.lives // 2)] * 2
    two, others = sharded.run(start, 2)
    for x, y in zip(*map(jax.tree.leaves, (one.learner, two.learner)), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=1e-4, err_msg="parameters")
    for name, value in figures.items():
        np.testing.assert_allclose(value, others[name], atol=1e-4, err_msg=name)


def test_lives_must_divide_among_devices(experiment):
    odd = dataclasses.replace(experiment, lives=7)
    with pytest.raises(MeadowError, match=r"7 lives do not divide among 2 devices. Write lives=8"):
        Sharded(odd, devices=jax.devices()[:2])
