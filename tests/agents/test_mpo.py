"""MPO: its first update against the formulas in NumPy, its two steps against rlax.

The transcription is float64; its gradients are central differences, so that nothing is shared with
what is tested, not even automatic differentiation. Luck alone is drawn as it is there.
"""

import importlib
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from meadow.agents.mpo import MPO, Duals, State, constrained, sharpened
from meadow.core.spec import Box
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan
from meadow.nn.policy import PolicyPlan
from meadow.nn.worth import Categorical, Quantiles, Scalar
from meadow.testing import check_learner

STEPS, BATCH, SEEN, NUM, GAMMA, SAMPLES = 2, 4, 3, 2, 0.9, 5
BOX, MIDDLE, HALF = Box((NUM,), -1.0, 3.0), 1.0, 2.0
EPSILON, MEAN, SPREAD, PENALTY = 0.1, 0.02, 0.01, 0.05
LEARNER = MPO(
    PolicyPlan((4,)),
    CriticPlan((4,), num=1),
    gamma=GAMMA,
    samples=SAMPLES,
    epsilon=EPSILON,
    epsilon_mean=MEAN,
    epsilon_spread=SPREAD,
    epsilon_penalty=PENALTY,
    duals=(1.5, 2.0, 3.0),
    target_period=2,
    learning_rate=1e-2,
    max_norm=1e6,
)


def windows() -> Trajectory:
    """Made-up numbers; the first window terminates at once, the second is cut there."""
    rng = np.random.default_rng(0)

    def moments(step_type: Any, discount: Any) -> TimeStep:
        return TimeStep(
            step_type=jnp.asarray(step_type, jnp.uint8),
            reward=jnp.asarray(rng.normal(size=(STEPS, BATCH)), jnp.float32),
            discount=jnp.asarray(discount, jnp.float32),
            observation=jnp.asarray(rng.normal(size=(STEPS, BATCH, SEEN)), jnp.float32),
            episode=jnp.zeros((STEPS, BATCH), jnp.int32),
        )

    ended = np.zeros((STEPS, BATCH), bool)
    ended[0, :2] = True
    discount = np.ones((STEPS, BATCH))
    discount[0, 0] = 0.0
    before = moments(np.full((STEPS, BATCH), StepType.MID), np.ones((STEPS, BATCH)))
    after = moments(np.where(ended, StepType.LAST, StepType.MID), discount)
    action = jnp.asarray(rng.uniform(-1, 3, (STEPS, BATCH, NUM)), jnp.float32)
    last = jax.tree.map(lambda x: x[-1], after)
    weight = jnp.asarray(rng.uniform(0.2, 1.0, BATCH), jnp.float32)
    return Trajectory(before, action, after, jnp.asarray(ended), {}, None, last, None, weight)


WINDOWS = windows()
ROW = np.array([0, 0, 1, 1])  # where each window's return ends


def begun(learner: MPO = LEARNER) -> State:
    """A state in which policy and target differ, and neither is small."""
    example = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    state, rng = learner.init(example, BOX, key=jr.key(0)), np.random.default_rng(1)

    def moved(x: jax.Array) -> jax.Array:
        return x + jnp.asarray(0.3 * rng.normal(size=x.shape), jnp.float32)

    networks, target = (jax.tree.map(moved, x) for x in (state.networks, state.target))
    return state._replace(networks=networks, target=target)


@eqx.filter_jit
def updated(learner: MPO, state: State, lived: Trajectory, key: jax.Array) -> Any:
    return learner.update(state, lived, key=key)


# --- the formulas ---------------------------------------------------------------------------------


def mlp(p: Any, x: np.ndarray) -> np.ndarray:
    for layer in p.layers[:-1]:
        x = np.maximum(x @ layer.weight + layer.bias, 0)
    return x @ p.layers[-1].weight + p.layers[-1].bias


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def normal(p: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation."""
    mean, spread = np.split(mlp(p.body, x), 2, -1)
    return MIDDLE + HALF * mean, HALF * (0.5 / np.log(2) * softplus(spread) + 1e-4)


def judged(p: Any, x: np.ndarray, action: np.ndarray) -> np.ndarray:
    return mlp(p.members[0], np.concatenate([x, (action - MIDDLE) / HALF], -1))[..., 0]


def log_prob(mean: np.ndarray, std: np.ndarray, action: np.ndarray) -> np.ndarray:
    each = -(((action - mean) / std) ** 2) / 2 - np.log(std) - np.log(2 * np.pi) / 2
    return each.sum(-1)


def divergence(m0: Any, s0: Any, m1: Any, s1: Any) -> np.ndarray:
    return np.log(s1 / s0) + (s0**2 + (m0 - m1) ** 2) / (2 * s1**2) - 0.5


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(0))
    return e / e.sum(0)


def policy_loss(p: Any, duals: Any, still: tuple, target: Any, lived: Any, actions: Any) -> float:
    """`still` are the policy and the duals, where no gradient flows into them."""
    policy, held = still
    after = lived.next.observation[ROW, range(BATCH)]
    values = np.stack([judged(target.critics, after, np.clip(a, -1, 3)) for a in actions])
    out = -np.linalg.norm((actions - np.clip(actions, -1, 3)) / HALF, axis=-1)
    weights, total = np.zeros(values.shape), np.zeros(BATCH)
    for said, dual, kept, epsilon in (
        (values, duals.temperature, held.temperature, EPSILON),
        (out, duals.penalty, held.penalty, PENALTY),
    ):
        eta = softplus(dual)
        weights += softmax(said / softplus(kept))
        total += eta * (epsilon + np.log(np.exp(said / eta).mean(0)))
    (m0, s0), (m1, s1) = normal(target.policy, after), normal(p, after)
    before = normal(policy, after)
    for mean, std, was, dual, kept, epsilon in (
        (m1, s0, (before[0], s0), duals.mean, held.mean, MEAN),
        (m0, s1, (m0, before[1]), duals.spread, held.spread, SPREAD),
    ):
        total -= (weights * log_prob(mean, std, actions)).sum(0)
        total += (softplus(kept) * divergence(m0, s0, mean, std)).sum(-1)
        total += (softplus(dual) * (epsilon - divergence(m0, s0, *was))).sum(-1)
    return float((total * lived.weight).mean())


def critic_loss(p: Any, target: Any, lived: Any, actions: Any) -> float:
    after = lived.next.observation[ROW, range(BATCH)]
    value = np.mean([judged(target.critics, after, np.clip(a, -1, 3)) for a in actions], axis=0)
    reward, discount = lived.next.reward[0].copy(), GAMMA * lived.next.discount[0]
    reward[2:] += discount[2:] * lived.next.reward[1, 2:]
    discount[2:] *= GAMMA * lived.next.discount[1, 2:]
    error = reward + discount * value - judged(p, lived.timestep.observation[0], lived.action[0])
    return float((lived.weight * error**2 / 2).mean())


def close(got: Any, wanted: Any, law: str) -> None:
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        scale = max(1e-3, float(np.abs(y).max()))
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=2e-4 * scale, err_msg=law)


# --- updates --------------------------------------------------------------------------------------


def test_the_first_update_is_the_formulas(exact, slopes):
    state, key = begun(), jr.key(3)
    after, metrics = updated(LEARNER, state, WINDOWS, key)
    lived, (networks, target, duals, *_) = exact((WINDOWS, begun()))
    mean, std = normal(target.policy, lived.next.observation[ROW, range(BATCH)])
    luck = [np.array(jr.normal(k, (BATCH, NUM)), np.float64) for k in jr.split(key, SAMPLES)]
    actions = mean + std * np.stack(luck)
    assert (abs(actions - MIDDLE) > HALF).any(), "some actions lie out of the box"

    loss = critic_loss(networks.critics, target, lived, actions)
    assert float(metrics["loss"]) == pytest.approx(loss, rel=1e-4)
    critics = slopes(lambda p: critic_loss(p, target, lived, actions), networks.critics)
    still = networks.policy, duals
    policy = slopes(lambda p: policy_loss(p, duals, still, target, lived, actions), still[0])
    constraints = slopes(
        lambda d: policy_loss(networks.policy, d, still, target, lived, actions), duals
    )
    moments = ravel_pytree(networks)[1](after.optimiser[1][0].mu)
    dual_moments = ravel_pytree(duals)[1](after.dual_optimiser[1][0].mu)
    tenth = [jax.tree.map(lambda g: g / 10, x) for x in (critics, policy, constraints)]
    close(moments.critics, tenth[0], "the critics' gradient")
    close(moments.policy, tenth[1], "the policy's gradient")
    close(dual_moments, tenth[2], "what holds the constraints")
    assert isinstance(after.duals, Duals)
    stepped = jax.tree.map(lambda x, g: x - 1e-2 * np.sign(g), duals, constraints)
    close(after.duals, stepped, "one step of Adam for the duals")


def test_targets_are_copied_at_times():
    first = begun()
    once, _ = updated(LEARNER, first, WINDOWS, jr.key(3))
    assert eqx.tree_equal(once.target, first.target), "a target waits for its period"
    twice, _ = updated(LEARNER, once, WINDOWS, jr.key(3))
    assert eqx.tree_equal(twice.target, twice.networks), "and is then a copy"


def test_the_first_duals_are_those_that_are_asked_for():
    example = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    duals = LEARNER.init(example, BOX, key=jr.key(0)).duals
    wanted = 1.5, 1.5, [2.0, 2.0], [3.0, 3.0]
    for x, y in zip(duals, wanted, strict=True):
        np.testing.assert_allclose(jax.nn.softplus(x), y, rtol=1e-5)


@pytest.mark.parametrize(
    "learner",
    [
        LEARNER,
        pytest.param(
            eqx.tree_at(lambda x: x.worth, LEARNER, Categorical(-4.0, 4.0, 7)),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_laws(learner, key):
    check_learner(learner, WINDOWS, BOX, key=key)


# --- the two steps --------------------------------------------------------------------------------


@pytest.mark.parity
def test_both_steps_equal_rlax():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rlax = importlib.import_module("rlax")
        except Exception as error:
            pytest.skip(f'rlax cannot be imported ({error}): pip install ".[peers]"')
    rng = np.random.default_rng(0)
    values = jnp.asarray(3 * rng.normal(size=(SAMPLES, BATCH)), jnp.float32)
    kl = jnp.asarray(rng.random((BATCH, NUM)), jnp.float32)
    alpha, eta = jnp.array([0.5, 2.0]), jnp.float32(0.7)
    weights, loss = sharpened(values, eta, EPSILON)
    theirs = rlax.mpo_compute_weights_and_temperature_loss(
        values, rlax.LagrangePenalty(eta, EPSILON), lambda x: x
    )
    np.testing.assert_allclose(weights, theirs[1], rtol=1e-5)
    np.testing.assert_allclose(loss, theirs[0], rtol=1e-5)
    penalty = rlax.LagrangePenalty(alpha, MEAN, per_dimension=True)
    inside = importlib.import_module("rlax._src.mpo_ops")  # the package does not export this one
    theirs = inside.kl_constraint_loss(kl, penalty, lambda x: x)
    for mine, other in zip(constrained(kl, alpha, MEAN), theirs[:2], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)


def test_worths_are_mixed():
    rng = np.random.default_rng(0)
    told = jnp.asarray(rng.normal(size=(SAMPLES, BATCH, 6)), jnp.float32)
    plain, scaled = Scalar(), Scalar(rescale=True)
    for worth in (plain, scaled):
        mixed = worth.mean(worth.mixed(told[..., :1]))
        np.testing.assert_allclose(mixed, worth.mean(told[..., :1]).mean(0), rtol=1e-3, atol=1e-4)
    worth = Categorical(-1.0, 1.0, 6)
    chances = jax.nn.softmax(told).mean(0)
    np.testing.assert_allclose(jax.nn.softmax(worth.mixed(told)), chances, rtol=1e-5)
    quantiles = Quantiles(6).mixed(told)
    every = np.sort(np.moveaxis(np.asarray(told), 0, -1).reshape(BATCH, -1), -1)
    np.testing.assert_allclose(quantiles[:, 0], every[:, :SAMPLES].mean(-1), rtol=1e-5)
    np.testing.assert_allclose(quantiles.mean(-1), told.mean((0, 2)), rtol=1e-4, atol=1e-6)
