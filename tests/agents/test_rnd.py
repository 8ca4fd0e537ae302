"""RND: what is paid for is new, by formulas in NumPy; and it finds what chance does not."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.dqn import DQN
from meadow.agents.rnd import RND
from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE, AbstractLearner
from meadow.core.trajectory import Trajectory
from meadow.curricula.uniform import Uniform
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.plan import Plan
from meadow.nn.worth import Scalar
from meadow.replay.limiter import Limiter
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import Choice, DeepSea, Matching

PLAN = Plan(channels=(), features=4, memory=4, heads=3, core="none", recalls=False)
LEARNER = RND(DQN(PLAN, gamma=0.5), PLAN, size=3, scale=0.5, decay=0.9, learning_rate=1e-2)


def lived(key: Any) -> tuple[Any, Trajectory]:
    """A fresh state, and two rows of what its agent lives."""
    environment, tasks = Matching(num=3), jnp.arange(6) % 3
    example = environment.reset(tasks[0], key=key)[1]
    state = LEARNER.init(example, environment.action_spec, key=key)
    agent = LEARNER.agent(state)
    life = unborn(environment, agent, tasks)
    living = Living(environment, Trial(episodes=1))
    return state, living.collect(agent, life, tasks, 2, key=key)[1]


def said(p: Any, seen: np.ndarray) -> np.ndarray:
    (encoder,) = p.trunk.encoders.values()
    x = np.maximum(seen @ encoder.layer.weight + encoder.layer.bias, 0)
    x = np.maximum(x @ p.trunk.memory.layer.weight + p.trunk.memory.layer.bias, 0)
    x = np.tanh(x @ p.head.hidden.weight + p.head.hidden.bias)
    return x @ p.head.last.weight + p.head.last.bias


def test_the_other_learner_is_paid_for_errors_beside_late_ones(key):
    state, trajectory = jax.jit(lived)(key)
    step = jax.jit(lambda state: LEARNER.update(state, trajectory, key=key))
    inner = jax.jit(lambda state, paid: LEARNER.learner.update(state, paid, key=key))
    found, square = [], 0.0
    for updates in (1, 2, 3):
        seen = np.asarray(trajectory.next.observation)
        error = ((said(state.predictor, seen) - said(state.target, seen)) ** 2).mean(axis=-1)
        found.append(error)
        square = 0.9 * square + 0.1 * (error**2).mean()
        late = np.sqrt(square / (1 - 0.9**updates))
        reward = trajectory.next.reward + 0.5 * error / late
        paid = eqx.tree_at(lambda x: x.next.reward, trajectory, jnp.asarray(reward))
        expected, told = inner(state.learner, paid)
        before, (state, metrics) = state, step(state)
        np.testing.assert_allclose(metrics["novelty"], error.mean(), rtol=1e-4)
        np.testing.assert_allclose(metrics[SURPRISE], told[SURPRISE], rtol=1e-3, atol=1e-5)
        for x, y in zip(jax.tree.leaves(state.learner), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-4, err_msg="it learnt from other rewards")
        assert eqx.tree_equal(state.target, before.target), "what is predicted never changes"
    assert found[2].mean() < found[0].mean(), "the prediction does not get better"
    np.testing.assert_allclose(state.late.ema, square, rtol=1e-4)


def test_it_acts_and_scores_as_the_other_learner(key):
    state, trajectory = jax.jit(lived)(key)
    inner = LEARNER.learner
    assert eqx.tree_equal(LEARNER.agent(state), inner.agent(state.learner))
    score = jax.jit(lambda learner, state: learner.score(state, trajectory), static_argnums=0)
    assert eqx.tree_equal(score(LEARNER, state), score(inner, state.learner)), (
        "a curriculum hears of what the environment pays alone"
    )


def test_networks_that_remember_are_refused():
    with pytest.raises(SpecError, match="core='gru' and recalls=True. Write core='none'"):
        RND(DQN(), Plan())


@pytest.mark.slow
def test_treasure_is_found_by_who_looks_for_what_is_new():
    plain = DQN(worth=Scalar(huber=1.0), target_period=100, epsilon=(1.0, 0.05, 1000))

    def returns(learner: AbstractLearner) -> np.ndarray:
        """Of the second thousand episodes, `[seeds]`."""
        experiment = Experiment(
            environment=DeepSea(size=14),
            curriculum=Uniform(Choice(1)),
            learner=learner,
            trial=Trial(episodes=1),
            lives=1,
            length=60,
            rehearsal=Rehearsal(Replay(50_000), 32, Limiter.ratio_of(32.0, 200)),
        )
        run = Compiled(experiment, seeds=6)
        progress, _ = run.run(run.begin(key=jr.key(0)), 200)
        return np.asarray(run.run(progress, 200)[1]["return"])

    assert (returns(RND(plain)) > 0.5).all(), "it did not find the treasure on every seed"
    assert (returns(plain) < 0.1).all(), "chance alone finds it as well"
