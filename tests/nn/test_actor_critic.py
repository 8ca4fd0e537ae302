"""ActorCritic: living a chunk at once is living it step by step; plans refuse what they must."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.spec import Box, Discrete
from meadow.nn.actor_critic import actor_critic
from meadow.nn.plan import Plan
from meadow.nn.trunk import Senses

TIME, BATCH, ACTIONS = 4, 3, 5
PLANS = {
    "convolutions": Plan(channels=(3, 4), embedding=4, features=7, aside=3, memory=6, heads=5),
    "one layer, no heads": Plan(channels=(), features=7, aside=3, memory=6, heads=0),
    "LSTM, not told, three values": Plan(
        channels=(), features=7, aside=3, memory=6, heads=5, core="lstm", values=3,
        relu_heads=True, recalls=False,
    ),
    "values apart": Plan(channels=(), features=7, aside=3, memory=6, heads=5, apart=True),
}  # fmt: skip


def lived() -> Senses:
    keys = iter(jr.split(jr.key(3), 8))
    forget = np.zeros((TIME, BATCH), bool)
    forget[0] = forget[2, 1] = True
    return Senses(
        observation={
            "view": jr.randint(next(keys), (TIME, BATCH, 3, 3), 0, 156).astype(jnp.uint8),
            "pocket": jr.randint(next(keys), (TIME, BATCH), 0, 156).astype(jnp.uint8),
            "goal": jr.randint(next(keys), (TIME, BATCH, 5), 0, 156).astype(jnp.uint8),
            "rules": jr.randint(next(keys), (TIME, BATCH, 3, 4), 0, 156).astype(jnp.uint8),
            "direction": jr.randint(next(keys), (TIME, BATCH), 0, 4),
        },
        action=jr.randint(next(keys), (TIME, BATCH), -1, ACTIONS),
        reward=jr.uniform(next(keys), (TIME, BATCH)),
        first=jnp.asarray(forget),
        forget=jnp.asarray(forget),
    )


def built(plan: Plan, senses: Senses):
    one = jax.tree.map(lambda x: x[0, 0], senses.observation)
    return actor_critic(plan, one, Discrete(ACTIONS), key=jr.key(0))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_at_once_is_step_by_step(plan):
    senses = lived()
    network = built(plan, senses)
    start = network.init_memory()
    memory = jax.tree.map(lambda x: jnp.zeros((BATCH, *x.shape)), start)
    live = jax.jit(lambda memory, senses: network(memory, senses))
    memories, judgement = live(memory, senses)
    for x, one in zip(jax.tree.leaves(memories), jax.tree.leaves(start), strict=True):
        assert x.shape == (TIME, BATCH, *one.shape)
    assert judgement.policy.logits.shape == (TIME, BATCH, ACTIONS)
    assert judgement.value.shape == (TIME, BATCH)
    for life in range(BATCH):
        memory = network.init_memory()
        for t in range(TIME):
            row = jax.tree.map(lambda x, t=t, life=life: x[t : t + 1, life], senses)
            memory, alone = jax.tree.map(lambda x: x[0], live(memory, row))
            where = f"life {life}, step {t}"
            close = {"rtol": 1e-4, "atol": 1e-5, "err_msg": where}
            here = jax.tree.map(lambda x, at=(t, life): x[at], (memories, judgement))
            for x, y in zip(jax.tree.leaves((memory, alone)), jax.tree.leaves(here), strict=True):
                np.testing.assert_allclose(x, y, **close)


def test_every_sense_is_felt():
    senses = lived()
    network = built(PLANS["convolutions"], senses)
    memory = jnp.ones((BATCH, network.trunk.memory.width))
    value = jax.jit(lambda senses: network(memory, senses)[1].value)
    before = value(senses)
    others = {
        "goal": lambda s: s.observation | {"goal": 155 - s.observation["goal"]},
        "rules": lambda s: s.observation | {"rules": 155 - s.observation["rules"]},
        "view": lambda s: s.observation | {"view": 155 - s.observation["view"]},
        "pocket": lambda s: s.observation | {"pocket": 155 - s.observation["pocket"]},
        "direction": lambda s: s.observation | {"direction": s.observation["direction"] + 1},
    }
    changed = {n: {"observation": change(senses)} for n, change in others.items()}
    changed |= {
        "action": {"action": (senses.action + 2) % ACTIONS},
        "reward": {"reward": senses.reward + 1},
        "first": {"first": ~senses.first},
        "forget": {"forget": ~senses.forget},
    }
    for name, fields in changed.items():
        other = Senses(**{n: fields.get(n, getattr(senses, n)) for n in vars(senses)})
        assert not np.allclose(value(other), before), f"{name} goes unfelt"


def test_what_is_not_recalled_is_not_told_and_values_are_an_ensemble():
    senses = lived()
    network = built(PLANS["LSTM, not told, three values"], senses)
    memory = jax.tree.map(lambda x: jnp.zeros((BATCH, *x.shape)), network.init_memory())
    judge = jax.jit(lambda senses: network(memory, senses)[1])
    others = {"action": senses.action * 0, "reward": senses.reward + 1, "first": ~senses.first}
    judgement, blind = judge(senses), judge(Senses(**vars(senses) | others))
    for x, y in zip(jax.tree.leaves(judgement), jax.tree.leaves(blind), strict=True):
        np.testing.assert_array_equal(x, y, "something is told after all")
    values = np.asarray(judgement.values)
    assert values.shape == (TIME, BATCH, 3) and values.std(-1).min() > 0, "weights of their own"
    np.testing.assert_allclose(judgement.value, values.mean(-1), rtol=1e-5)
    np.testing.assert_allclose(judgement.doubt, values.std(-1), rtol=1e-4)


@pytest.mark.parametrize("core", ["gru", "none"])
def test_values_apart_share_nothing_with_the_policy(core):
    senses = lived()
    shared = built(dataclasses.replace(PLANS["values apart"], core=core, apart=False), senses)
    network = built(dataclasses.replace(PLANS["values apart"], core=core), senses)
    for mine, its in ((network.trunk, shared.trunk), (network.policy, shared.policy)):
        assert eqx.tree_equal(mine, its), "the policy begins as it would with a shared trunk"
    assert jax.tree.structure(network.apart) == jax.tree.structure(network.trunk)
    assert not eqx.tree_equal(network.apart, network.trunk), "weights of their own"
    memory = jax.tree.map(lambda x: jnp.zeros((BATCH, *x.shape)), network.init_memory())

    def felt(told):
        grads = jax.jit(jax.grad(lambda net: told(net(memory, senses)[1]).sum()))(network)
        return [any(x.any() for x in jax.tree.leaves(part)) for part in (grads.trunk, grads.apart)]

    assert felt(lambda judgement: judgement.value) == [False, True], "values read their own trunk"
    policy = felt(lambda judgement: judgement.policy.logits[..., 0])
    assert policy == [True, False], "the policy reads its own trunk"


def test_half_precision_is_close_and_keeps_what_must_be_exact():
    plan = PLANS["convolutions"]
    senses, memory = lived(), jnp.zeros((BATCH, plan.memory))

    def loss(network):
        memories, judgement = network(memory, senses)
        total = jax.nn.log_softmax(judgement.policy.logits)[..., 0] + judgement.value
        return total.mean(), (memories, judgement)

    def look(precision):
        network = built(dataclasses.replace(plan, precision=precision), senses)
        return jax.jit(jax.grad(loss, has_aux=True))(network)

    (exact, expected), (half, got) = look("float32"), look("bfloat16")
    for x, y in zip(jax.tree.leaves((half, got)), jax.tree.leaves((exact, expected)), strict=True):
        assert x.dtype == y.dtype == jnp.float32, "memory, outputs and gradients are float32"
        error = np.linalg.norm(x - y) / (np.linalg.norm(y) + 1e-3)
        assert error < 0.15, f"half precision is close, got {error:.3f} for {x.shape}"
    assert any((x != y).any() for x, y in zip(got[0], expected[0], strict=True)), "and is not exact"


@pytest.mark.parametrize(("low", "high"), [(-1.0, 5.0), (0.0, float("inf"))])
def test_vectors_are_drawn_in_units_of_half_the_box(low, high):
    plan, seen = PLANS["one layer, no heads"], {"x": jnp.ones(3)}
    network = actor_critic(plan, seen, Box((2,), low, high), key=jr.key(0))
    network = eqx.tree_at(lambda n: n.log_std, network, jnp.array([0.0, -1.0]))
    nothing = jnp.float32(0)
    senses = Senses(seen, network.no_action(), nothing, nothing > 0, nothing > 0)
    row = jax.tree.map(lambda x: x[None], senses)
    policy = network(network.init_memory(), row)[1].policy
    middle, half = (2.0, 3.0) if np.isfinite(high) else (0.0, 1.0)
    np.testing.assert_allclose(policy.mean, np.full((1, 2), middle), atol=0.05 * half,
                               err_msg="at first the middle")  # fmt: skip
    np.testing.assert_allclose(np.exp(policy.log_std), half * np.exp([[0.0, -1.0]]), rtol=1e-5)


def test_an_observation_of_nothing_is_left_out():
    plan = PLANS["one layer, no heads"]
    seen = {"view": jnp.zeros((3, 3), jnp.uint8), "rules": jnp.zeros((0, 4), jnp.uint8)}
    assert list(actor_critic(plan, seen, Discrete(2), key=jr.key(0)).trunk.encoders) == ["view"]


def test_what_a_plan_cannot_take_is_said():
    plan = PLANS["convolutions"]
    with pytest.raises(SpecError, match="among actions or vectors"):
        actor_critic(plan, {"view": jnp.zeros(3)}, Box((1, 2), 0.0, 1.0), key=jr.key(0))
    with pytest.raises(UnknownNameError, match="Did you mean 'bfloat16'"):
        Plan(precision="bf16")
    with pytest.raises(UnknownNameError, match="no core called 'ltsm'. Did you mean 'lstm'"):
        Plan(core="ltsm")
