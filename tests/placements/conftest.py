"""A run small enough to be run many times."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ppo import PPO
from meadow.curricula.uniform import Uniform
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.nn.plan import Plan
from meadow.rollout.life import Trial
from meadow.testing.probes import Choice, HiddenArm


@pytest.fixture(scope="session")
def experiment() -> Experiment:
    """Trials of three episodes that span chunks, so that a chunk cut wrongly shows."""
    return Experiment(
        environment=HiddenArm(num=3, length=2),
        curriculum=Uniform(Choice(3)),
        learner=PPO(
            Plan(channels=(), features=4, aside=2, memory=6, heads=0),
            learning_rate=1e-2,
            updates=20,
            epochs=2,
            minibatches=2,
        ),
        trial=Trial(episodes=3),
        lives=8,
        length=7,
    )


@pytest.fixture(scope="session")
def compiled(experiment) -> Compiled:
    """The run on one device, compiled once for all tests."""
    return Compiled(experiment)


def _bits(x: Any) -> np.ndarray:
    x = jr.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    return np.asarray(x)


@pytest.fixture(scope="session")
def same_bits() -> Callable[[Any, Any, str], None]:
    """Every leaf of two trees is the same, bit for bit."""

    def check(got: Any, expected: Any, law: str) -> None:
        pairs = zip(
            jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True
        )
        for (where, x), y in pairs:
            x, y, name = _bits(x), _bits(y), jax.tree_util.keystr(where)
            assert x.dtype == y.dtype and x.shape == y.shape, f"{law}: {name} has another shape"
            assert x.tobytes() == y.tobytes(), f"{law}: {name} differs"

    return check
