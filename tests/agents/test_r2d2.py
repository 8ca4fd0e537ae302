"""R2D2: its targets one by one, what burning in a memory means, and how it explores.

Everything is asked of the network step by step, as an agent does; the learner unrolls it.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.q_learning import State
from meadow.agents.r2d2 import R2D2, Actor, Memory
from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE
from meadow.core.spec import Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.plan import Plan
from meadow.nn.q_network import QNetwork
from meadow.nn.trunk import senses_of
from meadow.nn.worth import Scalar
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import HiddenArm

LENGTH, BATCH, SEEN, ACTIONS, WIDTH = 9, 5, 2, 3, 4
BURN_IN, STEPS, GAMMA = 2, 3, 0.9
LEARNER = R2D2(
    Plan(channels=(), features=3, aside=2, memory=WIDTH, heads=0, core="lstm"),
    gamma=GAMMA,
    burn_in=BURN_IN,
    steps=STEPS,
    target_period=2,
    learning_rate=1e-2,
)
PLAIN = dataclasses.replace(LEARNER, worth=Scalar(), duelling=False, double=False)

# --- windows in which everything happens ----------------------------------------------------------

# One column a window, one row a step: e, t an episode and its trial end, c, k they are cut (the
# first of each pair: the trial goes on).
_DRAWN = """
    . . . t .
    . c . . .
    . . e . .
    k . . . .
    . . . t .
    . . c . .
    . k . . .
    . . . . .
    t . . k .
"""
_LETTERS = np.array(_DRAWN.split()).reshape(LENGTH, BATCH)
ENDED, TRIAL_ENDED = _LETTERS != ".", np.isin(_LETTERS, ["t", "k"])
TERMINATED = np.isin(_LETTERS, ["e", "t"])


def windows(seed: int = 0) -> Trajectory:
    """Made-up numbers; all that a store hands out to a learner that asks for no record."""
    rng = np.random.default_rng(seed)
    shape = (LENGTH, BATCH)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    begins, episode = np.zeros(shape, bool), np.ones(shape, np.int32)
    begins[1:], episode[1:][TRIAL_ENDED[:-1]] = ENDED[:-1], 0
    seen, rewards = normal(LENGTH + 1, BATCH, SEEN), normal(LENGTH + 1, BATCH)
    timestep = TimeStep(
        step_type=jnp.where(begins, StepType.FIRST, StepType.MID).astype(jnp.uint8),
        reward=jnp.asarray(rewards[:-1]),
        discount=jnp.ones(shape),
        observation=jnp.asarray(seen[:-1]),
        episode=jnp.asarray(episode),
    )
    # What followed is the next row, but for episodes that ended: those show something of their own.
    finals = np.where(ENDED[..., None], normal(*shape, SEEN), seen[1:])
    discount = np.where(ENDED, ~TERMINATED, 1.0)
    after = TimeStep(
        step_type=jnp.where(ENDED, StepType.LAST, StepType.MID).astype(jnp.uint8),
        reward=jnp.asarray(np.where(ENDED, normal(*shape), rewards[1:])),
        discount=jnp.asarray(discount, jnp.float32),
        observation=jnp.asarray(finals),
        episode=jnp.asarray(episode),
    )
    half = (normal(BATCH, WIDTH), normal(BATCH, WIDTH))
    fresh = LEARNER.agent(begun()).init_memory()
    hidden = jax.tree.unflatten(jax.tree.structure(fresh.hidden), map(jnp.asarray, half))
    actions = rng.integers(0, ACTIONS, (LENGTH + 1, BATCH)).astype(np.int32)
    return Trajectory(
        timestep=timestep,
        action=jnp.asarray(actions[1:]),
        next=after,
        trial_ended=jnp.asarray(TRIAL_ENDED),
        record={},
        memory=Memory(hidden, jnp.asarray(actions[0]), jnp.zeros(BATCH)),
        after=jax.tree.map(lambda x: x[-1], after),
        final_memory=None,
        weight=jnp.asarray(rng.uniform(0.2, 1.0, BATCH), jnp.float32),
    )


def begun(learner: R2D2 = LEARNER) -> State:
    """Fresh, with another target network and biases that are not 0."""
    row = TimeStep(
        *(jnp.uint8(1), jnp.float32(0), jnp.float32(1), jnp.zeros(SEEN), jnp.int32(0)),
    )
    state = learner.init(row, Discrete(ACTIONS), key=jr.key(0))

    def noisy(network: QNetwork, seed: int) -> QNetwork:
        leaves, treedef = jax.tree.flatten(network)
        keys = jr.split(jr.key(seed), len(leaves))
        moved = [x + 0.4 * jr.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
        return treedef.unflatten(moved)

    return state._replace(network=noisy(state.network, 1), target=noisy(state.target, 2))


# --- step by step ---------------------------------------------------------------------------------


@jax.jit
def one(network: QNetwork, hidden: Any, timestep: TimeStep, action: jax.Array) -> tuple:
    """What a network makes of one step: its memory, and what every action is worth."""
    row = jax.tree.map(lambda x: x[None], senses_of(timestep, action))
    return jax.tree.map(lambda x: x[0], network(hidden, row))


def judged(network: QNetwork, lived: Trajectory, window: int) -> tuple[list, list]:
    """The worths at every row, and at what followed it before any reset."""
    memory = jax.tree.map(lambda x: x[window], lived.memory)
    hidden, action, here, after = memory.hidden, memory.action, [], []
    for t in range(LENGTH):
        row, following = (
            jax.tree.map(lambda x, t=t: x[t, window], rows) for rows in (lived.timestep, lived.next)
        )
        hidden, worth = one(network, hidden, row, action)
        action = lived.action[t, window]
        here.append(np.asarray(worth, float)[:, 0])
        after.append(np.asarray(one(network, hidden, following, action)[1], float)[:, 0])
    return here, after


def h(x: float) -> float:
    return np.sign(x) * (np.sqrt(abs(x) + 1) - 1) + 1e-3 * x


def h_inverse(x: float) -> float:
    return np.sign(x) * (((np.sqrt(1 + 4e-3 * (abs(x) + 1 + 1e-3)) - 1) / 2e-3) ** 2 - 1)


def errors(learner: R2D2, state: State, lived: Trajectory, window: int) -> np.ndarray:
    """Every row's own target, minus what is told."""
    squash, back = (h, h_inverse) if learner.worth.rescale else (lambda x: x, lambda x: x)
    here, chooser = judged(state.network, lived, window)
    _, options = judged(state.target, lived, window)
    chooser = chooser if learner.double else options
    found = []
    for t in range(BURN_IN, LENGTH):
        total, discount = 0.0, 1.0
        for k in range(t, min(t + STEPS, LENGTH)):
            total += discount * float(lived.next.reward[k, window])
            discount *= GAMMA * float(lived.next.discount[k, window])
            if ENDED[k, window]:
                break
        follows = back(options[k][chooser[k].argmax()])
        told = here[t][lived.action[t, window]]
        found.append(squash(total + discount * follows) - told)
    return np.array(found)


# --- the learner ----------------------------------------------------------------------------------


@eqx.filter_jit
def step(learner: R2D2, state: State, lived: Trajectory) -> tuple[State, dict[str, jax.Array]]:
    return learner.update(state, lived, key=jr.key(0))


def test_the_windows_have_everything_in_them():
    cut, learnt = ENDED & ~TERMINATED, slice(BURN_IN, -1)
    assert cut[learnt].any() and cut[-1].any(), "an episode is cut within and at the end"
    assert TERMINATED[learnt].any() and TERMINATED[-1].any(), "and one terminates"
    assert (ENDED & ~TRIAL_ENDED)[learnt].any(), "and a trial goes on"
    assert TRIAL_ENDED[:BURN_IN].any(), "and one ends in the burn-in"


@pytest.mark.parametrize("learner", [LEARNER, pytest.param(PLAIN, marks=pytest.mark.slow)])
def test_every_row_has_its_own_target(learner):
    lived, state = windows(), begun(learner)
    _, metrics = step(learner, state, lived)
    error = np.array([errors(learner, state, lived, window) for window in range(BATCH)])
    loss = (np.asarray(lived.weight) * (error**2 / 2).mean(axis=1)).mean()
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-4, err_msg="the weighted mean")
    size = np.abs(error)
    surprise = 0.9 * size.max(axis=1) + 0.1 * size.mean(axis=1)
    np.testing.assert_allclose(metrics[SURPRISE], surprise, rtol=1e-3, err_msg="of each window")


@pytest.mark.slow
def test_the_burn_in_is_not_learnt_from():
    """A loss's gradient is that of windows whose memory was burnt in before they were drawn."""
    lived, network = windows(), begun().network
    cold = dataclasses.replace(LEARNER, burn_in=0)

    def slope(learner: R2D2, lived: Trajectory) -> QNetwork:
        # One network is both, so that one memory is that of both.
        return jax.jit(jax.grad(lambda n: learner._loss(n, network, lived)[0]))(network)

    here, there = slope(LEARNER, lived), slope(cold, shortened(lived, network))
    for x, y in zip(jax.tree.leaves(here), jax.tree.leaves(there), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5, err_msg="a gradient went into the burn-in")


def shortened(lived: Trajectory, network: QNetwork) -> Trajectory:
    """The windows without the rows that are burnt in, and with the memory after them."""
    hidden, action = lived.memory.hidden, lived.memory.action
    for t in range(BURN_IN):
        row = jax.tree.map(lambda x, t=t: x[t], lived.timestep)
        hidden, _ = one(network, hidden, row, action)
        action = lived.action[t]
    parts = ("timestep", "action", "next", "trial_ended")
    rest = {name: jax.tree.map(lambda x: x[BURN_IN:], getattr(lived, name)) for name in parts}
    memory = Memory(hidden, action, jnp.zeros(BATCH))
    return dataclasses.replace(lived, **rest, memory=memory)


def test_the_target_begins_as_the_network_and_is_copied():
    row = jax.tree.map(lambda x: x[0, 0], windows().timestep)
    state = LEARNER.init(row, Discrete(ACTIONS), key=jr.key(0))
    assert eqx.tree_equal(state.network, state.target), "two networks drawn apart"
    first, _ = step(LEARNER, state, windows())
    assert eqx.tree_equal(first.target, state.target), "copied before its period is over"
    assert not eqx.tree_equal(first.network, state.network), "nothing was learnt"
    second, _ = step(LEARNER, first, windows())
    assert eqx.tree_equal(second.target, second.network), "not copied when its period is over"


@pytest.mark.parametrize("core", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])
def test_a_stored_memory_reproduces_what_was_acted(core):
    """Unchanged parameters, unrolled from a store's window, say what the agent said then."""
    plan = dataclasses.replace(LEARNER.plan, core=core)
    learner = dataclasses.replace(LEARNER, plan=plan, epsilon=(0.5, 1.0))
    environment, tasks = HiddenArm(num=3, length=2), jnp.arange(4) % 3
    store = Replay(80, length=10, period=5, memory=True, record=("value",))

    living = Living(environment, Trial(episodes=2))
    example = environment.reset(tasks[0], key=jr.key(0))[1]
    state = learner.init(example, environment.action_spec, key=jr.key(0))
    agent = learner.agent(state)

    @jax.jit
    def drawn(key: jax.Array) -> tuple:
        def go_on(now: tuple, key: jax.Array) -> tuple:
            life, chunk = living.collect(agent, now[0], tasks, 5, key=key)
            return (life, store.add(now[1], chunk)), None

        life = unborn(environment, agent, tasks)
        chunk = jax.eval_shape(lambda: living.collect(agent, life, tasks, 5, key=key)[1])
        blank = store.init(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), chunk))
        (_, kept), _ = jax.lax.scan(go_on, (life, blank), jr.split(key, 5))
        lived = store.sample(kept, 16, key=key).trajectory
        here = learner._judged(state.network, lived)[0]
        return lived, learner.worth.mean(here).max(axis=-1)

    lived, told = drawn(jr.key(3))
    blank = jax.tree.leaves(lived.memory.hidden)[0]
    assert (np.abs(blank).max(axis=-1) > 0).any(), "some windows begin within a trial"
    begins = lived.timestep.begins_trial()[1:]
    assert begins.any() and not begins.all(), "and trials begin within windows"
    np.testing.assert_allclose(told, lived.record["value"][BURN_IN:], atol=1e-5)


def test_windows_that_cannot_be_learnt_from_are_refused():
    lived = windows()
    blind = eqx.tree_at(lambda x: x.memory, lived, None, is_leaf=lambda x: x is None)
    for trajectory, learner in ((blind, LEARNER), (lived, dataclasses.replace(LEARNER, burn_in=9))):
        with pytest.raises(SpecError, match=r"Write `Replay\(..., length=.*memory=True\)`"):
            learner.update(begun(), trajectory, key=jr.key(0))


@pytest.mark.parametrize("epsilon", [(0.0, 0.1), (0.2, 0.1), (0.5, 2.0)])
def test_chances_that_cannot_be_drawn_are_refused(epsilon):
    with pytest.raises(SpecError, match="log-uniformly between two numbers in"):
        R2D2(epsilon=epsilon)


# --- the agent ------------------------------------------------------------------------------------


def test_every_episode_has_a_share_of_random_actions_of_its_own():
    agent = Actor(begun().network, LEARNER.worth, (0.01, 1.0))
    timestep = jax.tree.map(lambda x: x[0, 0], windows().timestep)
    first = eqx.tree_at(lambda t: t.step_type, timestep, jnp.uint8(StepType.FIRST))
    memory = agent.init_memory()

    @jax.jit
    def drawn(timestep: TimeStep, memory: Memory) -> jax.Array:
        act = jax.vmap(lambda key: agent.act(memory, timestep, key=key)[0].epsilon)
        return act(jr.split(jr.key(0), 4000))

    share = np.log10(np.asarray(drawn(first, memory)))
    counts = np.histogram(share, bins=4, range=(-2, 0))[0] / 4000
    np.testing.assert_allclose(counts, 0.25, atol=0.03, err_msg="it is not log-uniform")
    kept = drawn(timestep, memory._replace(epsilon=jnp.float32(0.3)))
    np.testing.assert_allclose(kept, 0.3, err_msg="it is drawn where no episode begins")


def test_actions_are_the_best_or_any():
    network = begun().network
    timestep = jax.tree.map(lambda x: x[0, 0], windows().timestep)

    @jax.jit
    def acted(agent: Actor) -> tuple[jax.Array, jax.Array]:
        memory = agent.init_memory()._replace(epsilon=jnp.float32(0.6))
        act = jax.vmap(lambda key: agent.act(memory, timestep, key=key)[:2])
        memories, actions = act(jr.split(jr.key(0), 4000))
        return actions, memories.action

    agent = Actor(network, LEARNER.worth, (0.1, 1.0))
    worth = one(network, network.init_memory(), timestep, jnp.int32(-1))[1]
    best = np.arange(ACTIONS) == np.asarray(worth)[:, 0].argmax()
    actions, remembered = acted(agent)
    np.testing.assert_array_equal(actions, remembered, "it remembers another action than it took")
    counts = np.bincount(np.asarray(actions), minlength=ACTIONS) / 4000
    np.testing.assert_allclose(counts, 0.6 / ACTIONS + 0.4 * best, atol=0.03)
    greedy, _ = acted(dataclasses.replace(agent, greedy=True))
    assert best[np.asarray(greedy)].all(), "a greedy agent does nothing but the best"
