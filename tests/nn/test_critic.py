"""Critics, policies and boxes: who sees what, in which units, and who is asked."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.learner import SURPRISE
from meadow.core.spec import Box
from meadow.core.timestep import restart
from meadow.nn.actor_critic import actor_critic
from meadow.nn.box import placed, units, vectors
from meadow.nn.critic import CriticPlan, Lesson, critics_loss, least, numbers
from meadow.nn.dense import Dense
from meadow.nn.mlp import MLP
from meadow.nn.plan import Plan
from meadow.nn.policy import PolicyPlan
from meadow.nn.worth import Categorical, Scalar

BOX = Box((2,), -1.0, 3.0)
SEEN = {"pose": jnp.array([0.5, -1.0, 2.0]), "hidden": jnp.float32(0.7)}


def test_units_and_places_are_each_others_inverse():
    action = jnp.array([-1.0, 2.5])
    np.testing.assert_allclose(units(BOX, action), [-1.0, 0.75])
    np.testing.assert_allclose(placed(BOX, units(BOX, action)), action)


@pytest.mark.parametrize("box", [Box((2,), 1.0, 1.0), Box((2,), 0.0, float("inf"))])
def test_a_box_without_room_or_bounds_is_refused(box):
    with pytest.raises(SpecError, match="Expected bounds"):
        vectors(box)


def test_critics_are_told_actions_in_units_of_the_box():
    wide = CriticPlan((8,), num=2).build(SEEN, BOX, key=jr.key(0))
    unit = dataclasses.replace(wide, box=Box((2,), -1.0, 1.0))
    action = jnp.array([0.4, 2.0])
    told = wide(SEEN, action)
    assert told.shape == (2, 1) and bool(told[0] != told[1]), "two critics that differ"
    np.testing.assert_allclose(told, unit(SEEN, units(BOX, action)), rtol=1e-5)
    np.testing.assert_array_equal(wide.first(SEEN, action), told[:1])


def test_who_sees_a_part_is_moved_by_nothing_else():
    other = SEEN | {"hidden": jnp.float32(-3.0)}
    for sees, same in ((("pose",), True), (("hidden", "pose"), False), (None, False)):
        critics = CriticPlan((8,), sees=sees).build(SEEN, BOX, key=jr.key(0))
        policy = PolicyPlan((8,), sees=sees).deterministic(SEEN, BOX, key=jr.key(0))
        pairs = (
            [critics(x, jnp.zeros(2)) for x in (SEEN, other)],
            [policy(restart(x)) for x in (SEEN, other)],
        )
        for one, two in pairs:
            assert bool((one == two).all()) == same, f"sees {sees}"


def test_batches_are_examples():
    critics = CriticPlan((8,), normed=True).build(SEEN, BOX, size=3, key=jr.key(0))
    batch = jax.tree.map(lambda x: jnp.stack([x, 2 * x, -x]), SEEN)
    action = jnp.array([[0.0, 1.0], [2.0, -1.0], [3.0, 0.5]])
    told = critics(batch, action)
    assert told.shape == (2, 3, 3)
    for i in range(3):
        alone = critics(jax.tree.map(lambda x, i=i: x[i], batch), action[i])
        np.testing.assert_allclose(told[:, i], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("normed", [False, True])
def test_in_half_precision_the_same_is_said_and_learnt_nearly(normed):
    def look(precision):
        plan = CriticPlan((32, 32), normed=normed, precision=precision)
        critics = plan.build(SEEN, BOX, key=jr.key(0))
        policy = PolicyPlan((32, 32), normed=normed, precision=precision)
        policy = policy.stochastic(SEEN, BOX, key=jr.key(1))
        learnt = jax.grad(lambda x: jnp.sum(x(SEEN, jnp.ones(2)) ** 2))(critics)
        return critics(SEEN, jnp.ones(2)), policy(restart(SEEN)).mode(), learnt

    exact, half = look("float32"), look("bfloat16")
    for one, other in zip(*map(jax.tree.leaves, (exact, half)), strict=True):
        assert other.dtype == jnp.float32, "told, kept and learnt in full"
        np.testing.assert_allclose(other, one, rtol=0.1, atol=0.05 * np.abs(one).max())
    assert bool((exact[0] != half[0]).any()), "worked out in half"


@pytest.mark.parametrize("plan", [CriticPlan, PolicyPlan])
def test_a_precision_that_nobody_knows_is_refused(plan):
    with pytest.raises(UnknownNameError, match="Did you mean 'bfloat16'"):
        plan(precision="bf16")


def test_numbers_refuse_what_they_cannot_flatten():
    with pytest.raises(SpecError, match="No part 'speed'"):
        numbers(SEEN, 0, ("speed",))
    with pytest.raises(SpecError, match="vectors and numbers"):
        numbers({"view": jnp.zeros((3, 3))}, 0)


@pytest.mark.parametrize(
    ("seen", "got"),
    [
        ({"arm": {"pose": jnp.zeros(3)}, "speed": jnp.zeros(())}, "a dict for 'arm'"),
        ((jnp.zeros(3), jnp.zeros(2)), "a tuple for 'observation'"),
    ],
)
def test_observations_within_observations_are_refused(seen, got):
    with pytest.raises(SpecError, match=f"one flat dict of arrays, got {got}. Flatten it"):
        numbers(seen, 0)
    with pytest.raises(SpecError, match=f"got {got}"):
        actor_critic(Plan(), seen, BOX, key=jr.key(0))


@pytest.mark.parametrize("worth", [Scalar(), Categorical(-1.0, 1.0, 4)])
def test_who_expects_least_is_asked(worth):
    told = jr.normal(jr.key(0), (3, 5, worth.size))
    which = np.argmin(worth.mean(told), axis=0)
    assert len(set(which.tolist())) > 1, "now one and now another"
    np.testing.assert_array_equal(least(told, worth), np.asarray(told)[which, range(5)])


def test_a_normed_layer_does_not_care_how_large_its_input_is():
    mlp = MLP((3, 8, 2), normed=True, key=jr.key(0))
    x = SEEN["pose"]
    np.testing.assert_allclose(mlp(x), mlp(100 * x), rtol=1e-3, atol=1e-4)
    plain = MLP((3, 8, 2), key=jr.key(0))
    np.testing.assert_allclose(100 * plain(x), plain(100 * x), rtol=1e-4)


def test_fresh_policies_do_next_to_nothing_or_anything():
    seen = restart(SEEN)
    policy = PolicyPlan((8, 8)).deterministic(SEEN, BOX, key=jr.key(0))
    np.testing.assert_allclose(units(BOX, policy(seen)), 0.0, atol=0.05)
    options = PolicyPlan((8, 8)).stochastic(SEEN, BOX, key=jr.key(0))(seen)
    drawn = jax.vmap(lambda key: options.sample(key=key))(jr.split(jr.key(1), 500))
    assert drawn.min() < -0.9 and drawn.max() > 2.9, "all of the box is tried"


def test_layers_of_several_begin_as_those_of_one():
    """They are drawn one after the other: batches of factorisations can wait for one another."""

    def layers(key: jax.Array) -> list[Dense]:
        return [Dense(6, 4, key=key) for key in jr.split(key, 3)]

    keys = jr.split(jr.key(0), 4)
    together, alone = jax.jit(jax.vmap(layers))(keys), jax.jit(layers)(keys[2])
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.weight[2], other.weight, rtol=1e-6)


@pytest.mark.parametrize("rescale", [False, True])
def test_surprise_is_on_the_scale_on_which_critics_tell_a_worth(rescale):
    worth, seen = Scalar(rescale=rescale), jr.normal(jr.key(1), (4, 3))
    critics = CriticPlan((8,), num=1).build(seen[0], BOX, key=jr.key(0))
    returns = 10.0 * jnp.arange(4.0)
    lesson = Lesson(seen, jnp.ones((4, 2)), returns, jnp.full(4, 0.9), jnp.ones((4, 1)))
    loss, metrics = critics_loss(critics, worth, lesson)
    halves = 0.5 * metrics[SURPRISE] ** 2
    np.testing.assert_allclose(halves.mean(), loss, rtol=1e-3, err_msg="the loss is half squares")
