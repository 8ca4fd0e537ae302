"""Normalised: statistics are those of what was lived, and what is learnt from is what was seen."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ail import AIL
from meadow.agents.normalised import Normalised
from meadow.agents.rnd import RND
from meadow.agents.statistics import nothing
from meadow.core.agent import AbstractAgent
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import Discrete
from meadow.core.timestep import StepType, TimeStep, restart
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan
from meadow.nn.plan import Plan
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import HiddenArm

LENGTH, LIVES, GAMMA = 5, 3, 0.9
PLAN = Plan(channels=(), features=4, memory=4, heads=3, core="none", recalls=False)


class Watcher(AbstractAgent):
    """Writes down what it is shown."""

    def init_memory(self) -> Any:
        return jnp.int32(0)

    def act(self, memory: Any, timestep: TimeStep, *, key: Any) -> Any:
        return memory + 1, jnp.int32(0), {"shown": timestep.observation}


class Notes(AbstractLearner):
    """Keeps nothing, and hands back what it was given to learn from."""

    def init(self, timestep: TimeStep, action_spec: Any, *, key: Any) -> Any:
        return ()

    def agent(self, state: Any) -> Watcher:
        return Watcher()

    def update(self, state: Any, trajectory: Trajectory, *, key: Any) -> Any:
        names = ("timestep", "next", "after")
        told = {name: getattr(trajectory, name).observation["x"] for name in names}
        memory = 1.0 * trajectory.memory if trajectory.memory is not None else jnp.zeros(())
        return state, told | {"reward": trajectory.next.reward, "memory": memory}

    def score(self, state: Any, trajectory: Trajectory) -> Report:
        return Report.nothing(LIVES)


@jax.jit
def updated(learner: AbstractLearner, state: Any, lived: Trajectory) -> Any:
    return learner.update(state, lived, key=jr.key(0))


def chunk(seed: int, memory: Any = None) -> Trajectory:
    """Made-up numbers; one episode of the second life ends within, and its trial with it."""
    rng = np.random.default_rng(seed)

    def seen(*shape: int) -> dict[str, jax.Array]:
        numbers = 3.0 + 2.0 * rng.normal(size=(*shape, 2))
        return {"x": jnp.asarray(numbers, jnp.float32), "bytes": jnp.ones((*shape, 2), jnp.uint8)}

    def step(*shape: int) -> TimeStep:
        blank = jax.tree.map(lambda x: jnp.broadcast_to(x, shape), restart(()))
        mid = jnp.full(shape, StepType.MID, jnp.uint8)
        reward = jnp.asarray(rng.normal(size=shape), jnp.float32)
        return TimeStep(mid, reward, blank.discount, seen(*shape), blank.episode)

    now, after = step(LENGTH, LIVES), step(LENGTH, LIVES)
    now = eqx.tree_at(lambda t: t.step_type, now, now.step_type.at[3, 1].set(StepType.FIRST))
    ended = jnp.zeros((LENGTH, LIVES), bool).at[2, 1].set(True)
    nothing = jnp.zeros((LENGTH, LIVES), jnp.int32)
    return Trajectory(now, nothing, after, ended, {}, memory, step(LIVES), memory)


def begun(learner: AbstractLearner) -> Any:
    example = jax.tree.map(lambda x: x[0, 0], chunk(0).timestep)
    return learner.init(example, Discrete(2), key=jr.key(0))


def test_acme_11_statistics_are_of_what_was_lived_and_each_row_counts_once():
    learner = Normalised(Notes())
    state, chunks = begun(learner), [chunk(seed) for seed in range(3)]
    for lived in chunks:
        state, _ = updated(learner, state, lived)
    rows = np.concatenate([np.asarray(c.timestep.observation["x"]).reshape(-1, 2) for c in chunks])
    seen = state.seen["x"]
    assert float(seen.count) == 3 * LENGTH * LIVES, "every row counts once"
    np.testing.assert_allclose(seen.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(seen.std, rows.std(0), rtol=1e-5)
    assert state.seen["bytes"] is None, "bytes are no numbers"


def test_a_window_counts_as_much_as_it_weighs():
    seen = nothing(jnp.zeros(2))
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2)), jnp.float32)
    twice = seen.seen(rows, jnp.array([2.0, 1, 1, 0, 1, 1]))
    same = np.asarray(rows)[[0, 0, 1, 2, 4, 5]]
    np.testing.assert_allclose(twice.mean, same.mean(0), rtol=1e-5)
    np.testing.assert_allclose(twice.std, same.std(0), rtol=1e-5)


def test_what_is_learnt_from_looks_as_it_did_and_statistics_move_on_afterwards():
    learner = Normalised(Notes(), most=1.0)
    state, _ = updated(learner, begun(learner), chunk(0))
    lived = chunk(1)
    after, metrics = updated(learner, state, lived)
    assert bool((after.seen["x"].mean != state.seen["x"].mean).all())
    old, agent = state.seen["x"], learner.agent(state)
    for name in ("timestep", "next", "after"):
        raw = getattr(lived, name).observation["x"]
        expected = np.clip((raw - old.mean) / old.std, -1, 1)
        np.testing.assert_allclose(metrics[name], expected, rtol=1e-5, err_msg=name)
    row = jax.tree.map(lambda x: x[1, 1], lived.timestep)
    _, _, record = agent.act(agent.init_memory(), row, key=jr.key(0))
    law = "who acted saw what is learnt from"
    np.testing.assert_allclose(record["shown"]["x"], metrics["timestep"][1, 1], 1e-6, err_msg=law)
    np.testing.assert_array_equal(record["shown"]["bytes"], row.observation["bytes"])


def test_rewards_are_measured_by_the_spread_of_returns_within_trials():
    learner = Normalised(Notes(), returns=GAMMA)
    agent = learner.agent(begun(learner))
    memory = jax.tree.map(lambda x: jnp.stack([x] * LIVES), agent.init_memory())
    memory = memory._replace(returned=jnp.array([1.0, 2.0, 3.0]))
    lived = chunk(0, memory)
    state, metrics = updated(learner, begun(learner), lived)
    expected, returned = [], np.array([1.0, 2.0, 3.0])
    for t in range(LENGTH):
        now = lived.timestep
        returned = np.where(now.begins_trial()[t], 0.0, GAMMA * returned) + now.reward[t]
        expected.append(GAMMA * returned + lived.next.reward[t])
    assert state.returns is not None
    np.testing.assert_allclose(state.returns.std, np.std(expected), rtol=1e-5)
    assert metrics["memory"].shape == (LIVES,), "the learner gets its own agent's memory"
    np.testing.assert_array_equal(metrics["reward"], lived.next.reward, "at first as they are")
    _, metrics = updated(learner, state, lived)
    scaled = lived.next.reward / np.std(expected)
    np.testing.assert_allclose(metrics["reward"], scaled, rtol=1e-4)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda learner: AIL(learner, chunk(7), CriticPlan((4,))),
        lambda learner: RND(learner, PLAN, size=2),
    ],
    ids=["AIL", "RND"],
)
def test_rewards_of_another_are_measured_by_their_own_returns(wrapped):
    within = Normalised(Notes(), returns=GAMMA)
    agent = within.agent(begun(within))
    memory = jax.tree.map(lambda x: jnp.stack([x] * LIVES), agent.init_memory())
    lived = chunk(0, memory._replace(returned=jnp.full(LIVES, 1000.0)))
    dear = eqx.tree_at(lambda x: x.timestep.reward, lived, lived.timestep.reward + 1000.0)
    learner = wrapped(within)
    state, metrics = updated(learner, begun(learner), dear)
    expected, returned = [], np.zeros(LIVES)
    for t in range(LENGTH):
        begins = lived.timestep.begins_trial()[t]
        returned = np.where(begins, 0.0, GAMMA * returned) + metrics["reward"][t]
        expected.append(returned)
    std = np.std(expected)
    np.testing.assert_allclose(state.learner.returns.std, std, rtol=1e-4, err_msg="of these alone")


def test_what_is_always_the_same_is_not_magnified():
    @jax.jit
    def looked(x: jax.Array, width: Any) -> Any:
        seen, rows = nothing(x), jnp.tile(jnp.linspace(1 - width, 1 + width, 1000), (3, 1)).T
        look = lambda seen, _: (seen.seen(x * rows, jnp.ones(1000)), None)  # noqa: E731
        return jax.lax.scan(look, seen, length=200)[0].std

    always = jnp.array([1000.3, 0.1, -12345.678])
    np.testing.assert_array_equal(looked(always, 0.0), 1.0, "rounding is no spread")
    # Evenly between two ends: their distance over the root of twelve.
    np.testing.assert_allclose(looked(always, 1e-4), 1e-4 / 3**0.5 * abs(always), rtol=0.02)


def test_the_agent_carries_the_return_of_its_trial():
    environment, learner = HiddenArm(num=2, length=3), Normalised(Notes(), returns=GAMMA)
    tasks = jnp.array([0, 1])
    example = environment.reset(tasks[0], key=jr.key(0))[1]
    agent = learner.agent(learner.init(example, environment.action_spec, key=jr.key(0)))
    life = unborn(environment, agent, tasks)
    _, lived = Living(environment, Trial(episodes=1)).collect(agent, life, tasks, 5, key=jr.key(1))
    # Two steps into the second trial; what came of the last is not yet known to it.
    np.testing.assert_allclose(lived.final_memory.returned, [1.0, 0.0], rtol=1e-6)
