"""AIL: odds, slopes and rewards by formulas in NumPy; and it does as it is shown, unpaid."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ail import AIL
from meadow.agents.dqn import DQN
from meadow.agents.normalised import Normalised
from meadow.agents.ppo import PPO
from meadow.agents.rnd import RND
from meadow.agents.sac import SAC
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.learner import SURPRISE
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.curricula.uniform import Uniform
from meadow.envs.pendulum import Pendulum, physics
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.nn.critic import CriticPlan
from meadow.nn.plan import Plan
from meadow.nn.policy import PolicyPlan
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing import check_learner
from meadow.testing.probes import Choice, Matching

PLAN = Plan(channels=(), features=4, memory=4, heads=3, core="none", recalls=False)
NUM, ROWS, LIVES, PENALTY, RATE = 3, 2, 6, 0.7, 1e-2


def lived(learner: Any, environment: Any, tasks: Any, rows: int, key: Any) -> tuple[Any, Any]:
    """A fresh state, and some rows of what its agent lives."""
    task = jax.tree.map(lambda x: x[0], tasks)
    example = environment.reset(task, key=key)[1]
    state = learner.init(example, environment.action_spec, key=key)
    agent = learner.agent(state)
    living = Living(environment, Trial(episodes=1))
    return state, living.collect(agent, unborn(environment, agent, tasks), tasks, rows, key=key)[1]


def shown() -> Trajectory:
    """What the environment pays for, of everything that it shows."""
    number = np.arange(36).reshape(4, 9) % NUM
    none, seen = jnp.zeros(number.shape), jnp.asarray(np.eye(NUM)[number], jnp.float32)
    done = jnp.asarray(number, jnp.int32)
    kind = done.astype(jnp.uint8)  # nobody looks at it
    steps = TimeStep(kind, none, none, seen, done)
    after = jax.tree.map(lambda x: x[-1], steps)
    return Trajectory(steps, done, steps, done == 0, {}, None, after, None)


SHOWN = shown()
LEARNER = AIL(DQN(PLAN, gamma=0.5), SHOWN, CriticPlan((4,)), penalty=PENALTY, learning_rate=RATE)


def matching(key: Any) -> tuple[Any, Trajectory]:
    """A fresh state, and what its agent lives."""
    return lived(LEARNER, Matching(NUM), jnp.arange(LIVES) % NUM, ROWS, key)


def odds(parameters: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    weight, bias, last, offset = parameters
    return (np.maximum(x @ weight + bias, 0) @ last + offset)[..., 0]


def loss(parameters: list[np.ndarray], lived: Any, shown: Any, share: Any) -> float:
    weight, bias, last, _ = parameters
    between = lived + share * (shown - lived)
    slopes = ((between @ weight + bias > 0) * last[:, 0]) @ weight.T
    steep = ((np.linalg.norm(slopes, axis=-1) - 1) ** 2).mean()
    logistic = np.log1p(np.exp(odds(parameters, lived))).mean()
    return logistic + np.log1p(np.exp(-odds(parameters, shown))).mean() + PENALTY * steep


@pytest.mark.parametrize("pays", ["logit", "softplus"])
def test_it_pays_the_odds_and_descends_what_it_says(pays, key):
    learner = dataclasses.replace(LEARNER, pays=pays)
    state, trajectory = jax.jit(matching)(key)
    after, metrics = jax.jit(lambda state: learner.update(state, trajectory, key=key))(state)

    key_learner, key_shown, key_share = jr.split(key, 3)
    rows = SHOWN.timestep.observation.reshape(-1, NUM), SHOWN.action.ravel()
    drawn = np.asarray(jr.randint(key_shown, (ROWS * LIVES,), 0, SHOWN.action.size))
    share = np.asarray(jr.uniform(key_share, (ROWS * LIVES, 1)), np.float64)

    def features(seen: Any, action: Any) -> np.ndarray:
        return np.concatenate([np.asarray(seen, np.float64), np.eye(NUM)[np.asarray(action)]], -1)

    here = features(trajectory.timestep.observation, trajectory.action)
    examples = here.reshape(-1, 2 * NUM), features(rows[0][drawn], rows[1][drawn]), share
    layers = state.discriminator.body.layers
    p = [np.asarray(x, np.float64) for layer in layers for x in (layer.weight, layer.bias)]
    np.testing.assert_allclose(metrics["imitation"], loss(p, *examples), rtol=1e-5)
    told = np.mean(odds(p, examples[0]) < 0), np.mean(odds(p, examples[1]) > 0)
    np.testing.assert_allclose(metrics["told_apart"], np.mean(told), rtol=1e-6)

    paid = odds(p, here)
    paid = np.log1p(np.exp(paid)) if pays == "softplus" else paid
    again = eqx.tree_at(lambda x: x.next.reward, trajectory, jnp.asarray(paid, jnp.float32))
    inner = jax.jit(lambda state: learner.learner.update(state, again, key=key_learner))
    expected, said = inner(state.learner)
    np.testing.assert_allclose(metrics[SURPRISE], said[SURPRISE], rtol=1e-4, atol=1e-5)
    for x, y in zip(jax.tree.leaves(after.learner), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4, err_msg="it learnt from other rewards")

    moved = [x for layer in after.discriminator.body.layers for x in (layer.weight, layer.bias)]
    for i, x in enumerate(moved):
        slope = np.zeros_like(p[i])
        for place in np.ndindex(*p[i].shape):
            up, down = ([x.copy() for x in p] for _ in range(2))
            up[i][place] += 1e-6
            down[i][place] -= 1e-6
            slope[place] = (loss(up, *examples) - loss(down, *examples)) / 2e-6
        step = -RATE * slope / (np.abs(slope) + 1e-8)  # Adam's first
        steep = np.abs(slope) > 1e-4  # where rounding does not decide on the sign
        np.testing.assert_allclose((x - p[i])[steep], step[steep], rtol=1e-2, atol=1e-6)


def test_it_acts_and_scores_as_the_other_learner(key):
    state, trajectory = jax.jit(matching)(key)
    inner = LEARNER.learner
    assert eqx.tree_equal(LEARNER.agent(state), inner.agent(state.learner))
    scores = jax.jit(
        lambda: (LEARNER.score(state, trajectory), inner.score(state.learner, trajectory))
    )()
    assert eqx.tree_equal(*scores), "a curriculum hears of what the environment pays alone"


def test_it_does_as_it_is_shown_though_the_environment_pays_for_something_else(key):
    demonstrations = dataclasses.replace(SHOWN, action=(SHOWN.action + 1) % NUM)
    ppo = PPO(PLAN, learning_rate=1e-2, epochs=2, minibatches=2)
    imitator = AIL(ppo, demonstrations, CriticPlan((16,)), penalty=1.0, learning_rate=1e-2)
    curriculum, trial = Uniform(Choice(NUM)), Trial(episodes=1)
    run = Compiled(Experiment(Matching(NUM), curriculum, imitator, trial, 16, 8))
    progress, metrics = run.run(run.begin(key=key), 20)
    assert metrics["return"] > 0.25, "at first it does anything"
    progress, _ = run.run(progress, 200)
    metrics = run.run(progress, 20)[1]
    assert metrics["return"] < 0.05, "it was not shown what is paid for"
    np.testing.assert_allclose(metrics["told_apart"], 0.5, atol=0.05)


def test_vectors_are_looked_at_in_units_of_the_box(key):
    environment, sac = Pendulum(max_steps=2), SAC(PolicyPlan((4,)), CriticPlan((4,)))
    tasks = jax.vmap(lambda key: physics().sample(key=key))(jr.split(key, 3))
    steps = jax.jit(lambda key: lived(sac, environment, tasks, 2, key)[1])(key)
    learner, example = AIL(sac, steps), jax.tree.map(lambda x: x[0, 0], steps.timestep)
    state = jax.jit(lambda key: learner.init(example, environment.action_spec, key=key))(key)
    features = state.discriminator.features(steps.timestep.observation, steps.action)
    np.testing.assert_allclose(features[..., -1:], steps.action / 2.0, rtol=1e-6)
    with pytest.raises(SpecError, match=r"actions \(1,\), got \(3,\) and \(\)"):
        LEARNER.init(example, environment.action_spec, key=key)


@pytest.mark.slow
def test_it_keeps_the_laws_of_learners(key):
    _, trajectory = jax.jit(matching)(key)
    check_learner(LEARNER, trajectory, Discrete(NUM), key=key)


def test_another_way_to_pay_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'logit'"):
        AIL(DQN(PLAN), SHOWN, pays="logits")


def test_demonstrations_in_other_units_than_what_is_lived_are_refused():
    AIL(Normalised(DQN(PLAN)), SHOWN)
    for learner in (LEARNER, RND(LEARNER, PLAN)):
        with pytest.raises(SpecError, match=r"Write `AIL\(Normalised\(...\), demonstrations\)`"):
            Normalised(learner)
