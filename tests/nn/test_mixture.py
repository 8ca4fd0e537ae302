"""The mixture: its density and its draws, and the policy that clones what was done in two ways."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from meadow.agents.bc import BC
from meadow.agents.sac import SAC
from meadow.core.errors import SpecError
from meadow.core.spec import Box
from meadow.core.timestep import restart
from meadow.nn.dense import Dense
from meadow.nn.descent import descended
from meadow.nn.distribution import Normal, TanhNormal
from meadow.nn.mixture import Mixture
from meadow.nn.policy import PolicyPlan

LOGITS = jnp.log(jnp.array([0.25, 0.75]))
PARTS = TanhNormal(Normal(jnp.array([[-1.0], [0.8]]), jnp.log(jnp.array([[0.3], [0.2]]))))
MIXED = Mixture(LOGITS, PARTS)
BOX = Box((2,), -1.0, 3.0)
ADAM = optax.adam(0.02)


def test_the_density_is_the_weighted_sum_and_sums_to_one():
    x = jnp.linspace(-1, 1, 100_001)[1:-1, None]
    density = np.exp(np.float64(jax.vmap(MIXED.log_prob)(x)))
    each = np.exp(np.float64(jax.vmap(lambda x: PARTS.log_prob(x[None].repeat(2, 0)))(x)))
    np.testing.assert_allclose(density, each @ [0.25, 0.75], rtol=1e-4)
    assert np.trapezoid(density, x[:, 0]) == pytest.approx(1.0, abs=5e-3)


def test_parts_are_drawn_as_often_as_they_are_likely():
    drawn = jax.vmap(lambda key: MIXED.sample(key=key))(jr.split(jr.key(0), 4000))
    assert drawn.shape == (4000, 1)
    assert float((drawn > 0).mean()) == pytest.approx(0.75, abs=0.03)
    assert MIXED.mode() == pytest.approx(np.tanh(0.8)), "that of the likeliest"


def test_a_batch_of_mixtures_is_each_of_them():
    logits = jr.normal(jr.key(0), (5, 3))
    parts = Normal(jr.normal(jr.key(1), (5, 3, 2)), jnp.zeros((5, 3, 2)))
    action = jr.normal(jr.key(2), (5, 2))
    batch = Mixture(logits, parts)
    alone = jax.vmap(lambda *x: Mixture(x[0], x[1]).log_prob(x[2]))(logits, parts, action)
    np.testing.assert_allclose(batch.log_prob(action), alone, rtol=1e-5)
    assert batch.sample(key=jr.key(3)).shape == batch.mode().shape == (5, 2)


def test_a_mixture_tells_two_ways_apart_where_one_normal_cannot():
    """What is done is about -0.5 or about 2.5, twice: a single mode lies on one of them."""
    seen, action = jnp.zeros((256, 1)), jnp.where(jnp.arange(256) % 2, -0.5, 2.5)
    action = action[:, None] + 0.1 * jr.normal(jr.key(0), (256, 2))
    losses = {}
    for parts in (1, 2):
        policy = PolicyPlan((8,), parts=parts).cloning(seen[0], BOX, key=jr.key(1))

        def loss(policy):
            return -policy(jax.vmap(restart)(seen)).log_prob(action).mean()

        def step(now, _, loss=loss):
            return descended(ADAM, jax.grad(loss)(now[0]), now[1], now[0]), None

        policy, _ = jax.lax.scan(step, (policy, ADAM.init(policy)), length=200)[0]
        losses[parts] = float(loss(policy))
    assert losses[2] < losses[1] - 1.0, f"two parts have a nat more of each example: {losses}"


def test_the_start_of_parts_owes_nothing_to_the_layers(monkeypatch):
    used, drawn = [], jr.normal

    def layer(*args, key, **kwargs):
        used.append(key)
        return Dense(*args, key=key, **kwargs)

    def normal(key, shape):
        used.append(key)
        return drawn(key, shape)

    monkeypatch.setattr("meadow.nn.mlp.Dense", layer)
    monkeypatch.setattr(jr, "normal", normal)
    PolicyPlan((4, 4), parts=2).cloning(jnp.zeros(3), BOX, key=jr.key(0))
    numbers = {tuple(jr.key_data(key).tolist()) for key in used}
    assert len(numbers) == len(used) == 4, "every key is used once"


def test_who_samples_with_gradients_refuses_it():
    plan = PolicyPlan((4,), parts=3)
    with pytest.raises(SpecError, match="Only learners that clone"):
        SAC(plan).init(restart(jnp.zeros(3)), BOX, key=jr.key(0))
    state = BC(plan).init(restart(jnp.zeros(3)), BOX, key=jr.key(0))
    _, action, _ = BC(plan).agent(state).act((), restart(jnp.zeros(3)), key=jr.key(1))
    assert action.shape == (2,)
    with pytest.raises(SpecError, match="a part or more"):
        PolicyPlan(parts=0)
