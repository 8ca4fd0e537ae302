"""Several seeds side by side are the runs one by one."""

import jax
import jax.random as jr
import numpy as np

from meadow.loops.compiled import Compiled

SEEDS = 3


def test_seeds_side_by_side_are_the_runs_one_by_one(compiled, experiment):
    together = Compiled(experiment, seeds=SEEDS)
    # One iteration tells a wrong seed; after many, the order of floating-point sums would.
    progress, metrics = together.run(together.begin(key=jr.key(0)), 1)
    assert progress.iteration.tolist() == [1] * SEEDS, "seeds lie along a new first axis"
    for seed, key in enumerate(jr.split(jr.key(0), SEEDS)):
        alone, figures = compiled.run(compiled.begin(key=key), 1)
        one = jax.tree.map(lambda x: x[seed], (progress, metrics))  # noqa: B023
        assert (jr.key_data(one[0].key) == jr.key_data(alone.key)).all(), "luck is its own"
        close((one[0].life, one[0].learner), (alone.life, alone.learner), f"seed {seed} differs")
        close(one[1], figures, f"metrics of seed {seed} differ")
    kernels = progress.learner.network.memory.recurrent
    assert len(np.unique(np.asarray(kernels)[:, 0, 0])) == SEEDS, "no two seeds are alike"


def close(got, expected, law: str) -> None:
    """Equal but for the order of floating-point sums."""
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=1e-5, err_msg=law)
