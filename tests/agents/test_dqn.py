"""DQN: its updates against the formulas in NumPy, and how it explores.

The transcription is float64 throughout; its gradients are central differences, so that nothing is
shared with what is tested, not even automatic differentiation.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.dqn import DQN, Actor
from meadow.agents.q_learning import State
from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE
from meadow.core.spec import Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.plan import Plan
from meadow.nn.worth import Categorical, Quantiles, Scalar

STEPS, BATCH, SEEN, ACTIONS = 3, 8, 2, 3
PLAN = Plan(channels=(), features=3, memory=4, heads=3, core="none", recalls=False)
LEARNER = DQN(PLAN, gamma=0.9, target_period=2, learning_rate=1e-2, max_norm=0.1)
PLAIN = dataclasses.replace(LEARNER, worth=Scalar(), double=False, clip_reward=True, max_norm=1e3)
DOUBLE = dataclasses.replace(LEARNER, worth=Scalar(huber=0.3), duelling=True)
SOFT = dataclasses.replace(LEARNER, munchausen=(0.5, 0.9, -0.4))
SOFT_QUANTILES = dataclasses.replace(SOFT, worth=Quantiles(num=2, huber=0.7))
DISTRIBUTION = dataclasses.replace(DOUBLE, worth=Categorical(low=-1.5, high=2.0, atoms=4))

# --- windows in which everything happens ----------------------------------------------------------

# One column a window, one row a step: T the episode terminates, t it is cut.
_ENDS = np.array([list(row) for row in ("TtT.....", "..tTt...", "......Tt")])


def windows(seed: int = 0) -> Trajectory:
    """Made-up numbers; all that a store hands out to a learner that asks for no record."""
    rng = np.random.default_rng(seed)
    shape = (STEPS, BATCH)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    ended, terminated = _ENDS != ".", _ENDS == "T"
    discount = np.where(ended, ~terminated, rng.choice([1.0, 0.7], shape))
    timestep = _timestep(np.full(shape, StepType.MID), normal(*shape), normal(*shape, SEEN))
    after = _timestep(
        np.where(ended, StepType.LAST, StepType.MID), 2 * normal(*shape), normal(*shape, SEEN),
        discount,
    )  # fmt: skip
    actions = rng.integers(0, ACTIONS, shape).astype(np.int32)
    last = jax.tree.map(lambda x: x[-1], after)
    weight = rng.uniform(0.2, 1.0, BATCH).astype(np.float32)
    actions, ended, weight = jax.tree.map(jnp.asarray, (actions, ended, weight))
    return Trajectory(timestep, actions, after, ended, {}, None, last, None, weight)


def _timestep(step_type: Any, reward: Any, observation: Any, discount: Any = None) -> TimeStep:
    discount = np.ones(np.shape(reward)) if discount is None else discount
    return TimeStep(
        step_type=jnp.asarray(step_type, jnp.uint8),
        reward=jnp.asarray(reward, jnp.float32),
        discount=jnp.asarray(discount, jnp.float32),
        observation=jnp.asarray(observation),
        episode=jnp.zeros(np.shape(reward), jnp.int32),
    )


# --- the formulas ---------------------------------------------------------------------------------


def judged(p: Any, seen: np.ndarray) -> np.ndarray:
    """`[batch, actions, size]`."""
    (encoder,) = p.trunk.encoders.values()
    x = np.maximum(seen @ encoder.layer.weight + encoder.layer.bias, 0)
    x = np.maximum(x @ p.trunk.memory.layer.weight + p.trunk.memory.layer.bias, 0)

    def read(head: Any) -> np.ndarray:
        hidden = np.tanh(x @ head.hidden.weight + head.hidden.bias)
        out = hidden @ head.last.weight + head.last.bias
        return out.reshape(len(x), -1, p.size)

    q = read(p.actions)
    return q if p.state is None else read(p.state) + q - q.mean(axis=1, keepdims=True)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def mean(worth: Any, told: np.ndarray) -> np.ndarray:
    if isinstance(worth, Categorical):
        return softmax(told) @ np.linspace(worth.low, worth.high, worth.atoms)
    return told.mean(-1)


def half_square(x: float, huber: float | None) -> float:
    return x**2 / 2 if huber is None or abs(x) <= huber else huber * (abs(x) - huber / 2)


def one_loss(worth: Any, told: np.ndarray, reward: float, discount: float, after: Any) -> float:
    """Of one window."""
    if isinstance(worth, Scalar):
        return half_square(reward + discount * after[0] - told[0], worth.huber)
    if isinstance(worth, Quantiles):
        total = 0.0
        for i, q in enumerate(told):
            for z in after:
                u = reward + discount * z - q
                share = abs((i + 0.5) / len(told) - (u < 0))
                total += share * half_square(u, worth.huber) / worth.huber / len(after)
        return total
    atoms, target = np.linspace(worth.low, worth.high, worth.atoms), np.zeros(worth.atoms)
    for chance, z in zip(softmax(after), atoms, strict=True):
        b = (np.clip(reward + discount * z, worth.low, worth.high) - worth.low) / np.diff(atoms)[0]
        below = min(int(b), worth.atoms - 2)
        target[below] += chance * (below + 1 - b)
        target[below + 1] += chance * (b - below)
    return -(target * np.log(softmax(told))).sum()


def followed(lived: Trajectory, window: int, clip: bool) -> tuple[float, float, np.ndarray]:
    """Step by step: the reward and discount until the window or the episode ends, and what is seen
    then."""
    reward, discount = 0.0, 1.0
    for t in range(STEPS):
        r = lived.next.reward[t, window]
        reward += discount * (np.clip(r, -1, 1) if clip else r)
        discount *= 0.9 * lived.next.discount[t, window]
        if lived.next.step_type[t, window] == StepType.LAST:
            break
    return reward, discount, lived.next.observation[t, window]


def loss(learner: DQN, p: Any, target: Any, lived: Trajectory) -> dict[str, Any]:
    """The mean over windows, and how surprising each was."""
    worth, losses, values, surprise = learner.worth, [], [], []
    rewards, discounts, finals = map(
        np.array, zip(*(followed(lived, n, learner.clip_reward) for n in range(BATCH)), strict=True)
    )
    before, here = (judged(q, lived.timestep.observation[0]) for q in (target, p))
    there, chooser = judged(target, finals), judged(p if learner.double else target, finals)
    for n, (reward, discount) in enumerate(zip(rewards, discounts, strict=True)):
        action, options = lived.action[0, n], there[n]
        told = here[n, action]
        if learner.munchausen is None:
            after = options[mean(worth, chooser[n]).argmax()]
        else:
            t, share, bound = learner.munchausen
            now = np.log(softmax(mean(worth, before[n]) / t))
            reward += share * np.clip(t * now[action], bound, 0)
            policy = softmax(mean(worth, options) / t)
            after = sum(c * (z - t * np.log(c)) for c, z in zip(policy, options, strict=True))
        losses.append(lived.weight[n] * one_loss(worth, told, reward, discount, after))
        values.append(mean(worth, told))
        surprise.append(abs(reward + discount * mean(worth, after) - mean(worth, told)))
    return {"loss": np.mean(losses), "value": np.mean(values), SURPRISE: np.array(surprise)}


def updates(learner: DQN, p: Any, batches: list[Trajectory]) -> tuple[Any, Any, list[dict]]:
    """Adam, gradients clipped by their norm, and the target copied at every second update."""
    leaves, treedef = jax.tree.flatten(p)
    ends, x = np.cumsum([x.size for x in leaves])[:-1], np.concatenate([x.ravel() for x in leaves])

    def unravel(x: np.ndarray) -> Any:
        parts = zip(np.split(x, ends), leaves, strict=True)
        return treedef.unflatten([part.reshape(leaf.shape) for part, leaf in parts])

    target, m, v, metrics = p, np.zeros_like(x), np.zeros_like(x), []
    for count, lived in enumerate(batches, start=1):

        def total(x: np.ndarray, target: Any = target, lived: Trajectory = lived) -> float:
            return loss(learner, unravel(x), target, lived)["loss"]

        steps = 1e-6 * np.eye(x.size)
        g = np.array([(total(x + step) - total(x - step)) / 2e-6 for step in steps])
        norm = np.sqrt((g**2).sum())
        metrics.append(loss(learner, unravel(x), target, lived) | {"gradient_norm": norm})
        g = g * min(1.0, learner.max_norm / norm)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - 1e-2 * m / (1 - 0.9**count) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)
        target = unravel(x) if count % 2 == 0 else target
    return unravel(x), target, metrics


# --- the learner ----------------------------------------------------------------------------------


def begun(learner: DQN, *, noise: float = 0.3) -> State:
    """Fresh, but for biases that are not 0."""
    row = jax.tree.map(lambda x: x[0, 0], windows().timestep)
    state = learner.init(row, Discrete(ACTIONS), key=jr.key(0))
    leaves, treedef = jax.tree.flatten(state.network)
    keys = jr.split(jr.key(1), len(leaves))
    noisy = [x + noise * jr.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    network = treedef.unflatten(noisy)
    return state._replace(network=network, target=network)


@pytest.mark.parametrize(
    "learner",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(DOUBLE, id="double, duelling"),
        pytest.param(SOFT, id="munchausen"),
        pytest.param(SOFT_QUANTILES, id="munchausen, quantiles", marks=pytest.mark.slow),
        pytest.param(DISTRIBUTION, id="distribution", marks=pytest.mark.slow),
    ],
)
def test_updates_are_the_formulas(learner, exact):
    state, batches = begun(learner), [windows(seed) for seed in range(3)]
    step = jax.jit(lambda state, lived: learner.update(state, lived, key=jr.key(0)))
    expected, target, terms = updates(learner, exact(state.network), exact(batches))
    assert (terms[0]["gradient_norm"] > learner.max_norm) == (learner.max_norm < 1)
    for number, (lived, term) in enumerate(zip(batches, terms, strict=True)):
        state, metrics = step(state, lived)
        assert set(metrics) == set(term), "the metrics that are announced"
        for name, value in term.items():
            np.testing.assert_allclose(
                metrics[name], value, atol=1e-5, rtol=1e-4, err_msg=f"{name}, update {number}"
            )
    for law, got, wanted in (
        ("the network is moved by Adam", state.network, expected),
        ("the target is the network of the last whole period", state.target, target),
    ):
        for (where, x), y in zip(
            jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(wanted), strict=True
        ):
            message = f"{law}: {jax.tree_util.keystr(where)}"
            np.testing.assert_allclose(x, y, atol=2e-5, err_msg=message)
    moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), expected, target)
    assert max(jax.tree.leaves(moved)) > 1e-3, "network and target are told apart"


def test_acme_3_the_target_begins_as_the_network():
    row = jax.tree.map(lambda x: x[0, 0], windows().timestep)
    state = LEARNER.init(row, Discrete(ACTIONS), key=jr.key(0))
    assert eqx.tree_equal(state.network, state.target), "two networks drawn apart"


def test_what_was_not_weighed_counts_in_full():
    lived, state = windows(), begun(LEARNER)
    step = jax.jit(lambda lived: LEARNER._loss(state.network, state.target, lived)[0])
    ones = eqx.tree_at(lambda lived: lived.weight, lived, jnp.ones(BATCH))
    none = eqx.tree_at(lambda lived: lived.weight, lived, None)
    np.testing.assert_allclose(step(none), step(ones), rtol=1e-6)
    assert not np.isclose(step(lived), step(ones)), "weights do not count"


def test_a_network_that_remembers_is_refused():
    with pytest.raises(SpecError, match="core='gru' and recalls=True. Write core='none'"):
        DQN(Plan())


@pytest.mark.parametrize("worth", [Categorical(), Scalar(rescale=True)], ids=["C51", "rescaled"])
def test_worths_that_cannot_be_added_up_are_refused(worth):
    with pytest.raises(SpecError, match=r"With `munchausen` worths are added up.*or Quantiles"):
        DQN(worth=worth, munchausen=(0.03, 0.9, -1.0))


# --- the agent ------------------------------------------------------------------------------------


def test_the_share_of_random_actions_falls_in_a_line():
    learner = dataclasses.replace(LEARNER, epsilon=(0.9, 0.1, 40))
    state = begun(learner)
    shares = [
        learner.agent(state._replace(updates=jnp.int32(n))).epsilon for n in (0, 10, 40, 1000)
    ]
    np.testing.assert_allclose(shares, [0.9, 0.7, 0.1, 0.1], rtol=1e-6)


def test_acme_2_actions_are_the_best_or_any_and_greedy_is_greedy(exact):
    network = begun(LEARNER).network
    timestep = _timestep(StepType.MID, 0.0, np.ones(SEEN, np.float32))
    best = mean(LEARNER.worth, judged(exact(network), np.ones((1, SEEN)))[0]).argmax()

    @jax.jit
    def acted(agent: Actor) -> jax.Array:
        act = jax.vmap(lambda key: agent.act((), timestep, key=key)[1])
        return act(jr.split(jr.key(0), 4000))

    def shares(agent: Actor) -> np.ndarray:
        return np.bincount(np.asarray(acted(agent)), minlength=ACTIONS) / 4000

    expected = 0.6 / ACTIONS + 0.4 * (np.arange(ACTIONS) == best)
    exploring = Actor(network, LEARNER.worth, jnp.float32(0.6))
    np.testing.assert_allclose(shares(exploring), expected, atol=0.03, err_msg="how often each")
    # An epsilon that was left at 1 must not come through.
    greedy = dataclasses.replace(exploring, epsilon=jnp.float32(1.0), greedy=True)
    assert shares(greedy)[best] == 1, "a greedy agent does nothing but the best"
