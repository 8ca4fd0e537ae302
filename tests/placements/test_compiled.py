"""A run cut anywhere and resumed is the same run, bit for bit; so are runs laid side by side."""

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.loops.compiled import Compiled
from meadow.loops.drive import drive
from meadow.loops.iteration import begin
from meadow.runs.folder import Run

HALF, SEEDS = 3, 3


@pytest.fixture(scope="module")
def whole(compiled):
    """Twice `HALF` iterations without a stop."""
    progress, metrics = compiled.run(compiled.begin(key=jr.key(0)), 2 * HALF)
    return jax.device_get((jax.tree.map(unkeyed, progress), metrics))


def unkeyed(x):
    """A typed key's data, so that it can be kept as an array."""
    return jr.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x


def test_saving_and_loading_changes_nothing(compiled, experiment, whole, same_bits, tmp_path):
    progress, _ = compiled.run(compiled.begin(key=jr.key(0)), HALF)
    run = Run.create(tmp_path / "run", {})
    run.checkpoint(int(progress.iteration), progress)
    # A fresh program, and shapes without values, as a new process has them.
    like = jax.eval_shape(lambda key: begin(experiment, key=key), jr.key(0))
    iteration, restored = Run.open(tmp_path / "run").restore(like)
    assert iteration == HALF, "the checkpoint says where it was"
    same_bits(restored, progress, "a checkpoint gives back what was saved")
    progress, _ = Compiled(experiment).run(restored, HALF)
    same_bits(jax.tree.map(unkeyed, progress), whole[0], "2N iterations are N, a stop, and N more")
    assert int(progress.iteration) == 2 * HALF


def test_minimax_2_a_new_task_finds_no_memory(compiled, same_bits):
    """Whoever is not born yet may remember anything: nothing of it is left in the first chunk."""
    start = jax.tree.map(jax.numpy.copy, compiled.begin(key=jr.key(0)))
    life = start.life
    remembered = jax.tree.map(lambda x: jax.numpy.full_like(x, np.nan), life.memory.hidden)
    poisoned = start._replace(life=eqx.tree_at(lambda life: life.memory.hidden, life, remembered))
    expected, _ = compiled.run(compiled.begin(key=jr.key(0)), 1)
    got, _ = compiled.run(poisoned, 1)
    same_bits(got, expected, "a life begins with no memory, whatever stood there")


def test_minimax_7_who_watches_is_told_what_is_done(compiled):
    """Numbers, not promises: a clock read by a watcher has waited for the chunk."""
    told = []
    start = compiled.begin(key=jr.key(0))
    drive(compiled, start, 1, 1, lambda i, metrics, _: bool(told.append(metrics)))
    assert all(type(x) in (np.ndarray, np.float32) for x in told[0].values()), told


def test_minimax_10_gradient_steps_are_counted_by_who_takes_them(compiled, experiment, whole):
    learner = experiment.learner
    steps = 2 * HALF * learner.epochs * learner.minibatches
    counts = [x for x in jax.tree.leaves(whole[0].learner.optimiser) if x.dtype == np.int32]
    assert counts and all(count == steps for count in counts), f"{counts}, expected {steps}"


def test_the_size_of_chunks_changes_nothing(compiled, whole, same_bits):
    seen, sums = [], []

    def watch(iteration, metrics, progress):
        sums.append((iteration - (seen[-1] if seen else 0), metrics["reward"]))
        seen.append(iteration)
        return False

    progress = drive(compiled, compiled.begin(key=jr.key(0)), 2 * HALF, 4, watch)
    assert seen == [4, 6], "a watcher is told after every chunk, the last may be short"
    same_bits(jax.tree.map(unkeyed, progress), whole[0], "chunks cut a run without a trace")
    mean = sum(num * value for num, value in sums) / (2 * HALF)
    np.testing.assert_allclose(mean, whole[1]["reward"], rtol=1e-5, err_msg="metrics are means")


def test_a_watcher_stops_a_run_and_it_goes_on_where_it_was(compiled, whole, same_bits):
    stopped = drive(compiled, compiled.begin(key=jr.key(0)), 2 * HALF, 1, lambda i, *_: i == 2)
    assert int(stopped.iteration) == 2, "it stops when it is asked to"
    progress = drive(compiled, stopped, 2 * HALF, 3, lambda *_: False)
    same_bits(jax.tree.map(unkeyed, progress), whole[0], "what was done already counts")


def test_another_key_is_another_run(compiled, whole):
    progress, _ = compiled.run(compiled.begin(key=jr.key(1)), 2 * HALF)
    pairs = zip(jax.tree.leaves(progress.learner), jax.tree.leaves(whole[0].learner), strict=True)
    assert any((np.asarray(x) != y).any() for x, y in pairs), "the key decides"


def test_seeds_side_by_side_are_the_runs_one_by_one(compiled, experiment):
    together = Compiled(experiment, seeds=SEEDS)
    # One iteration tells a wrong seed; after many, the order of floating-point sums would.
    progress, metrics = together.run(together.begin(key=jr.key(0)), 1)
    assert progress.iteration == 1, "which iteration it is all seeds share"
    progress = progress._replace(iteration=jax.numpy.full(SEEDS, 1))
    for seed, key in enumerate(jr.split(jr.key(0), SEEDS)):
        alone, figures = compiled.run(compiled.begin(key=key), 1)
        one = jax.tree.map(lambda x: x[seed], (progress, metrics))  # noqa: B023
        assert (jr.key_data(one[0].key) == jr.key_data(alone.key)).all(), "luck is its own"
        close((one[0].life, one[0].learner), (alone.life, alone.learner), f"seed {seed} differs")
        close(one[1], figures, f"metrics of seed {seed} differ")
    kernels = progress.learner.network.trunk.memory.recurrent
    assert len(np.unique(np.asarray(kernels)[:, 0, 0])) == SEEDS, "no two seeds are alike"


def close(got, expected, law: str) -> None:
    """Equal but for the order of floating-point sums."""
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=1e-5, err_msg=law)
