"""IMPALA: its first update against the formulas in NumPy; chunks, queues, and an agent that lags.

The transcription is float64; its gradients are central differences, so that nothing is shared with
what is tested, not even automatic differentiation.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.actor import Actor, Memory
from meadow.agents.impala import IMPALA, State
from meadow.agents.lagged import Lagged
from meadow.core.errors import SpecError
from meadow.core.spec import Box, Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.plan import Plan

LENGTH, LIVES, SEEN, NUM, GAMMA, TRACE, RATIO = 5, 3, 2, 3, 0.9, 0.8, 1.3
PLAN = Plan(features=3, memory=4, heads=0, core="none", recalls=False)
LEARNER = IMPALA(
    PLAN, gamma=GAMMA, trace=TRACE, ratio=RATIO, entropy=0.02, learning_rate=1e-2, max_norm=0.1
)
SPECS = {"discrete": Discrete(NUM), "vectors": Box((NUM,), -1.0, 3.0)}
MIDDLE, HALF = 1.0, 2.0

# One column a life, one row a step: e an episode ends, t it and the trial are cut, T both end.
_DRAWN = """
    . e .
    t . T
    . . .
    . t e
    e . t
"""
_LETTERS = np.array(_DRAWN.split()).reshape(LENGTH, LIVES)
ENDED, OVER = _LETTERS != ".", np.isin(_LETTERS, ["t", "T"])


def chunk(spec: Discrete | Box) -> Trajectory:
    """Episodes and trials that end in every way, with made-up numbers."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    def moments(step_type: Any, discount: Any, *shape: int) -> TimeStep:
        return TimeStep(
            step_type=jnp.asarray(step_type, jnp.uint8),
            reward=normal(*shape),
            discount=jnp.asarray(discount, jnp.float32),
            observation=normal(*shape, SEEN),
            episode=jnp.zeros(shape, jnp.int32),
        )

    shape = (LENGTH, LIVES)
    discount = np.where(ENDED, ~np.isin(_LETTERS, ["e", "T"]), rng.choice([1.0, 0.7], shape))
    before = moments(np.full(shape, StepType.MID), np.ones(shape), *shape)
    after = moments(np.where(ENDED, StepType.LAST, StepType.MID), discount, *shape)
    record = {"log_prob": jnp.asarray(rng.normal(-1.1, 0.4, shape), jnp.float32)}
    if isinstance(spec, Box):
        drawn = MIDDLE + HALF * normal(*shape, NUM)
        action, record["drawn"] = jnp.clip(drawn, -1, 3), drawn
        record["log_prob"] = record["log_prob"] - 6.0
    else:
        action = jnp.asarray(rng.integers(0, NUM, shape), jnp.int32)
    memory = Memory(jnp.zeros((LIVES, 0)), action[0])
    following = moments(np.full(LIVES, StepType.MID), np.ones(LIVES), LIVES)
    return Trajectory(before, action, after, jnp.asarray(OVER), record, memory, following, memory)


def begun(spec: Discrete | Box) -> State:
    """Fresh, but for a policy that prefers some actions."""
    example = jax.tree.map(lambda x: x[0, 0], chunk(spec).timestep)
    state, rng = LEARNER.init(example, spec, key=jr.key(0)), np.random.default_rng(1)

    def moved(x: jax.Array) -> jax.Array:
        return x + jnp.asarray(0.3 * rng.normal(size=x.shape), jnp.float32)

    return state._replace(network=jax.tree.map(moved, state.network))


@eqx.filter_jit
def updated(learner: IMPALA, state: State, lived: Trajectory) -> Any:
    return learner.update(state, lived, key=jr.key(0))


# --- the formulas ---------------------------------------------------------------------------------


def judged(p: Any, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the policy's head says, and the value."""
    (encoder,) = p.trunk.encoders.values()
    x = np.maximum(seen @ encoder.layer.weight + encoder.layer.bias, 0)
    x = np.maximum(x @ p.trunk.memory.layer.weight + p.trunk.memory.layer.bias, 0)
    told, value = (x @ h.last.weight + h.last.bias for h in (p.policy, p.values[0]))
    return told, value[..., 0]


def likely(p: Any, told: np.ndarray, lived: Any) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of what was drawn, and entropies."""
    if p.log_std is None:
        log_probs = told - np.log(np.exp(told).sum(-1, keepdims=True))
        taken = np.take_along_axis(log_probs, lived.action[..., None].astype(int), -1)[..., 0]
        return taken, -(np.exp(log_probs) * log_probs).sum(-1)
    mean, std = MIDDLE + HALF * told, HALF * np.exp(p.log_std)
    each = -(((lived.record["drawn"] - mean) / std) ** 2) / 2 - np.log(std)
    entropy = (np.log(std) + np.log(2 * np.pi * np.e) / 2).sum()
    return (each - np.log(2 * np.pi) / 2).sum(-1), np.full((LENGTH, LIVES), entropy)


def traced(p: Any, lived: Any) -> tuple[np.ndarray, np.ndarray]:
    """Targets of values, and advantages, by the definition of V-trace."""
    told, values = judged(p, lived.timestep.observation)
    rho = np.exp(likely(p, told, lived)[0] - lived.record["log_prob"])
    rho, c = np.minimum(rho, RATIO), TRACE * np.minimum(rho, 1)
    last, final = judged(p, lived.after.observation)[1], judged(p, lived.next.observation)[1]
    targets, advantages = np.zeros((LENGTH, LIVES)), np.zeros((LENGTH, LIVES))
    for life in range(LIVES):
        later = 0.0
        for t in reversed(range(LENGTH)):
            over, end = OVER[t, life], t == LENGTH - 1
            following = last[life] if end else values[t + 1, life]
            following = final[t, life] if over and not end else following
            inner = ENDED[t, life] and not over
            discount = GAMMA * (1.0 if inner else lived.next.discount[t, life])
            delta = lived.next.reward[t, life] + discount * following - values[t, life]
            later = 0.0 if over else discount * later
            advantages[t, life] = rho[t, life] * (delta + TRACE * later)
            later = rho[t, life] * delta + c[t, life] * later
            targets[t, life] = values[t, life] + later
    return targets, advantages


def losses(p: Any, lived: Any, targets: np.ndarray, advantages: np.ndarray) -> dict[str, float]:
    told, values = judged(p, lived.timestep.observation)
    taken, entropy = likely(p, told, lived)
    terms = {
        "policy_loss": -(taken * advantages).mean(),
        "value_loss": ((values - targets) ** 2).mean() / 2,
        "entropy": entropy.mean(),
        "ratio": np.exp(taken - lived.record["log_prob"]).mean(),
    }
    total = terms["policy_loss"] + 0.5 * terms["value_loss"] - 0.02 * terms["entropy"]
    return terms | {"loss": total}


# --- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPECS)
def test_the_first_update_is_the_formulas(kind, exact, slopes):
    state, lived = begun(SPECS[kind]), chunk(SPECS[kind])
    after, metrics = updated(LEARNER, state, lived)
    p, lived = exact((state.network, lived))
    targets = traced(p, lived)
    told, _ = judged(p, lived.timestep.observation)
    rho = np.exp(likely(p, told, lived)[0] - lived.record["log_prob"])
    assert (rho < 1).any() and (rho > RATIO).any(), "ratios lie on both sides of the cut"

    grads = slopes(lambda p: losses(p, lived, *targets)["loss"], p)
    norm = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(grads)))
    assert norm > 0.1, "and the gradient is scaled down"
    for name, value in (losses(p, lived, *targets) | {"gradient_norm": norm}).items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    for (where, x), start, g in zip(
        jax.tree.leaves_with_path(after.network), jax.tree.leaves(p), jax.tree.leaves(grads),
        strict=True,
    ):  # fmt: skip
        # Without momentum the first step is the rate, whichever the size of the gradient.
        g = g * 0.1 / norm
        wanted = start - 1e-2 * g / (np.abs(g) + 1e-8)
        sure = (np.abs(g) > 1e-6) | (g == 0)
        np.testing.assert_allclose(np.asarray(x)[sure], wanted[sure], rtol=1e-4, atol=1e-5,
                                   err_msg=jax.tree_util.keystr(where))  # fmt: skip


def test_a_column_counts_as_much_as_it_weighs(exact):
    state, lived = begun(SPECS["discrete"]), chunk(SPECS["discrete"])
    alone = dataclasses.replace(lived, weight=jnp.array([3.0, 0.0, 0.0]))
    _, metrics = updated(LEARNER, state, alone)
    p, lived = exact((state.network, lived))
    advantages = traced(p, lived)[1][:, 0]
    taken = likely(p, judged(p, lived.timestep.observation)[0], lived)[0][:, 0]
    np.testing.assert_allclose(metrics["policy_loss"], -(taken * advantages).mean(), rtol=1e-4)


def test_what_a_store_must_keep_is_said():
    state, lived = begun(SPECS["discrete"]), chunk(SPECS["discrete"])
    for lost in (dataclasses.replace(lived, memory=None), dataclasses.replace(lived, record={})):
        with pytest.raises(SpecError, match=r'record=\("log_prob",\), memory=True'):
            LEARNER.update(state, lost, key=jr.key(0))
    with pytest.raises(SpecError, match="at least 1"):
        IMPALA(ratio=0.5)
    lived = chunk(SPECS["vectors"])
    lost = dataclasses.replace(lived, record={"log_prob": lived.record["log_prob"]})
    with pytest.raises(SpecError, match=r'record=\("log_prob", "drawn"\), memory=True'):
        LEARNER.update(begun(SPECS["vectors"]), lost, key=jr.key(0))


def test_what_is_drawn_is_recorded_and_what_is_done_is_cut_to_the_box(exact):
    spec = SPECS["vectors"]
    state, row = begun(spec), jax.tree.map(lambda x: x[0, 0], chunk(spec).timestep)
    agent = LEARNER.agent(state)
    act = jax.jit(jax.vmap(lambda key: agent.act(agent.init_memory(), row, key=key)))
    memory, action, record = act(jr.split(jr.key(0), 500))
    np.testing.assert_array_equal(action, np.clip(record["drawn"], -1, 3))
    assert (action != record["drawn"]).any(), "some lie out of it"
    np.testing.assert_array_equal(memory.action, action, "the memory knows what was done")
    told, _ = judged(exact(state.network), np.asarray(row.observation, float))
    std = HALF * np.exp(np.asarray(state.network.log_std, float))
    np.testing.assert_allclose(record["drawn"].mean(0), MIDDLE + HALF * told, atol=0.4)
    np.testing.assert_allclose(record["drawn"].std(0), std, rtol=0.15)
    far = (np.asarray(record["drawn"]) - MIDDLE - HALF * told) / std
    density = (-(far**2) / 2 - np.log(std) - np.log(2 * np.pi) / 2).sum(-1)
    np.testing.assert_allclose(record["log_prob"], density, rtol=1e-3, atol=1e-4)
    greedy = Actor(state.network, greedy=True).act(agent.init_memory(), row, key=jr.key(0))[1]
    np.testing.assert_allclose(greedy, np.clip(MIDDLE + HALF * told, -1, 3), rtol=1e-4)


def test_an_agent_lags_behind_by_as_many_updates_as_asked():
    lived = chunk(SPECS["discrete"])
    example = jax.tree.map(lambda x: x[0, 0], lived.timestep)
    learner = Lagged(LEARNER, 2)
    state = learner.init(example, SPECS["discrete"], key=jr.key(0))
    step = jax.jit(lambda state: learner.update(state, lived, key=jr.key(0))[0])
    selves = [state.learner.network]
    for done in range(5):
        acts = learner.agent(state)
        assert isinstance(acts, Actor)
        assert eqx.tree_equal(acts.network, selves[max(done - 2, 0)]), f"after {done} updates"
        state = step(state)
        selves.append(state.learner.network)
    with pytest.raises(SpecError, match="an update or more"):
        Lagged(LEARNER, 0)
