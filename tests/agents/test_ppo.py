"""PPO: its first update against the formulas in NumPy, and what its memory does.

The transcription is float64 throughout; its gradients are central differences, so that nothing is
shared with what is tested, not even automatic differentiation.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ppo import PPO, Actor, Memory, State, _shuffled, _stretches
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.plan import Plan
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import HiddenArm

LENGTH, LIVES, SEEN, ACTIONS, WIDTH = 5, 4, 2, 3, 4
LEARNER = PPO(
    Plan(channels=(), features=3, aside=2, memory=WIDTH, heads=3),
    gamma=0.9,
    trace=0.8,
    entropy=0.02,
    learning_rate=1e-2,
    max_norm=0.1,
    epochs=2,
    minibatches=2,
)


# --- a chunk in which everything happens ----------------------------------------------------------


def chunk(seed: int = 0) -> Trajectory:
    """Episodes and trials that end in every way, with made-up numbers; all arrays are NumPy's."""
    rng = np.random.default_rng(seed)
    shape = (LENGTH, LIVES)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    episode_ends, trial_ends, terminates = ENDS
    step_type = np.where(episode_ends, StepType.LAST, StepType.MID).astype(np.uint8)
    before = np.full(shape, StepType.MID, np.uint8)
    before[1:][episode_ends[:-1]] = StepType.FIRST
    episode = np.ones(shape, np.int32)
    episode[1:][trial_ends[:-1]] = 0
    discount = np.where(episode_ends, ~terminates, rng.choice([1.0, 0.7], shape))
    actions = rng.integers(0, ACTIONS, shape).astype(np.int32)
    after_type = np.where(trial_ends[-1], StepType.LAST, before[-1]).astype(np.uint8)
    return Trajectory(
        timestep=_timestep(before, normal(*shape), normal(*shape, SEEN), episode),
        action=jnp.asarray(actions),
        next=_timestep(step_type, normal(*shape), normal(*shape, SEEN), episode, discount),
        trial_ended=jnp.asarray(trial_ends),
        # Not what the network would say, so that ratios and values lie on both sides of the clip.
        record={
            "log_prob": jnp.asarray(np.log(1 / ACTIONS) + 0.3 * normal(*shape)),
            "value": jnp.asarray(normal(*shape)),
        },
        memory=_memory(normal(LIVES, WIDTH), rng),
        after=_timestep(after_type, normal(LIVES), normal(LIVES, SEEN), episode[-1]),
        final_memory=_memory(normal(LIVES, WIDTH), rng),
    )


# One column a life, one row a step: e an episode ends, t it and the trial are cut, T both end.
_DRAWN = """
    . e . T
    t . . .
    . . e .
    . T . e
    . t T e
"""
_LETTERS = np.array(_DRAWN.split()).reshape(LENGTH, LIVES)
ENDS = _LETTERS != ".", np.isin(_LETTERS, ["t", "T"]), np.isin(_LETTERS, ["e", "T"])


def _timestep(step_type, reward, observation, episode, discount=None) -> TimeStep:
    discount = np.ones(np.shape(reward)) if discount is None else discount
    return TimeStep(
        step_type=jnp.asarray(step_type),
        reward=jnp.asarray(reward),
        discount=jnp.asarray(discount, jnp.float32),
        observation=jnp.asarray(observation),
        episode=jnp.asarray(episode),
    )


def _memory(hidden: np.ndarray, rng: np.random.Generator) -> Memory:
    actions = rng.integers(0, ACTIONS, LIVES).astype(np.int32)
    return Memory(jnp.asarray(hidden), jnp.asarray(actions))


# --- the formulas ---------------------------------------------------------------------------------


class Told(NamedTuple):
    """What the network is told at one step of one life."""

    seen: np.ndarray
    action: int
    reward: float
    first: bool
    forget: bool


def told(timestep: TimeStep, where: tuple, action: int) -> Told:
    first = timestep.step_type[where] == StepType.FIRST
    forget = first and timestep.episode[where] == 0
    seen, reward = timestep.observation[where], timestep.reward[where]
    return Told(seen, -1 if forget else action, reward, first, forget)


def network(p: Any, hidden: np.ndarray, row: Told) -> tuple[np.ndarray, np.ndarray, float]:
    """One step: the memory after it, the logits, the value."""
    (encoder,) = p.trunk.encoders.values()
    features = np.maximum(row.seen @ encoder.layer.weight + encoder.layer.bias, 0)
    before = p.trunk.action.bias + (p.trunk.action.weight[row.action] if row.action >= 0 else 0)
    inputs = np.concatenate([features, before, [row.reward, row.first]])
    hidden = np.zeros(WIDTH) if row.forget else hidden

    x_r, x_z, x_n = np.split(inputs @ p.trunk.memory.inward + p.trunk.memory.bias, 3)
    h_r, h_z, h_n = np.split(hidden @ p.trunk.memory.recurrent, 3)
    r, z = 1 / (1 + np.exp(-x_r - h_r)), 1 / (1 + np.exp(-x_z - h_z))
    hidden = (1 - z) * np.tanh(x_n + r * (h_n + p.trunk.memory.candidate_bias)) + z * hidden

    def read(head: Any) -> np.ndarray:
        x = np.tanh(hidden @ head.hidden.weight + head.hidden.bias)
        return x @ head.last.weight + head.last.bias

    return hidden, read(p.policy), np.mean([read(head)[0] for head in p.values])


def unroll(p: Any, lived: Trajectory, life: int) -> tuple[list, list, list]:
    """Memories, logits and values of one life of the chunk."""
    hidden, action = lived.memory.hidden[life], lived.memory.action[life]
    rows = []
    for t in range(LENGTH):
        rows.append(network(p, hidden, told(lived.timestep, (t, life), action)))
        hidden, action = rows[-1][0], lived.action[t, life]
    return tuple(map(list, zip(*rows, strict=True)))


def advantages(p: Any, lived: Trajectory) -> np.ndarray:
    """A_t = delta_t + gamma lambda A_{t+1}, to the end of the trial."""
    values, result = lived.record["value"], np.zeros((LENGTH, LIVES))
    for life in range(LIVES):
        memories, _, _ = unroll(p, lived, life)
        later = 0.0
        for t in reversed(range(LENGTH)):
            ended, last = lived.trial_ended[t, life], t == LENGTH - 1
            if last:
                final = lived.final_memory
                row = told(lived.after, (life,), final.action[life])
                following = network(p, final.hidden[life], row)[2]
            elif ended:  # the value of the true final observation, which no row of the chunk shows
                row = told(lived.next, (t, life), lived.action[t, life])
                following = network(p, memories[t], row)[2]
            else:
                following = values[t + 1, life]
            episode_only = lived.next.step_type[t, life] == StepType.LAST and not ended
            discount = 0.9 * (1.0 if episode_only else lived.next.discount[t, life])
            delta = lived.next.reward[t, life] + discount * following - values[t, life]
            later = delta + (0.0 if ended or last else 0.8 * discount * later)
            result[t, life] = later
    return result


def loss(
    p: Any, lived: Trajectory, advantage: np.ndarray, who: np.ndarray, move: float
) -> dict[str, float]:
    """The clipped surrogate, the clipped value loss and the entropy of a minibatch."""
    rows = [unroll(p, lived, life) for life in who]
    logits = np.stack([row[1] for row in rows], axis=1)
    value = np.stack([row[2] for row in rows], axis=1)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    taken = np.take_along_axis(log_probs, lived.action[:, who, None], -1)[..., 0]
    ratio = np.exp(taken - lived.record["log_prob"][:, who])
    target = (advantage + lived.record["value"])[:, who]
    a = advantage[:, who]
    a = (a - a.mean()) / (a.std() + 1e-8)
    old = lived.record["value"][:, who]
    near = old + np.clip(value - old, -move, move)
    terms = {
        "policy_loss": -np.minimum(ratio * a, np.clip(ratio, 0.8, 1.2) * a).mean(),
        "value_loss": np.maximum((value - target) ** 2, (near - target) ** 2).mean() / 2,
        "entropy": -(np.exp(log_probs) * log_probs).sum(-1).mean(),
        "clipped": (np.abs(ratio - 1) > 0.2).mean(),
    }
    total = terms["policy_loss"] + 0.5 * terms["value_loss"] - 0.02 * terms["entropy"]
    return terms | {"loss": total}


def update(
    p: Any, lived: Trajectory, hands: np.ndarray, move: float
) -> tuple[Any, dict[str, float]]:
    """Adam over the hands, gradients clipped at norm 0.1; mean metrics."""
    leaves, treedef = jax.tree.flatten(p)
    ends = np.cumsum([x.size for x in leaves])[:-1]
    advantage, x = advantages(p, lived), np.concatenate([x.ravel() for x in leaves])

    def unravel(x: np.ndarray) -> Any:
        parts = zip(np.split(x, ends), leaves, strict=True)
        return treedef.unflatten([part.reshape(leaf.shape) for part, leaf in parts])

    def slope(x: np.ndarray, who: np.ndarray, i: int) -> float:
        step = 1e-6 * np.eye(1, x.size, i)[0]
        high, low = (
            loss(unravel(y), lived, advantage, who, move)["loss"] for y in (x + step, x - step)
        )
        return (high - low) / 2e-6

    m, v, metrics = np.zeros_like(x), np.zeros_like(x), []
    for count, who in enumerate(hands, start=1):
        g = np.array([slope(x, who, i) for i in range(x.size)])
        norm = np.sqrt((g**2).sum())
        metrics.append(loss(unravel(x), lived, advantage, who, move) | {"gradient_norm": norm})
        g = g * min(1.0, 0.1 / norm)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**count), v / (1 - 0.999**count)
        x = x - 1e-2 * m_hat / (np.sqrt(v_hat) + 1e-8)
    return unravel(x), {name: np.mean([m[name] for m in metrics]) for name in metrics[0]}


# --- the learner ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def state() -> State:
    """Fresh, but for a policy that prefers some actions and biases that are not 0."""
    row = jax.tree.map(lambda x: x[0, 0], chunk().timestep)
    state = LEARNER.init(row, Discrete(ACTIONS), key=jr.key(0))
    leaves, treedef = jax.tree.flatten(state.network)
    keys = jr.split(jr.key(1), len(leaves))
    noisy = [x + 0.3 * jr.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return State(treedef.unflatten(noisy), state.optimiser)


def test_the_chunk_has_everything_in_it():
    lived = chunk()
    truncated = np.asarray(lived.trial_ended & (lived.next.discount != 0))
    assert truncated[:-1].any() and truncated[-1].any(), "a trial is cut within and at the end"
    terminated = np.asarray(lived.trial_ended & (lived.next.discount == 0))
    assert terminated[:-1].any() and terminated[-1].any(), "and one terminates"
    inner = np.asarray(lived.next.last() & ~lived.trial_ended)
    assert inner[:-1].any() and inner[-1].any(), "and an episode ends within a trial"
    assert (np.asarray(lived.next.discount)[~ENDS[0]] < 1).any(), "and the environment discounts"


def test_advantages_run_to_the_end_of_the_trial(state, exact):
    lived = chunk()
    got = jax.jit(LEARNER.score)(state, lived).magnitude
    expected = per_episode(np.abs(advantages(exact(state.network), exact(lived))), lived)
    np.testing.assert_allclose(got, expected, rtol=1e-5, err_msg="|A|, column by column")


def per_episode(values, lived):
    """Sum over the finished episodes of a column of the mean within each."""
    last, sums = np.asarray(lived.next.last()), np.zeros(LIVES)
    for column in range(LIVES):
        ends = np.flatnonzero(last[:, column])
        for start, end in zip([0, *(ends[:-1] + 1)], ends, strict=True):
            sums[column] += values[start : end + 1, column].mean()
    return sums


def test_without_bootstrap_a_truncation_is_an_end(state):
    lived, learner = chunk(), dataclasses.replace(LEARNER, bootstrap=False)
    ended = lived.trial_ended
    unseen = jnp.where(ended[..., None], jnp.nan, lived.next.observation)
    blind = eqx.tree_at(lambda lived: lived.next.observation, lived, unseen)
    over = jnp.where(ended, 0.0, lived.next.discount)
    terminated = eqx.tree_at(lambda lived: lived.next.discount, lived, over)
    got = jax.jit(learner.score)(state, blind).magnitude
    expected = jax.jit(LEARNER.score)(state, terminated).magnitude
    np.testing.assert_allclose(got, expected, rtol=1e-5, err_msg="|A|, column by column")


def test_every_value_of_an_ensemble_learns_and_no_rate_falls_unasked(exact):
    plan = dataclasses.replace(LEARNER.plan, values=2)
    learner = dataclasses.replace(
        LEARNER, plan=plan, epochs=1, minibatches=1, updates=1, anneal=False, epsilon=1e-3
    )
    row = jax.tree.map(lambda x: x[0, 0], chunk().timestep)
    start = learner.init(row, Discrete(ACTIONS), key=jr.key(0))
    agent = learner.agent(start)
    act = jax.jit(lambda memory: agent.act(memory, row, key=jr.key(0)))
    _, _, record = act(agent.init_memory())
    np.testing.assert_allclose(record["value"], record["values"].mean(), rtol=1e-5)
    np.testing.assert_allclose(record["doubt"], record["values"].std(), rtol=1e-5)

    lived = chunk()
    values = lived.record["value"][..., None] + jnp.array([-1.0, 1.0])
    lived = eqx.tree_at(lambda lived: lived.record, lived, lived.record | {"values": values})
    step = jax.jit(lambda state: learner.update(state, lived, key=jr.key(0)))
    once, metrics = step(start)
    for now, before in ((once, start), (step(once)[0], once)):
        for one, other in zip(now.network.values, before.network.values, strict=True):
            moved = jnp.abs(one.last.weight - other.last.weight).max()
            assert moved > 1e-4, "a value does not learn, or the rate fell to 0"

    p, lived = exact((start.network, lived))
    target = (advantages(p, lived) + lived.record["value"])[..., None]
    each = [eqx.tree_at(lambda p: p.values, p, (head,)) for head in p.values]
    now = [[unroll(one, lived, life)[2] for life in range(LIVES)] for one in each]
    now, old = np.array(now).T, lived.record["values"]
    near = old + np.clip(now - old, -0.2, 0.2)
    expected = np.maximum((now - target) ** 2, (near - target) ** 2).mean() / 2
    np.testing.assert_allclose(metrics["value_loss"], expected, rtol=1e-5, err_msg="each clipped")


@pytest.mark.parametrize("value_clip", [0.3, None])
def test_an_update_is_the_formulas(state, value_clip, exact):
    lived, key = chunk(), jr.key(5)
    learner = dataclasses.replace(LEARNER, value_clip=value_clip)
    after, metrics = jax.jit(lambda *args: learner.update(*args, key=key))(state, lived)
    orders = [jr.permutation(k, LIVES) for k in jr.split(key, LEARNER.epochs)]
    hands = np.concatenate([np.asarray(order).reshape(2, -1) for order in orders])
    expected, terms = update(exact(state.network), exact(lived), hands, value_clip or np.inf)
    assert set(metrics) == set(terms), "the metrics that are announced"
    assert 0 < terms["clipped"] < 1 and terms["gradient_norm"] > 0.1, "the batch tests both clips"
    for name, value in terms.items():
        np.testing.assert_allclose(metrics[name], value, atol=1e-5, rtol=1e-5, err_msg=name)
    moved = 0.0
    for (where, x), y, start in zip(
        jax.tree_util.tree_leaves_with_path(after.network), jax.tree.leaves(expected),
        jax.tree.leaves(state.network), strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(x, y, atol=1e-5, err_msg=jax.tree_util.keystr(where))
        moved = max(moved, float(jnp.abs(x - start).max()))
    assert moved > 1e-2, "the update moved the network"


def test_the_learning_rate_falls_to_nothing(state):
    learner = dataclasses.replace(LEARNER, updates=4, epochs=1, minibatches=1)
    start = learner.init(jax.tree.map(lambda x: x[0, 0], chunk().timestep), Discrete(3),
                         key=jr.key(0))  # fmt: skip
    step = jax.jit(lambda state: learner.update(state, chunk(), key=jr.key(0))[0])
    now, sizes = start, []
    for _ in range(5):
        later = step(now)
        change = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), later.network, now.network)
        sizes.append(max(jax.tree.leaves(change)).item())
        now = later
    np.testing.assert_allclose(sizes[0], 1e-2, rtol=1e-3, err_msg="Adam's first step is the rate")
    assert sizes[3] < sizes[0] / 2, "the last update is a small one"
    assert sizes[4] == 0.0, "after `updates` calls nothing moves any more"


def test_lives_must_be_dealt_evenly(state):
    learner = dataclasses.replace(LEARNER, minibatches=3)
    with pytest.raises(SpecError, match="4 lives do not divide by minibatches=3. Change one"):
        learner.update(state, chunk(), key=jr.key(0))
    learner = dataclasses.replace(LEARNER, minibatches=3, stretch=1)
    with pytest.raises(SpecError, match="20 stretches of 1 do not divide by minibatches=3"):
        learner.update(state, chunk(), key=jr.key(0))
    learner = dataclasses.replace(LEARNER, stretch=2)
    with pytest.raises(SpecError, match="5 steps do not divide by stretch=2. Change one"):
        learner.update(state, chunk(), key=jr.key(0))


def test_windows_of_a_store_are_refused(state):
    window = dataclasses.replace(chunk(), record={}, final_memory=None)
    with pytest.raises(SpecError, match="its own agent has just lived, got a window"):
        LEARNER.update(state, window, key=jr.key(0))


def test_a_stretch_begins_with_what_was_remembered(state):
    lived, hidden = chunk(), chunk().memory.hidden
    rows = jax.jit(LEARNER._rows)(state, lived)
    rows = jax.tree.map(lambda x: x[:4], rows)
    judge = jax.jit(lambda hidden, rows: LEARNER._loss(state.network, hidden, rows)[1])
    expected = judge(hidden, rows)
    for length in (1, 2):
        before, cut = _stretches(state.network, hidden, rows, length)
        for name, value in judge(before, cut).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6, err_msg=name)
    expected = np.concatenate([rows.target[:2], rows.target[2:]], axis=1)
    np.testing.assert_array_equal(cut.target, expected, "columns of two steps, in order")
    assert not np.allclose(before[LIVES:], hidden), "the second begins where the first ended"


def test_an_update_deals_single_steps(state):
    learner = dataclasses.replace(LEARNER, stretch=1, minibatches=5)
    after, metrics = jax.eval_shape(lambda: learner.update(state, chunk(), key=jr.key(0)))
    assert jax.tree.structure(after) == jax.tree.structure(state), "the state's structure is kept"
    assert all(x.shape == () for x in metrics.values())


@pytest.mark.parametrize("num", [1, 2, 257])
def test_shuffled_numbers_are_all_there(num):
    shuffle = jax.jit(_shuffled, static_argnums=1)
    orders = [np.asarray(shuffle(jr.key(i), num)) for i in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(num))
    assert num < 3 or not (orders[0] == orders[1]).all(), "the order is luck"


# --- the agent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step_type", "episode", "forgets"),
    [
        (StepType.FIRST, 0, True),
        (StepType.FIRST, 1, False),
        (StepType.MID, 0, False),
        (StepType.LAST, 0, False),
    ],
)
def test_memory_is_cleared_where_a_trial_begins_and_only_there(state, step_type, episode, forgets):
    agent = Actor(state.network)
    timestep = _timestep(np.uint8(step_type), np.float32(0), np.ones(SEEN, "f"), np.int32(episode))
    full = Memory(jnp.ones(WIDTH), jnp.int32(1))
    remembers, _, record = agent.act(full, timestep, key=jr.key(0))
    fresh, _, blank = agent.act(agent.init_memory(), timestep, key=jr.key(0))
    same = eqx.tree_equal(remembers.hidden, fresh.hidden) and record["value"] == blank["value"]
    assert bool(same) == forgets, "what came before the trial must not be known, all else must"


@pytest.mark.parametrize("core", ["lstm", "linear", "none"])
def test_any_memory_is_lived_with_and_learnt_from(core):
    learner = dataclasses.replace(LEARNER, plan=dataclasses.replace(LEARNER.plan, core=core))
    environment, tasks = HiddenArm(num=3, length=3), jnp.arange(LIVES) % 3

    def iterate(key):
        example = environment.reset(tasks[0], key=key)[1]
        start = learner.init(example, environment.action_spec, key=key)
        agent = learner.agent(start)
        life = unborn(environment, agent, tasks)
        living = Living(environment, Trial(episodes=2))
        later, lived = living.collect(agent, life, tasks, LENGTH, key=key)
        after, _ = learner.update(start, lived, key=key)
        return (start, life), (after, later)

    before, after = jax.eval_shape(iterate, jr.key(0))  # all is traced and nothing compiled
    assert jax.tree.structure(before) == jax.tree.structure(after), "the state's structure is kept"
    for (where, x), y in zip(
        jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True
    ):
        assert (x.shape, x.dtype) == (y.shape, y.dtype), jax.tree_util.keystr(where)


def test_acting_step_by_step_equals_unrolling(exact):
    environment, tasks = HiddenArm(num=3, length=3), jnp.arange(LIVES) % 3
    example = environment.reset(tasks[0], key=jr.key(0))[1]
    start = LEARNER.init(example, environment.action_spec, key=jr.key(0))
    agent = LEARNER.agent(start)
    living = Living(environment, Trial(episodes=2))

    @jax.jit
    def collect(key):
        life = unborn(environment, agent, tasks)
        life, _ = living.collect(agent, life, tasks, 4, key=key)  # so that memories are not blank
        return living.collect(agent, life, tasks, LENGTH, key=key)[1]

    lived = exact(collect(jr.key(2)))
    assert lived.trial_ended[:-1].any() and (lived.memory.hidden != 0).any()
    for life in range(LIVES):
        memories, logits, values = unroll(exact(start.network), lived, life)
        np.testing.assert_allclose(lived.record["value"][:, life], values, atol=1e-5)
        np.testing.assert_allclose(lived.final_memory.hidden[life], memories[-1], atol=1e-5)
        log_probs = np.array(logits) - np.log(np.exp(logits).sum(-1, keepdims=True))
        taken = np.take_along_axis(log_probs, lived.action[:, life, None], -1)[:, 0]
        np.testing.assert_allclose(lived.record["log_prob"][:, life], taken, atol=1e-5)
    np.testing.assert_array_equal(lived.final_memory.action, lived.action[-1], "what it did last")


def test_it_samples_from_its_policy_and_greedy_takes_the_likeliest(state, exact):
    timestep = _timestep(np.uint8(1), np.float32(0), np.ones(SEEN, np.float32), np.int32(0))
    agent = Actor(state.network)
    memory = agent.init_memory()
    act = jax.jit(jax.vmap(lambda key: agent.act(memory, timestep, key=key)[1:]))
    actions, record = act(jr.split(jr.key(0), 4000))
    _, logits, _ = network(
        exact(state.network), np.zeros(WIDTH), Told(np.ones(SEEN), -1, 0.0, False, False)
    )
    probs = np.exp(logits) / np.exp(logits).sum()
    counts = np.bincount(np.asarray(actions), minlength=ACTIONS) / 4000
    np.testing.assert_allclose(counts, probs, atol=0.03, err_msg="how often each was taken")
    np.testing.assert_allclose(np.exp(record["log_prob"]), probs[actions], atol=1e-5)
    greedy = Actor(state.network, greedy=True).act(memory, timestep, key=jr.key(0))[1]
    assert greedy == probs.argmax(), "greedy takes the likeliest"
