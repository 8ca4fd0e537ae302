"""SAC, TD3 and D4PG: first updates against the formulas in NumPy, and what each is known for.

The transcriptions are float64; their gradients are central differences, so that nothing is shared
with what is tested, not even automatic differentiation. Noise alone is drawn as it is there.
"""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from meadow.agents.d4pg import D4PG
from meadow.agents.noisy import Noisy
from meadow.agents.sac import SAC
from meadow.agents.td3 import TD3
from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE, AbstractLearner
from meadow.core.spec import Box, Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan
from meadow.nn.policy import PolicyPlan
from meadow.nn.worth import Categorical, Quantiles, Scalar

STEPS, BATCH, NUM, GAMMA, RATE = 2, 6, 2, 0.9, 1e-2
BOX = Box((NUM,), -1.0, 3.0)
MIDDLE, HALF = 1.0, 2.0
# The critics know more than the policy.
POLICY, CRITICS = PolicyPlan((4,), sees=("seen",)), CriticPlan((4,), num=2)
COMMON: dict[str, Any] = {"gamma": GAMMA, "learning_rate": RATE}
ONE, NORMED = CriticPlan((4, 3), num=1, normed=True), PolicyPlan((4, 3), normed=True)
LEARNERS: dict[str, AbstractLearner] = {
    "sac": SAC(POLICY, CRITICS, temperature=0.3, share=0.1, **COMMON),
    "td3": TD3(POLICY, CRITICS, share=0.1, smoothing=0.6, delay=1, **COMMON),
    "td3+bc": TD3(POLICY, CRITICS, share=0.1, delay=1, bc=2.5, **COMMON),
    "d4pg": D4PG(NORMED, ONE, Categorical(-4.0, 3.0, 4), target_period=1, max_norm=0.05, **COMMON),
    "quantiles": D4PG(POLICY, ONE, Quantiles(3, 0.7), target_period=2, **COMMON),
}


# --- windows in which everything happens ----------------------------------------------------------

# One column a window, one row a step: T the episode terminates, t it is cut.
_ENDS = np.array([list(row) for row in ("Tt....", "..Tt..")])
_TERMINATED = np.array([True, False, True, False, False, False])


def windows(seed: int = 0) -> Trajectory:
    """Made-up numbers, as a store hands them out."""
    rng = np.random.default_rng(seed)
    shape = (STEPS, BATCH)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def moments(step_type: Any, discount: Any) -> TimeStep:
        return TimeStep(
            step_type=jnp.asarray(step_type, jnp.uint8),
            reward=jnp.asarray(normal(*shape)),
            discount=jnp.asarray(discount, jnp.float32),
            observation={
                "seen": jnp.asarray(normal(*shape, 3)),
                "hidden": jnp.asarray(normal(*shape)),
            },
            episode=jnp.zeros(shape, jnp.int32),
        )

    ended = _ENDS != "."
    discount = np.where(ended, _ENDS != "T", rng.choice([1.0, 0.7], shape))
    timestep = moments(np.full(shape, StepType.MID), np.ones(shape))
    after = moments(np.where(ended, StepType.LAST, StepType.MID), discount)
    action = jnp.asarray(rng.uniform(-1, 3, (*shape, NUM)), jnp.float32)
    last = jax.tree.map(lambda x: x[-1], after)
    weight = jnp.asarray(rng.uniform(0.2, 1.0, BATCH), jnp.float32)
    return Trajectory(timestep, action, after, jnp.asarray(ended), {}, None, last, None, weight)


WINDOWS = windows()


def begun(learner: AbstractLearner) -> Any:
    """A state whose targets differ from what they follow, and whose last layers are not small."""
    example = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    state = learner.init(example, BOX, key=jr.key(0))
    rng = np.random.default_rng(1)

    def moved(x: jax.Array) -> jax.Array:
        return x + jnp.asarray(0.3 * rng.normal(size=x.shape), jnp.float32)

    target = jax.tree.map(moved, state.target)
    networks = state.networks._replace(policy=jax.tree.map(moved, state.networks.policy))
    return state._replace(networks=networks, target=target)


@eqx.filter_jit
def updated(learner: AbstractLearner, state: Any, trajectory: Trajectory, key: jax.Array) -> Any:
    return learner.update(state, trajectory, key=key)


# --- the formulas ---------------------------------------------------------------------------------


def mlp(p: Any, x: np.ndarray) -> np.ndarray:
    for i, layer in enumerate(p.layers):
        x = x @ layer.weight + layer.bias
        if i == len(p.layers) - 1:
            return x
        if p.normed and i == 0:
            x = x - x.mean(-1, keepdims=True)
            x = np.tanh(x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6))
        else:
            x = np.maximum(x, 0)
    raise AssertionError("an MLP has a last layer")


def told(p: Any, seen: Any, action: np.ndarray) -> np.ndarray:
    """`[critics, batch, size]`."""
    x = np.concatenate([seen["hidden"][:, None], seen["seen"], (action - MIDDLE) / HALF], -1)
    return np.stack([mlp(member, x) for member in p.members])


def shown(p: Any, seen: Any) -> np.ndarray:
    if p.sees is not None:
        return np.concatenate([seen[name] for name in p.sees], -1)
    return np.concatenate([seen["hidden"][:, None], seen["seen"]], -1)


def best(p: Any, seen: Any) -> np.ndarray:
    return MIDDLE + HALF * np.tanh(mlp(p.body, shown(p, seen)))


def drawn(p: Any, seen: Any, luck: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An action, and its log density in units of half the box."""
    mean, log_std = np.split(mlp(p.body, shown(p, seen)), 2, -1)
    x = mean + np.exp(log_std) * luck
    normal = -0.5 * luck**2 - log_std - 0.5 * math.log(2 * math.pi)
    return MIDDLE + HALF * np.tanh(x), (normal - np.log(1 - np.tanh(x) ** 2)).sum(-1)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def mean(worth: Any, told: np.ndarray) -> np.ndarray:
    if isinstance(worth, Categorical):
        return softmax(told) @ np.linspace(worth.low, worth.high, worth.atoms)
    return told.mean(-1)


def one_loss(worth: Any, told: np.ndarray, reward: float, discount: float, after: Any) -> float:
    """Of one critic and one window."""
    if isinstance(worth, Scalar):
        return (reward + discount * after[0] - told[0]) ** 2 / 2
    if isinstance(worth, Quantiles):
        total = 0.0
        for i, q in enumerate(told):
            for z in after:
                u = reward + discount * z - q
                half_square = u**2 / 2 if abs(u) <= worth.huber else (abs(u) - worth.huber / 2)
                half_square *= 1 if abs(u) <= worth.huber else worth.huber
                total += abs((i + 0.5) / len(told) - (u < 0)) * half_square
        return total / worth.huber / len(after)
    atoms, target = np.linspace(worth.low, worth.high, worth.atoms), np.zeros(worth.atoms)
    for chance, z in zip(softmax(after), atoms, strict=True):
        place = np.clip(reward + discount * z, worth.low, worth.high) - worth.low
        place /= atoms[1] - atoms[0]
        low = min(int(place), worth.atoms - 2)
        target[low] += chance * (low + 1 - place)
        target[low + 1] += chance * (place - low)
    return float(-target @ np.log(softmax(told)))


def transitions(lived: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """R, D and what was seen at last, of each window."""
    reward, discount, row = np.zeros(BATCH), np.ones(BATCH), np.zeros(BATCH, int)
    for i in range(BATCH):
        for t in range(STEPS):
            reward[i] += discount[i] * lived.next.reward[t, i]
            discount[i] *= GAMMA * lived.next.discount[t, i]
            row[i] = t
            if _ENDS[t, i] != ".":
                break
    return reward, discount, jax.tree.map(lambda x: x[row, range(BATCH)], lived.next.observation)


def critic_loss(worth: Any, p: Any, lived: Any, target: tuple) -> float:
    said = told(p, jax.tree.map(lambda x: x[0], lived.timestep.observation), lived.action[0])
    losses = [
        [one_loss(worth, q, *each) for q, *each in zip(qs, *target, strict=True)] for qs in said
    ]
    return float((np.sum(losses, axis=0) * lived.weight).mean())


def least(worth: Any, said: np.ndarray) -> np.ndarray:
    which = mean(worth, said).argmin(0)
    return said[which, range(BATCH)]


def expected(learner: Any, state: Any, lived: Any, key: jax.Array) -> dict[str, Any]:
    """The losses of the first update as functions, by the networks they move."""
    seen, worth = jax.tree.map(lambda x: x[0], lived.timestep.observation), learner.worth
    reward, discount, after = transitions(lived)
    target = state.target if isinstance(learner, SAC) else state.target.critics
    if isinstance(learner, SAC):
        temperature = np.exp(state.networks.log_temperature)
        lucks = [np.array(jr.normal(k, (BATCH, NUM)), np.float64) for k in jr.split(key)]
        action, log_prob = drawn(state.networks.policy, after, lucks[0])
        reward = reward - discount * temperature * log_prob

        def policy_loss(p: Any, critics: Any) -> float:
            action, log_prob = drawn(p, seen, lucks[1])
            value = mean(worth, told(critics, seen, action)).min(0)
            return float(((temperature * log_prob - value) * lived.weight).mean())
    else:
        action = best(state.target.policy, after)
        if isinstance(learner, TD3):
            noise = learner.smoothing * np.array(jr.normal(key, (BATCH, NUM)), np.float64)
            action = np.clip(action + HALF * np.clip(noise, -learner.most, learner.most), -1, 3)

        def policy_loss(p: Any, critics: Any) -> float:
            action = best(p, seen)
            value = mean(worth, told(critics, seen, action)[0])
            if getattr(learner, "bc", None) is None:
                return -float((value * lived.weight).mean())
            # The size of values is no function of the policy here.
            size = np.abs(mean(worth, told(critics, seen, best(start, seen))[0]))
            far = (((action - lived.action[0]) / HALF) ** 2).mean(-1)
            each = far - 2.5 * value / size.mean()
            return float((each * lived.weight).mean())

        start = state.networks.policy
    lesson = reward, discount, least(worth, told(target, after, action))
    return {"critics": lambda p: critic_loss(worth, p, lived, lesson), "policy": policy_loss}


# --- updates --------------------------------------------------------------------------------------


def close(got: Any, wanted: Any, law: str, tolerance: float = 2e-4) -> None:
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True)
    for one, other in pairs:
        scale = max(1e-3, float(np.abs(other).max()))
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=tolerance * scale, err_msg=law)


def bounded(learner: Any, grads: Any) -> Any:
    """Scaled down to the norm that D4PG allows."""
    if not isinstance(learner, D4PG):
        return grads
    norm = math.sqrt(sum((x**2).sum() for x in jax.tree.leaves(grads)))
    return jax.tree.map(lambda x: x * min(1.0, learner.max_norm / norm), grads)


def moments(state: Any) -> dict[str, Any]:
    """Adam's first moments, a tenth of the first gradients."""
    if hasattr(state, "optimisers"):
        each = zip(state.networks, state.optimisers, strict=True)
        found = [ravel_pytree(network)[1](o[0].mu) for network, o in each]
        return dict(zip(state.networks._fields, found, strict=True))
    return ravel_pytree(state.networks)[1](state.optimiser[0].mu)._asdict()


@pytest.mark.parametrize("name", LEARNERS)
def test_the_first_update_is_the_papers(name, exact, slopes):
    learner, key = LEARNERS[name], jr.key(3)
    state = begun(learner)
    after, metrics = updated(learner, state, WINDOWS, key)

    networks, target, lived = exact((state.networks, state.target, WINDOWS))
    losses = expected(learner, state._replace(networks=networks, target=target), lived, key)
    assert float(metrics["loss"]) == pytest.approx(losses["critics"](networks.critics), rel=1e-4)
    grads = bounded(learner, slopes(losses["critics"], networks.critics))
    close(moments(after)["critics"], jax.tree.map(lambda g: g / 10, grads), "the critics' gradient")

    # TD3 asks critics that have learnt already, the others those that were there.
    judges = exact(after.networks.critics) if isinstance(learner, TD3) else networks.critics
    grads = bounded(learner, slopes(lambda p: losses["policy"](p, judges), networks.policy))
    close(moments(after)["policy"], jax.tree.map(lambda g: g / 10, grads), "the policy's gradient")

    def adam(x: Any, moment: Any) -> Any:
        return x - RATE * moment * 10 / (abs(moment * 10) + 1e-8)

    for part in ("policy", "critics"):
        stepped = jax.tree.map(adam, getattr(state.networks, part), moments(after)[part])
        close(getattr(after.networks, part), stepped, f"one step of Adam for the {part}")


@pytest.mark.parametrize("name", ["sac", "td3"])
def test_targets_follow_slowly(name):
    state = begun(LEARNERS[name])
    after, _ = updated(LEARNERS[name], state, WINDOWS, jr.key(3))
    leader = after.networks.critics if name == "sac" else after.networks
    wanted = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, state.target, leader)
    close(after.target, wanted, "a target moves a tenth of the way", 1e-6)


@pytest.mark.parametrize(("name", "period"), [("d4pg", 1), ("quantiles", 2)])
def test_targets_are_copied_at_times(name, period):
    first = begun(LEARNERS[name])
    state, _ = updated(LEARNERS[name], first, WINDOWS, jr.key(3))
    kept = state.networks if period == 1 else first.target
    close(state.target, kept, "a target waits for its period", 1e-7)
    state, _ = updated(LEARNERS[name], state, WINDOWS, jr.key(3))
    close(state.target, state.networks, "and is then a copy", 1e-7)


@pytest.mark.parametrize("name", ["sac", "td3", "quantiles"])
def test_a_cut_is_bootstrapped_and_an_end_is_not(name):
    state = begun(LEARNERS[name])
    dearer = jax.tree.map(lambda x: x + 0.5, state.target)
    said = [
        updated(LEARNERS[name], state._replace(target=target), WINDOWS, jr.key(3))[1][SURPRISE]
        for target in (state.target, dearer)
    ]
    same = np.isclose(*said, rtol=1e-6)
    assert same[_TERMINATED].all(), "nothing follows an end"
    assert not same[~_TERMINATED].any(), "something follows a cut, and what goes on"


# --- what each is known for -----------------------------------------------------------------------


@pytest.mark.parametrize(("entropy", "sign"), [(50.0, 1), (-50.0, -1)])
def test_the_temperature_seeks_the_target_entropy(entropy, sign):
    learner = dataclasses.replace(LEARNERS["sac"], target_entropy=entropy)
    state = begun(learner)
    after, metrics = updated(learner, state, WINDOWS, jr.key(3))
    moved = float(after.networks.log_temperature - state.networks.log_temperature)
    assert moved == pytest.approx(sign * RATE, rel=1e-3), "too little entropy makes it dearer"
    assert float(metrics["temperature"]) == pytest.approx(0.3 * math.exp(moved), rel=1e-4)


def test_a_fixed_temperature_stays():
    learner = dataclasses.replace(LEARNERS["sac"], adaptive=False)
    state = begun(learner)
    after, _ = updated(learner, state, WINDOWS, jr.key(3))
    assert after.networks.log_temperature == state.networks.log_temperature


def test_the_default_target_is_minus_one_for_each_number():
    state = begun(LEARNERS["sac"])
    alike = dataclasses.replace(WINDOWS, weight=None)
    after, metrics = updated(LEARNERS["sac"], state, alike, jr.key(3))
    wanted = (float(metrics["entropy"]) + NUM) / 10
    assert float(moments(after)["log_temperature"]) == pytest.approx(wanted, rel=1e-4)


def differ(one: Any, other: Any) -> bool:
    return any((x != y).any() for x, y in zip(*map(jax.tree.leaves, (one, other)), strict=True))


def test_the_policy_of_td3_waits():
    learner = dataclasses.replace(LEARNERS["td3"], delay=2)
    state, moved = begun(learner), []
    for i in range(4):
        after, _ = updated(learner, state, WINDOWS, jr.key(i))
        pairs = zip(state.networks + state.target, after.networks + after.target, strict=True)
        moved.append([differ(*pair) for pair in pairs])
        state = after
    still, all_of_it = [False, True, False, False], [True] * 4
    assert moved == [still, all_of_it, still, all_of_it], "policy and targets move every other time"


def test_the_noise_of_the_target_policy_is_bounded():
    def surprise(**kwargs: float) -> jax.Array:
        learner = dataclasses.replace(LEARNERS["td3"], **kwargs)
        return updated(learner, begun(learner), WINDOWS, jr.key(3))[1][SURPRISE]

    calm, wild = surprise(smoothing=0.0), surprise(smoothing=1e4)
    np.testing.assert_array_equal(surprise(smoothing=1e4, most=0.0), calm, "no noise gets through")
    assert (wild != calm)[~_TERMINATED].all(), "noise up to the bound does"


# --- acting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("low_high", [(-1.0, 3.0), (-0.3, 0.1), (0.1, 0.7)])
@pytest.mark.parametrize("name", ["sac", "td3"])
def test_actions_lie_in_the_box(name, low_high):
    learner, box = LEARNERS[name], Box((NUM,), *low_high)
    if name == "td3":
        learner = dataclasses.replace(learner, noise=5.0)
    seen = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    state = learner.init(seen, box, key=jr.key(0))
    far = jax.tree.map(lambda x: x + 40.0 * jnp.sign(x + 1e-3), state.networks.policy)

    @jax.jit
    def acted(policy: Any, fresh: Any, keys: Any) -> Any:
        agent = learner.agent(state._replace(networks=state.networks._replace(policy=policy)))
        agent = dataclasses.replace(agent, fresh=fresh) if isinstance(agent, Noisy) else agent
        calm = dataclasses.replace(agent, greedy=True)
        return [jax.vmap(lambda k, a=a: a.act((), seen, key=k)[1])(keys) for a in (agent, calm)]

    keys = jr.split(jr.key(1), 64)
    for policy in (state.networks.policy, far):
        for fresh in (True, False):
            noisy, greedy = acted(policy, jnp.array(fresh), keys)
            for action in (*noisy, *greedy):
                assert bool(box.contains(action)), f"{action} lies outside of {box}"
            assert (greedy == greedy[0]).all(), "who is greedy does the same every time"
            if policy is not far:
                assert len(np.unique(noisy)) > 10, "others explore"


def test_a_policy_need_not_be_shown_what_critics_know():
    state = begun(LEARNERS["sac"])
    seen = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    blind = seen.showing({"seen": seen.observation["seen"]})
    agent = LEARNERS["sac"].agent(state)
    one, other = (agent.act((), x, key=jr.key(0))[1] for x in (seen, blind))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("spec", [Discrete(2), Box((), -1.0, 1.0), Box((2,), -math.inf, math.inf)])
@pytest.mark.parametrize("name", ["sac", "td3", "d4pg"])
def test_actions_that_are_no_vectors_within_bounds_are_refused(name, spec):
    example = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    with pytest.raises(SpecError, match="Expected"):
        LEARNERS[name].init(example, spec, key=jr.key(0))


def test_parts_that_are_not_there_are_named():
    example = jax.tree.map(lambda x: x[0, 0], WINDOWS.timestep)
    learner = SAC(PolicyPlan(sees=("scene",)))
    with pytest.raises(SpecError, match="No part 'scene'"):
        learner.init(example, BOX, key=jr.key(0))
