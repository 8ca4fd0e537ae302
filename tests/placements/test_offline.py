"""Offline: what a store keeps is written down, read back to the same windows, and learnt from."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Key

from meadow.agents.dqn import DQN
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.data.disk import load, save
from meadow.loops.offline import Offline, filled, recorded
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.plan import Plan
from meadow.replay.limiter import Limiter
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay, State
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.laws.store import numbered
from meadow.testing.probes import HiddenArm

NUM, CAPACITY = 8, 64
STORE = Replay(CAPACITY, length=2, record=("value",))
SMALL = Plan(features=4, memory=8, heads=0, core="none", recalls=False)
LEARNER = DQN(SMALL, target_period=3, epsilon=(1.0, 1.0, 1))


@pytest.fixture(scope="module")
def kept():
    """A store of two lives, whose ring has been written over once and a half."""
    environment = HiddenArm(num=2, length=3)
    living, tasks = Living(environment, Trial(episodes=2)), jnp.arange(2)

    @jax.jit
    def live(key: Key[Array, ""]) -> State:
        example = environment.reset(tasks[0], key=key)[1]
        agent = LEARNER.agent(LEARNER.init(example, environment.action_spec, key=key))
        life, first = living.collect(agent, unborn(environment, agent, tasks), tasks, 4, key=key)

        def step(carry: tuple, key: Array) -> tuple:
            life, lived = living.collect(agent, carry[0], tasks, 4, key=key)
            return (life, STORE.add(carry[1], lived)), None

        start = life, STORE.add(STORE.init(first), first)
        return jax.lax.scan(step, start, jr.split(key, 11))[0][1]

    return live(jr.key(1))


@pytest.fixture(scope="module")
def dataset(kept):
    return recorded(kept, Discrete(2), {"from": "a test"})


@pytest.fixture(scope="module")
def offline(dataset):
    return Offline(LEARNER, STORE, NUM, dataset)


def test_a_store_is_written_down_and_handed_out_again_bit_for_bit(
    kept, dataset, tmp_path, same_bits
):
    assert 12 * 4 > CAPACITY // 2, "The store's oldest rows were written over."
    assert dataset.steps == CAPACITY
    save(tmp_path / "rows", dataset)
    again = filled(STORE, load(tmp_path / "rows"))
    for key in jr.split(jr.key(2), 4):
        got, wanted = (STORE.sample(state, 32, key=key).trajectory for state in (again, kept))
        same_bits(got, wanted, "A dataset's windows are the store's")


@pytest.mark.parametrize("forgotten", [False, True])
def test_observations_kept_once_are_written_down_as_far_as_they_are_known(forgotten, same_bits):
    record = ("number",)
    chunks = [numbered(i) for i in range(9)]
    stores = Replay(60, ends=4 if forgotten else 12, record=record), Replay(60, record=record)
    states = []
    for store in stores:
        state = store.init(chunks[0])
        for chunk in chunks:
            state = store.add(state, chunk)
        states.append(state)
    once, twice = (recorded(state, Discrete(30_000)) for state in states)
    # 18 rows of 2 lives end 12 episodes; of the last 4 all is known from row 12 on.
    start = 12 if forgotten else 0
    same_bits(once.trajectory, twice.part(start, 18).trajectory, "Rows are as they were lived")


def test_the_newest_row_is_left_out_until_its_end_is_known():
    store, chunks = Replay(60, ends=12), [numbered(i) for i in range(4)]
    state = store.init(chunks[0])
    for chunk in chunks:
        state = store.add(state, chunk)
    assert len(recorded(state, Discrete(30_000)).trajectory.trial_ended) == 7
    with pytest.raises(SpecError, match="nothing to record"):
        recorded(store.init(chunks[0]), Discrete(30_000))


def test_every_store_can_be_filled_with_a_dataset(dataset):
    store = Replay(CAPACITY, length=3, period=2, selector=Prioritised(), ends=CAPACITY)
    draw = store.sample(filled(store, dataset), 64, key=jr.key(0))
    assert draw.trajectory.timestep.reward.shape == (3, 64)
    assert (draw.trajectory.weight == 1.0).all(), "All windows are new."


def test_the_first_update_is_the_one_that_the_store_would_give(kept, offline):
    progress = offline.begin(key=jr.key(3))
    _, key = jr.split(progress.key)
    rehearsal = Rehearsal(STORE, NUM, Limiter())
    learn = jax.jit(
        lambda state, store: rehearsal.learn(LEARNER, state, store, jnp.int32(1), key=key)
    )
    wanted, _, means = learn(progress.learner, kept)
    progress, metrics = offline.run(progress, 1)
    for got, expected in zip(*map(jax.tree.leaves, (progress.learner, wanted)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7, err_msg="the same update")
    np.testing.assert_allclose(metrics["loss"], means["loss"].value, rtol=1e-6)


def test_a_run_cut_anywhere_is_the_same_run(offline, same_bits):
    whole, _ = offline.run(offline.begin(key=jr.key(4)), 7)
    parts, _ = offline.run(offline.run(offline.begin(key=jr.key(4)), 3)[0], 4)
    assert int(whole.iteration) == 7
    same_bits(parts, whole, "A run resumed is the run")


@pytest.mark.parametrize("at_once", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_seeds_lie_side_by_side_and_share_the_dataset(offline, dataset, at_once):
    two = Offline(LEARNER, STORE, NUM, dataset, seeds=2, at_once=at_once)
    progress, metrics = two.run(two.begin(key=jr.key(5)), 5)
    assert metrics["loss"].shape == (2,) and progress.iteration.shape == ()
    assert all(x.shape[0] == 2 for x in jax.tree.leaves((progress.learner, progress.store)))
    for i, key in enumerate(jr.split(jr.key(5), 2)):
        alone, _ = offline.run(offline.begin(key=key), 5)
        mine = jax.tree.map(lambda x, i=i: x[i], progress.learner)
        for got, wanted in zip(*map(jax.tree.leaves, (mine, alone.learner)), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6, err_msg="a seed's run")


@pytest.mark.slow
def test_surprise_reaches_the_selector(dataset):
    store = dataclasses.replace(STORE, selector=Prioritised())
    offline = Offline(LEARNER, store, NUM, dataset)
    begun = jax.device_get(offline.begin(key=jr.key(6)).store)
    progress, _ = offline.run(offline.begin(key=jr.key(6)), 3)
    changed = [(a != b).any() for a, b in zip(*map(jax.tree.leaves, (begun, progress.store)),
                                              strict=True)]  # fmt: skip
    assert any(changed), "What was surprising is drawn more often."


def test_what_does_not_fit_is_refused(dataset):
    with pytest.raises(SpecError, match="has 64 steps, and the store room for 10"):
        Offline(LEARNER, Replay(10), NUM, dataset)
    with pytest.raises(SpecError, match="no window of 100"):
        Offline(LEARNER, Replay(CAPACITY, length=100), NUM, dataset)
    with pytest.raises(SpecError, match=r"no record of \['speed'\], only of \['value'\]"):
        Offline(LEARNER, Replay(CAPACITY, record=("speed",)), NUM, dataset)
