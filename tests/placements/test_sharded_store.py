"""A store over several devices is one store on each, of its own lives."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.sharding import Mesh

from meadow.agents.dqn import DQN
from meadow.core.errors import MeadowError
from meadow.curricula.uniform import Uniform
from meadow.loops.divided import Divided
from meadow.loops.iteration import Experiment
from meadow.loops.rehearsal import Rehearsal
from meadow.loops.sharded import Sharded
from meadow.replay.limiter import Limiter
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial
from meadow.runs.folder import Run
from meadow.testing.laws.store import LIVES, numbered
from meadow.testing.probes import Choice, TimeLimit

WHOLE = Replay(40, length=3, ends=8, selector=Prioritised())
NUM, CHUNKS = 8, 9


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return Mesh(jax.devices()[:2], ("lives",))


@pytest.fixture(scope="module")
def side_by_side(mesh):
    """The divided store, and a store for each device, after the same chunks and one update."""
    share = WHOLE.share(2)
    divided = Divided(share, mesh)
    surprise = jnp.arange(1.0, NUM + 1)

    def part(x, n):
        """Of what is `[time, lives]`, and of what is `[lives]`."""
        trajectory = jax.tree.map(lambda x: x[:, n : n + 1] if x.ndim > 1 else x[n : n + 1], x)
        ends = jax.tree.map(lambda x: x[n : n + 1], (x.memory, x.after, x.final_memory))
        names = "memory", "after", "final_memory"
        return dataclasses.replace(trajectory, **dict(zip(names, ends, strict=True)))

    def run(add, sample, update, state, parts):
        for lived in parts:
            state = add(state, lived)
        draw = sample(state)
        return jax.device_get((update(state, draw), draw))

    chunks = [numbered(n) for n in range(CHUNKS)]
    ours = run(
        jax.jit(divided.add),
        jax.jit(lambda state: divided.sample(state, NUM, key=jr.key(0))),
        jax.jit(lambda state, draw: divided.update(state, draw, surprise)),
        jax.jit(divided.init)(chunks[0]),
        chunks,
    )
    add = jax.jit(share.add)
    sample = jax.jit(lambda state, key: share.sample(state, NUM // 2, key=key))
    update = jax.jit(share.update)
    alone = []
    for n in range(LIVES):
        told = surprise[n * NUM // 2 : (n + 1) * NUM // 2]
        alone.append(
            run(
                add,
                lambda state, n=n: sample(state, jr.fold_in(jr.key(0), n)),
                lambda state, draw, told=told: update(state, draw, told),
                share.init(part(chunks[0], 0)),
                [part(chunk, n) for chunk in chunks],
            )
        )
    return ours, alone


def test_every_device_keeps_its_own_lives(side_by_side):
    (state, _), alone = side_by_side
    for n, (wanted, _) in enumerate(alone):
        for x, y in zip(*map(jax.tree.leaves, (state, wanted)), strict=True):
            np.testing.assert_array_equal(x[n], y, f"the store of device {n}")
    chances = state.selector.tree[0]
    assert (chances[0] != chances[1]).any(), "each heard of its own windows"


def test_every_device_draws_its_share(side_by_side):
    (_, draw), alone = side_by_side
    for n, (_, wanted) in enumerate(alone):
        mine = slice(n * NUM // 2, (n + 1) * NUM // 2)
        np.testing.assert_array_equal(draw.trajectory.action[:, mine], wanted.trajectory.action)
        np.testing.assert_array_equal(draw.trajectory.weight[mine], wanted.trajectory.weight)
        assert (draw.trajectory.action[:, mine] // 10_000 == n).all(), "of its own life"


@pytest.fixture(scope="module")
def rehearsing() -> Experiment:
    return Experiment(
        TimeLimit(),
        Uniform(Choice(2)),
        DQN(learning_rate=1e-2),
        Trial(episodes=1),
        lives=8,
        length=4,
        rehearsal=Rehearsal(
            Replay(256, selector=Prioritised()), 16, Limiter.ratio_of(2.0, least=64)
        ),
    )


def test_a_run_with_a_store_over_two_devices(rehearsing):
    sharded = Sharded(rehearsing, devices=jax.devices()[:2])
    progress = sharded.begin(key=jr.key(0))
    before = jax.device_get(progress.learner.network)
    progress, metrics = sharded.run(progress, 6)
    due = rehearsing.rehearsal.due(jnp.int32(0), jnp.int32(6 * 8 * 4))
    assert int(progress.learner.updates) == int(due) > 0, "it learns as often as on one device"
    assert np.isfinite(metrics["loss"])
    learnt = jax.tree.leaves(jax.device_get(progress.learner.network))
    assert any((x != y).any() for x, y in zip(jax.tree.leaves(before), learnt, strict=True))
    words = progress.store.rows.words
    assert [x.data.shape for x in words.addressable_shards] == [(1, *words.shape[1:])] * 2
    assert words.shape[1:3] == (256 // 8, 4), "each has the rows of half of the lives"
    assert jax.tree.leaves(progress.learner)[0].sharding.is_fully_replicated


def test_such_a_run_is_saved_and_goes_on_bit_for_bit(rehearsing, same_bits, tmp_path):
    sharded, run = Sharded(rehearsing, devices=jax.devices()[:2]), Run.create(tmp_path / "run", {})
    whole, _ = sharded.run(sharded.begin(key=jr.key(0)), 6)
    half, _ = sharded.run(sharded.begin(key=jr.key(0)), 3)
    run.checkpoint(3, half)
    _, restored = run.restore(sharded.begin(key=jr.key(9)))
    resumed, _ = sharded.run(restored, 3)
    same_bits(resumed, whole, "rows, priorities and luck are those of a run that never stopped")
    assert resumed.store.rows.words.sharding == whole.store.rows.words.sharding


def test_what_does_not_divide_is_an_error(rehearsing, mesh):
    rehearsal = dataclasses.replace(rehearsing.rehearsal, num=15)
    with pytest.raises(MeadowError, match=r"15 windows .* 2 devices. Write num=16"):
        Sharded(dataclasses.replace(rehearsing, rehearsal=rehearsal), devices=jax.devices()[:2])
    rehearsal = dataclasses.replace(rehearsing.rehearsal, store=Divided(WHOLE, mesh))
    with pytest.raises(MeadowError, match="Expected a `Replay` .* got Divided"):
        Sharded(dataclasses.replace(rehearsing, rehearsal=rehearsal), devices=jax.devices()[:2])
