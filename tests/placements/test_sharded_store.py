"""A store over several devices is one store on each, of its own lives."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.sharding import Mesh

from meadow.agents.dqn import DQN
from meadow.core.errors import CheckpointError, MeadowError, SpecError
from meadow.curricula.uniform import Uniform
from meadow.loops.compiled import Compiled
from meadow.loops.divided import Divided
from meadow.loops.iteration import Experiment, begin, updated
from meadow.loops.rehearsal import Rehearsal
from meadow.loops.sharded import Sharded
from meadow.recipes.agents import AGENTS
from meadow.recipes.train import load
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
    due = updated(rehearsing, 6)
    assert int(progress.learner.updates) == due > 0, "it learns as often as on one device"
    assert np.isfinite(metrics["loss"])
    learnt = jax.tree.leaves(jax.device_get(progress.learner.network))
    assert any((x != y).any() for x, y in zip(jax.tree.leaves(before), learnt, strict=True))
    words = progress.store.rows.words
    assert [x.data.shape for x in words.addressable_shards] == [(1, *words.shape[1:])] * 2
    assert words.shape[1:3] == (256 // 8, 4), "each has the rows of half of the lives"
    assert jax.tree.leaves(progress.learner)[0].sharding.is_fully_replicated


def test_students_have_stores_over_two_devices(rehearsing):
    several = dataclasses.replace(rehearsing, students=3)
    sharded = Sharded(several, devices=jax.devices()[:2])
    progress, metrics = sharded.run(sharded.begin(key=jr.key(0)), 4)
    words = progress.store.rows.words
    assert [x.data.shape for x in words.addressable_shards] == [(3, 1, *words.shape[2:])] * 2
    assert progress.learner.updates.tolist() == [updated(several, 4)] * 3
    assert updated(several, 4) == updated(rehearsing, 4), "each learns as often as one alone"
    assert np.isfinite(metrics["loss"])


@pytest.mark.parametrize(("length", "ends"), [(9, None), (8, 64)])
def test_draws_before_there_is_a_window_are_refused(rehearsing, length, ends):
    """Two chunks of 32 steps hold no window; the third completes some."""
    rehearsal = rehearsing.rehearsal
    store = dataclasses.replace(rehearsal.store, length=length, ends=ends)

    def begun(least):
        limiter = dataclasses.replace(rehearsal.limiter, least=least, low=-math.inf, high=math.inf)
        changed = dataclasses.replace(rehearsal, store=store, limiter=limiter)
        experiment = dataclasses.replace(rehearsing, rehearsal=changed)
        laid = Sharded(experiment, devices=jax.devices()[:2])._laid
        for each in (experiment, laid):
            jax.eval_shape(lambda each=each: begin(each, key=jr.key(0)))

    with pytest.raises(SpecError, match=r"9 steps of each of 8 .* after 64 .*least=72"):
        begun(40)
    begun(72)
    begun(64)


def test_learning_goes_on_beyond_the_steps_that_32_bits_count(rehearsing):
    late, placement = 2**31 // 32, Compiled(rehearsing)
    progress = placement.begin(key=jr.key(0))._replace(iteration=jnp.int32(late - 1))
    progress, _ = placement.run(progress, 3)
    assert int(progress.learner.updates) == 3 * 2 * 32 // 16, "two draws for each step"
    assert updated(rehearsing, late + 2) - updated(rehearsing, late - 1) == 3 * 2 * 32 // 16


def test_such_a_run_is_saved_and_goes_on_bit_for_bit(rehearsing, same_bits, tmp_path):
    sharded, run = Sharded(rehearsing, devices=jax.devices()[:2]), Run.create(tmp_path / "run", {})
    whole, _ = sharded.run(sharded.begin(key=jr.key(0)), 6)
    half, _ = sharded.run(sharded.begin(key=jr.key(0)), 3)
    run.checkpoint(3, half)
    _, restored = run.restore(sharded.begin(key=jr.key(9)))
    resumed, _ = sharded.run(restored, 3)
    same_bits(resumed, whole, "rows, priorities and luck are those of a run that never stopped")
    assert resumed.store.rows.words.sharding == whole.store.rows.words.sharding


def test_such_a_run_is_told_apart_elsewhere_and_its_agent_is_known_there(same_bits, tmp_path):
    recipe = dataclasses.replace(AGENTS["dqn"][1], lives=2)
    experiment, run = recipe.experiment(), Run.create(tmp_path / "run", {})
    progress = Sharded(experiment, devices=jax.devices()[:2]).begin(key=jr.key(0))
    run.checkpoint(3, progress)
    alone = Compiled(experiment).begin(key=jr.key(9))
    with pytest.raises(CheckpointError, match="saved on 2 devices .* read on 1.*--devices 2"):
        run.restore(alone)
    iteration, agent = load(run, recipe)
    assert iteration == 3
    agents = agent, experiment.agent(progress.learner)
    same_bits(*(eqx.filter(x, eqx.is_array) for x in agents), "who acts is the same everywhere")


def test_what_does_not_divide_is_an_error(rehearsing, mesh):
    rehearsal = dataclasses.replace(rehearsing.rehearsal, num=15)
    with pytest.raises(MeadowError, match=r"15 windows .* 2 devices. Write num=16"):
        Sharded(dataclasses.replace(rehearsing, rehearsal=rehearsal), devices=jax.devices()[:2])
    rehearsal = dataclasses.replace(rehearsing.rehearsal, store=Divided(WHOLE, mesh))
    with pytest.raises(MeadowError, match="Expected a `Replay` .* got Divided"):
        Sharded(dataclasses.replace(rehearsing, rehearsal=rehearsal), devices=jax.devices()[:2])
