"""BC, IQL, CRR and CQL: first updates against the formulas in NumPy, and what each is known for.

The transcriptions are float64 and their gradients central differences, so that nothing is shared
with what is tested. Only luck is drawn as it is there.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from meadow.agents.bc import BC
from meadow.agents.cql import CQL
from meadow.agents.crr import CRR
from meadow.agents.iql import IQL
from meadow.agents.sac import SAC
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.spec import Box, Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan
from meadow.nn.plan import Plan
from meadow.nn.policy import PolicyPlan
from meadow.nn.preference import preference
from meadow.nn.state_value import expectile_loss

STEPS, BATCH, NUM, GAMMA, SAMPLES = 2, 5, 2, 0.9, 3
BOX, MIDDLE, HALF = Box((NUM,), -1.0, 3.0), 1.0, 2.0
SEED, KEY = 1, jr.key(3)
POLICY, CRITICS = PolicyPlan((4,)), CriticPlan((4,))
SOFT = SAC(POLICY, CRITICS, gamma=GAMMA, temperature=0.3, share=0.1)
CQL_ = CQL(SOFT, coefficient=2.0, threshold=0.5, samples=SAMPLES, warmup=0)
LEARNERS: dict[str, Any] = {
    "bc": BC(POLICY),
    "bc by squares": BC(POLICY, loss="square"),
    "iql": IQL(POLICY, CRITICS, gamma=GAMMA, expectile=0.8, cap=1.5, share=0.1),
    "crr": CRR(POLICY, CRITICS, gamma=GAMMA, sharpness=2.0, cap=1.5, samples=SAMPLES),
    "crr by signs": CRR(POLICY, CRITICS, gamma=GAMMA, prefers="indicator", samples=SAMPLES),
    "cql": CQL_,
    "cql warming up": dataclasses.replace(CQL_, warmup=1, threshold=None),
}
# A column a window: one that goes on, one that terminates at once or later, one that is cut.
ENDS = np.array([[".", "T", ".", "t", "."], [".", ".", "T", ".", "t"]])


def windows() -> Trajectory:
    """Made-up numbers, as a store hands them out."""
    rng, shape = np.random.default_rng(SEED), (STEPS, BATCH)

    def moments(step_type: Any, discount: Any) -> TimeStep:
        numbers = (rng.normal(size=shape), discount, rng.normal(size=(*shape, 3)))
        reward, discount, seen = (jnp.asarray(x, jnp.float32) for x in numbers)
        kind = jnp.asarray(step_type, jnp.uint8)
        return TimeStep(kind, reward, discount, seen, jnp.zeros(shape, jnp.int32))

    before = moments(np.full(shape, StepType.MID), np.ones(shape))
    kinds = np.where(ENDS != ".", StepType.LAST, StepType.MID)
    after = moments(kinds, np.where(ENDS == "T", 0.0, 0.8))
    action = jnp.asarray(rng.uniform(-0.9, 2.9, (*shape, NUM)), jnp.float32)
    weight = jnp.asarray(rng.uniform(0.2, 1.0, BATCH), jnp.float32)
    ending = jax.tree.map(lambda x: x[-1], after)
    ended = jnp.asarray(ENDS != ".")
    return Trajectory(before, action, after, ended, {}, None, ending, None, weight)


WINDOWS = windows()
EXAMPLE = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)


@eqx.filter_jit
def updated(learner: Any, state: Any, trajectory: Trajectory) -> Any:
    return learner.update(state, trajectory, key=KEY)


def begun(learner: Any) -> Any:
    """A state whose targets differ from what they follow, and whose policy is not uniform."""
    state, rng = learner.init(EXAMPLE, BOX, key=jr.key(0)), np.random.default_rng(1)

    def moved(tree: Any) -> Any:
        noise = lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), jnp.float32)  # noqa: E731
        return jax.tree.map(lambda x: x + noise(x) if x.size > 1 else x, tree)

    if isinstance(learner, BC):
        return state._replace(policy=moved(state.policy))
    return state._replace(networks=moved(state.networks), target=moved(state.target))


# --- the formulas ---------------------------------------------------------------------------------


def mlp(p: Any, x: np.ndarray) -> np.ndarray:
    *hidden, last = p.layers
    for layer in hidden:
        x = np.maximum(x @ layer.weight + layer.bias, 0)
    return x @ last.weight + last.bias


def told(p: Any, seen: np.ndarray, action: np.ndarray) -> np.ndarray:
    """`[critics, batch]`."""
    x = np.concatenate([seen, (action - MIDDLE) / HALF], -1)
    return np.stack([mlp(member, x)[..., 0] for member in p.members])


def spread(p: Any, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, log_std = np.split(mlp(p.body, seen), 2, -1)
    return mean, np.exp(np.clip(log_std, -20, 2))


def density(p: Any, seen: np.ndarray, action: np.ndarray, unit: float = HALF) -> np.ndarray:
    """Logarithm, of actions in units of `HALF / unit`."""
    mean, std = spread(p, seen)
    y = (action - MIDDLE) / HALF
    normal = -0.5 * ((np.arctanh(y) - mean) / std) ** 2 - np.log(std) - 0.5 * math.log(2 * math.pi)
    return (normal - np.log(1 - y**2) - math.log(unit)).sum(-1)


def steady_density(p: Any, seen: np.ndarray, action: np.ndarray) -> np.ndarray:
    far = (action - MIDDLE) / HALF - np.tanh(mlp(p.body, seen))
    std = np.exp(np.clip(p.log_std, -5, 2))
    each = -0.5 * (far / std) ** 2 - np.log(std * HALF) - 0.5 * math.log(2 * math.pi)
    return each.sum(-1)


def drawn(p: Any, seen: np.ndarray, key: jax.Array) -> np.ndarray:
    mean, std = spread(p, seen)
    return MIDDLE + HALF * np.tanh(mean + std * np.array(jr.normal(key, (BATCH, NUM)), np.float64))


def joined(lived: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R, D and what was seen at last."""
    reward, discount, seen = np.zeros(BATCH), np.ones(BATCH), np.zeros((BATCH, 3))
    for i in range(BATCH):
        for t in range(STEPS):
            reward[i] += discount[i] * lived.next.reward[t, i]
            discount[i] *= GAMMA * lived.next.discount[t, i]
            seen[i] = lived.next.observation[t, i]
            if ENDS[t, i] != ".":
                break
    return reward, discount, seen


Losses = dict[str, Callable[[Any], float]]


def bc_losses(learner: BC, state: Any, lived: Any) -> Losses:
    def loss(p: Any) -> float:
        each = -density(p, lived.timestep.observation, lived.action)
        if learner.loss == "square":
            mean, _ = spread(p, lived.timestep.observation)
            each = ((np.tanh(mean) - (lived.action - MIDDLE) / HALF) ** 2).sum(-1)
        return float((each.mean(0) * lived.weight).mean())

    return {"policy": loss}


def iql_losses(learner: IQL, state: Any, lived: Any) -> Losses:
    reward, discount, after = joined(lived)
    seen, done, networks = lived.timestep.observation[0], lived.action[0], state.networks
    worth = told(state.target, seen, done).min(0)
    value = lambda p, x: mlp(p.body, x)[:, 0]  # noqa: E731
    target = reward + discount * value(networks.value, after)
    better = worth - value(networks.value, seen)
    preferred = np.minimum(np.exp(3.0 * better), 1.5)
    assert (preferred == 1.5).any() and (preferred < 1.5).any(), "Some weights are capped."

    def expectile(p: Any) -> float:
        error = worth - value(p, seen)
        each = np.where(error > 0, 0.8, 0.2) * error**2
        return float((each * lived.weight).mean())

    def critics(p: Any) -> float:
        each = ((told(p, seen, done) - target) ** 2 / 2).sum(0)
        return float((each * lived.weight).mean())

    def policy(p: Any) -> float:
        return -float((preferred * steady_density(p, seen, done) * lived.weight).mean())

    return {"value": expectile, "critics": critics, "policy": policy}


def crr_losses(learner: CRR, state: Any, lived: Any) -> Losses:
    reward, discount, after = joined(lived)
    seen, done, networks = lived.timestep.observation[0], lived.action[0], state.networks
    key_next, key_now = jr.split(KEY)
    then = drawn(state.target.policy, after, key_next)
    target = reward + discount * told(state.target.critics, after, then).min(0)
    worth = lambda action: told(networks.critics, seen, action).min(0)  # noqa: E731
    others = [worth(drawn(networks.policy, seen, key)) for key in jr.split(key_now, SAMPLES)]
    better = worth(done) - np.mean(others, 0)
    preferred = np.minimum(np.exp(2.0 * better), 1.5)
    if learner.prefers == "indicator":
        preferred = (better > 0).astype(float)
        assert 0 < preferred.sum() < BATCH, "Some actions are better, and some are not."

    def critics(p: Any) -> float:
        each = ((told(p, seen, done) - target) ** 2 / 2).sum(0)
        return float((each * lived.weight).mean())

    def policy(p: Any) -> float:
        return -float((preferred * density(p, seen, done) * lived.weight).mean())

    return {"critics": critics, "policy": policy}


def cql_losses(learner: CQL, state: Any, lived: Any) -> Losses:
    reward, discount, after = joined(lived)
    seen, done, networks = lived.timestep.observation[0], lived.action[0], state.networks.soft
    key_soft, key_others = jr.split(KEY)
    key_lesson, key_policy = jr.split(key_soft)
    then = drawn(networks.policy, after, key_lesson)
    entropy = -density(networks.policy, after, then, 1.0)
    target = reward + discount * (told(state.target, after, then).min(0) + 0.3 * entropy)

    key, key_uniform = jr.split(key_others)
    shape = (SAMPLES, BATCH, NUM)
    uniform = np.array(jr.uniform(key_uniform, shape, minval=-1.0, maxval=1.0), np.float64)
    others = [(MIDDLE + HALF * x, np.full(BATCH, 0.25)) for x in uniform]
    for i, where in enumerate((seen, after)):
        for one in jr.split(jr.fold_in(key, i), SAMPLES):
            action = drawn(networks.policy, where, one)
            others.append((action, np.exp(density(networks.policy, where, action, 1.0))))

    def excess(p: Any) -> np.ndarray:
        every = [np.exp(told(p, seen, action)) / chance for action, chance in others]
        return np.log(np.mean(every, 0)) - told(p, seen, done)

    def critics(p: Any) -> float:
        each = ((told(p, seen, done) - target) ** 2 / 2 + 2.0 * excess(p)).sum(0)
        return float((each * lived.weight).mean())

    def policy(p: Any) -> float:
        if learner.warmup:
            each = -density(p, lived.timestep.observation, lived.action).mean(0)
        else:
            action = drawn(p, seen, key_policy)
            each = 0.3 * density(p, seen, action, 1.0) - told(networks.critics, seen, action).min(0)
        return float((each * lived.weight).mean())

    def multiplier(log: Any) -> float:
        if learner.threshold is None:
            return 0.0
        return float(log * (0.5 - excess(networks.critics).mean()))

    return {"critics": critics, "policy": policy, "log_multiplier": multiplier}


LOSSES = {BC: bc_losses, IQL: iql_losses, CRR: crr_losses, CQL: cql_losses}


def parts(learner: Any, tree: Any) -> dict[str, Any]:
    """Networks, or what is of their form, by name."""
    if isinstance(learner, BC):
        return {"policy": tree}
    if isinstance(learner, CQL):
        return tree.soft._asdict() | {"log_multiplier": tree.log_multiplier}
    return tree._asdict()


def moments(learner: Any, state: Any) -> dict[str, Any]:
    """Adam's first moments, a tenth of the first gradients."""
    adam = state.optimiser[0][0] if isinstance(learner, CQL) else state.optimiser[0]
    return parts(learner, ravel_pytree(state[0])[1](adam.mu))


@pytest.mark.parametrize("name", LEARNERS)
def test_the_first_update_is_the_papers(name, exact, slopes):
    learner = LEARNERS[name]
    state = begun(learner)
    after, _ = updated(learner, state, WINDOWS)
    start, lived = exact((state[:2], WINDOWS))
    losses = LOSSES[type(learner)](
        learner, state._replace(**dict(zip(state._fields[:2], start, strict=True))), lived
    )
    networks, got = parts(learner, start[0]), moments(learner, after)
    for part, loss in losses.items():
        wanted = slopes(loss, networks[part])
        for one, other in zip(*map(jax.tree.leaves, (got[part], wanted)), strict=True):
            scale = max(1e-2, float(np.abs(other).max()))
            np.testing.assert_allclose(
                10 * one, other, rtol=2e-3, atol=5e-4 * scale, err_msg=f"the gradient of {part}"
            )


# --- what each is known for -----------------------------------------------------------------------


def test_cloning_among_a_few_actions_learns_which_was_done():
    learner = BC(plan=Plan(features=8, memory=8, heads=0, core="none", recalls=False),
                 learning_rate=0.05)  # fmt: skip
    done = (WINDOWS.timestep.observation[..., 0] > 0).astype(jnp.int32)
    lived = dataclasses.replace(WINDOWS, action=done, weight=None)
    state = learner.init(EXAMPLE, Discrete(2), key=jr.key(0))
    first = updated(learner, state, lived)[1]["loss"]
    assert float(first) == pytest.approx(math.log(2), abs=0.02), "At first both are as likely."
    for _ in range(60):
        state, metrics = updated(learner, state, lived)
    assert metrics["loss"] < 0.1
    agent = dataclasses.replace(learner.agent(state), greedy=True)
    acted = jax.vmap(jax.vmap(lambda t: agent.act((), t, key=KEY)[1]))(lived.timestep)
    np.testing.assert_array_equal(acted, done)


def test_the_expectile_is_asymmetric_and_its_half_is_a_mean():
    errors = jnp.array([3.0, -1.0])
    np.testing.assert_allclose(expectile_loss(errors, 0.9), [0.9 * 9, 0.1])
    returns = jnp.array([0.0, 1.0, 5.0])
    slope = lambda v, share: jax.grad(lambda v: expectile_loss(returns - v, share).sum())(v)  # noqa: E731
    assert float(slope(2.0, 0.5)) == pytest.approx(0.0, abs=1e-6), "One half is the mean."
    assert slope(2.0, 0.9) < 0, "More than that lies above it."


def test_the_policy_of_iql_spreads_alike_everywhere_and_acts_within_the_box():
    learner, key = LEARNERS["iql"], jr.split(KEY, 500)
    state = begun(learner)
    wide = eqx.tree_at(lambda s: s.networks.policy.log_std, state, jnp.array([-9.0, 5.0]))
    options = wide.networks.policy(WINDOWS.timestep)
    std = np.broadcast_to([HALF * math.exp(-5), HALF * math.exp(2)], options.mean.shape)
    np.testing.assert_allclose(jnp.exp(options.log_std), std, rtol=1e-5)
    agent, seen = learner.agent(wide), jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    acts = jax.vmap(lambda key: agent.act((), seen, key=key)[1])(key)
    assert (acts.min(0)[1], acts.max(0)[1]) == (BOX.low, BOX.high), "Cut where it strays."
    likeliest = dataclasses.replace(agent, greedy=True).act((), seen, key=KEY)[1]
    np.testing.assert_array_equal(likeliest, options.mean[0, 0])


def test_preferences_are_capped_and_never_infinite():
    weights = preference(jnp.array([-1e4, 0.0, 1.0, 1e4]), 2.0, 20.0)
    np.testing.assert_allclose(weights, [0.0, 1.0, math.exp(2), 20.0], rtol=1e-5)
    assert np.isfinite(jax.grad(lambda x: preference(x, 2.0, 20.0))(1e4))


def test_the_warm_up_of_cql_ends():
    learner = LEARNERS["cql warming up"]
    state, moved = begun(learner), []
    for count in (0, 1, 50):
        after, _ = updated(learner, state._replace(updates=jnp.int32(count)), WINDOWS)
        assert int(after.updates) == count + 1
        moved.append(jax.tree.leaves(moments(learner, after)["policy"]))
    same = [[bool((x == y).all()) for x, y in zip(moved[1], other, strict=True)]
            for other in (moved[0], moved[2])]  # fmt: skip
    assert not any(same[0]), "After the warm-up the policy has another loss."
    assert all(same[1]), "And keeps it."


@pytest.mark.slow
def test_conservative_critics_think_less_of_what_was_not_done():
    meek = dataclasses.replace(CQL_, coefficient=20.0, threshold=None, sac=dataclasses.replace(
        SOFT, learning_rate=1e-2))  # fmt: skip
    state = meek.init(EXAMPLE, BOX, key=jr.key(0))
    excesses = []
    for _ in range(100):
        state, metrics = updated(meek, state, WINDOWS)
        excesses.append(float(metrics["excess"]))
    assert excesses[-1] < 0.5 * excesses[0], "What was done is thought more of than what was not."


@pytest.mark.parametrize("name", ["iql", "crr", "cql"])
def test_a_cut_is_bootstrapped_and_an_end_is_not(name):
    learner = LEARNERS[name]
    state = begun(learner)
    where = (lambda s: s.networks.value) if name == "iql" else (lambda s: s.target)
    dearer = eqx.tree_at(where, state, jax.tree.map(lambda x: x + 5.0, where(state)))
    said = [updated(learner, s, WINDOWS)[1]["surprise"] for s in (state, dearer)]
    ended = (ENDS == "T").any(axis=0)
    assert (np.isclose(*said, rtol=1e-6) == ended).all(), "Only after an end nothing follows."


def test_the_rate_of_the_policy_alone_falls_along_half_a_cosine():
    plain, state = LEARNERS["iql"], begun(LEARNERS["iql"])
    falls = dataclasses.replace(plain, updates=2)
    slowed = falls.init(EXAMPLE, BOX, key=jr.key(0))
    slowed = slowed._replace(networks=state.networks, target=state.target)
    for share in (1.0, 0.5, 0.0):
        before, alike = state.networks, slowed._replace(networks=state.networks)
        state = updated(plain, state, WINDOWS)[0]
        slowed = updated(falls, alike, WINDOWS)[0]
        assert eqx.tree_equal(
            slowed.networks._replace(policy=None), state.networks._replace(policy=None)
        )
        policies = (x.policy for x in (before, state.networks, slowed.networks))
        for was, moved, less in zip(*map(jax.tree.leaves, policies), strict=True):
            assert (moved != was).any()
            np.testing.assert_allclose(less - was, share * (moved - was), rtol=1e-3, atol=1e-7)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iql", "crr", "cql"])
def test_actions_that_are_no_vectors_are_refused(name):
    with pytest.raises(SpecError, match="Expected actions that are vectors"):
        LEARNERS[name].init(EXAMPLE, Discrete(2), key=jr.key(0))


def test_hyper_parameters_out_of_range_are_refused():
    with pytest.raises(SpecError, match="expectile between 0 and 1, got 1.0"):
        IQL(expectile=1.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'indicator'"):
        CRR(prefers="indicators")
    with pytest.raises(UnknownNameError, match="Did you mean 'square'"):
        BC(loss="squares")
    with pytest.raises(SpecError, match="core='none' and recalls=False"):
        BC(plan=Plan()).init(EXAMPLE, Discrete(2), key=jr.key(0))
    with pytest.raises(SpecError, match="Write loss='log_prob'"):
        BC(loss="square").init(EXAMPLE, Discrete(2), key=jr.key(0))
