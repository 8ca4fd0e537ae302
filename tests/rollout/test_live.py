"""A chunk of lives: what a trajectory promises, row by row."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.rollout.life import Life, Trial, revive, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import TMaze

FIRST_TASKS = jnp.array([1, 2, 3, 4, 5], jnp.int32)  # lengths of their episodes
NEXT_TASKS = jnp.array([3, 4, 1, 2, 6], jnp.int32)
LENGTH = 24
TRIALS = (Trial(episodes=2), Trial(steps=7), Trial(episodes=3, steps=8), Trial(episodes=1))


@pytest.fixture(scope="module", params=TRIALS, ids=str)
def lived(request, clock, diary) -> tuple[Trial, Trajectory, Trajectory, Life]:
    """Two chunks, one after the other, and the lives after them."""
    living = Living(clock, request.param)
    collect = jax.jit(
        lambda life, tasks, key: living.collect(diary, life, tasks, LENGTH, key=key)
    )  # fmt: skip
    life = unborn(clock, diary, FIRST_TASKS)
    life, first = collect(life, FIRST_TASKS, jr.key(0))
    life, second = collect(life, NEXT_TASKS, jr.key(1))
    return request.param, *jax.device_get((first, second)), life


def first(timestep: TimeStep) -> np.ndarray:
    """Where an episode begins; like `TimeStep.first`, but of NumPy arrays."""
    return timestep.step_type == StepType.FIRST


def last(timestep: TimeStep) -> np.ndarray:
    """Where an episode ends."""
    return timestep.step_type >= StepType.LAST


def begins_trial(timestep: TimeStep) -> np.ndarray:
    """Where a trial begins."""
    return first(timestep) & (timestep.episode == 0)


def rows(tree, where: slice):
    """Some rows of a trajectory."""
    return jax.tree.map(lambda x: x[where], tree)


def same(got, expected, where: Any, law: str) -> None:
    """The same bits, where it matters."""
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(x)[where], np.asarray(y)[where], law)


def test_an_agent_acts_on_first_and_mid_and_hears_mid_and_last(lived):
    _, chunk, _, _ = lived
    assert not last(chunk.timestep).any(), "nobody acts where an episode has ended"
    assert not first(chunk.next).any(), "`next` is what came of the action, before any reset"
    assert (chunk.timestep.discount == 1)[first(chunk.timestep)].all()


def test_next_is_the_true_outcome_of_the_row(lived):
    _, chunk, _, _ = lived
    before, after = chunk.timestep.observation, chunk.next.observation
    np.testing.assert_array_equal(after["count"], before["count"] + 1, "the step that was taken")
    np.testing.assert_array_equal(after["task"], before["task"], "of the task that was lived")
    np.testing.assert_array_equal(chunk.next.reward, after["count"], "with its own reward")
    np.testing.assert_array_equal(after["luck"].astype(int), chunk.action, "and its own action")
    done = after["count"] == after["task"]
    assert last(chunk.next)[done].all(), "where the environment ends, the row is LAST"
    odd = after["task"] % 2 == 1
    end = last(chunk.next) & (chunk.next.discount == 0)
    np.testing.assert_array_equal(end, done & odd, "ends and cuts are the environment's own")


def test_rows_follow_one_another(lived):
    _, chunk, _, _ = lived
    now, then = rows(chunk.next, slice(None, -1)), rows(chunk.timestep, slice(1, None))
    goes_on = ~last(now)
    assert goes_on.any() and not goes_on.all()
    same(then, now, goes_on, "where an episode goes on, the next row begins where this one ended")
    assert first(then)[~goes_on].all(), "where it ended, the next row begins another"
    assert (then.observation["count"] == 0)[~goes_on].all(), "from the reset's observation"


def test_the_boundary_of_a_trial_is_visible(lived):
    trial, chunk, _, _ = lived
    now, then = rows(chunk.next, slice(None, -1)), rows(chunk.timestep, slice(1, None))
    ended = chunk.trial_ended[:-1]
    assert ended.any(axis=0).all(), "every life of this test ends a trial in the chunk"
    assert last(now)[ended].all(), "a trial ends with an episode"
    np.testing.assert_array_equal(begins_trial(then), ended, "and another begins, there only")
    assert (then.reward == 0)[ended].all(), "whose first step has heard of no reward"
    inner = last(now) & ~ended
    same(then.reward, now.reward, inner, "within a trial the last reward is not lost")
    same(then.episode, now.episode + 1, inner, "and episodes are counted")
    same(now.episode, chunk.timestep.episode[:-1], np.full(ended.shape, True), "within a row, not")
    assert begins_trial(chunk.timestep)[0].all(), "the first row of all begins a trial"


def test_a_trial_is_as_long_as_its_budget(lived):
    trial, chunk, _, _ = lived
    for life, task in enumerate(FIRST_TASKS.tolist()):
        end = 1 + int(np.argmax(chunk.trial_ended[:, life]))
        by_episodes = np.inf if trial.episodes is None else trial.episodes * task
        by_steps = np.inf if trial.steps is None else trial.steps
        assert end == min(by_episodes, by_steps), f"task {task} was lived for {end} steps"


def test_tasks_change_only_where_a_trial_ended(lived):
    _, one, two, _ = lived
    both = jax.tree.map(lambda *x: np.concatenate(x), one, two)
    task = both.timestep.observation["task"]
    changed = task[1:] != task[:-1]
    assert changed.any(), "some life takes up another task"
    assert both.trial_ended[:-1][changed].all(), "a task changed within a trial"
    begun = np.flatnonzero(begins_trial(two.timestep).any(axis=1))
    for t in begun:
        new = begins_trial(two.timestep)[t]
        same(two.timestep.observation["task"][t], NEXT_TASKS, new, "the one that was offered")


def test_after_is_what_the_agent_would_see_next(lived):
    _, one, two, _ = lived
    ended = one.trial_ended[-1]
    begins: TimeStep = jax.tree.map(lambda x: x[0], two.timestep)
    final: TimeStep = jax.tree.map(lambda x: x[-1], one.next)
    same(one.after, begins, ~ended, "where the trial goes on, the next chunk's first row")
    same(one.after, final, ended, "where it ended, the last row's `next`")


def test_memory_is_carried_and_left_to_the_agent(lived):
    _, one, two, life = lived
    both = jax.tree.map(lambda *x: np.concatenate(x), one, two)
    assert (one.memory == 0).all(), "an agent begins with its initial memory"
    np.testing.assert_array_equal(one.final_memory, two.memory, "chunks hand it on")
    np.testing.assert_array_equal(two.final_memory, life.memory, "to the lives after them")
    np.testing.assert_array_equal(one.final_memory, one.record["lived"][-1])
    expected = np.zeros_like(both.record["lived"])
    steps = 0
    for t, begins in enumerate(begins_trial(both.timestep)):
        steps = np.where(begins, 0, steps) + 1
        expected[t] = steps
    np.testing.assert_array_equal(both.record["lived"], expected, "kept in a trial, over episodes")


def test_the_luck_of_a_life_depends_on_no_other(clock, diary):
    living, tasks = Living(clock, Trial(episodes=2)), jnp.arange(1, 9, dtype=jnp.int32)

    @eqx.filter_jit
    def collect(numbers, tasks):
        life = unborn(clock, diary, tasks)
        life = eqx.tree_at(lambda l: l.number, life, numbers)
        return living.collect(diary, life, tasks, 12, key=jr.key(3))

    together = collect(jnp.arange(8), tasks)
    shuffled = collect(jnp.arange(8)[::-1], tasks[::-1])
    for number in (0, 3, 7):
        life, chunk = collect(jnp.array([number]), tasks[number : number + 1])
        for place, others in ((number, together), (7 - number, shuffled)):
            law = f"life {number} went otherwise beside others"
            same(column(others[1], place), column(chunk, 0), ..., law)
            same(at(others[0], place), at(life, 0), ..., law)
    luck = together[1].timestep.observation["luck"]
    assert len(np.unique(luck[0])) == 8, "and no two lives have the same"


def at(life: Life, place: int) -> Life:
    """One life."""
    return jax.tree.map(lambda x: x[place], life)


def column(chunk: Trajectory, place: int) -> list:
    """One life of a trajectory."""
    ends = (chunk.memory, chunk.after, chunk.final_memory)
    body = (chunk.timestep, chunk.action, chunk.next, chunk.trial_ended, chunk.record)
    return [jax.tree.map(lambda x: x[:, place], body), jax.tree.map(lambda x: x[place], ends)]


def test_jaxued_4_no_luck_is_used_twice(lived):
    """Resets draw other luck than steps, and no life that of another."""
    _, chunk, _, _ = lived
    begun, stepped = chunk.timestep.observation["luck"], chunk.next.observation["luck"] % 1.0
    drawn = np.sort(np.concatenate([begun[first(chunk.timestep)], stepped.ravel()]))
    assert np.diff(drawn).min() > 2e-7, "two draws with one key"


def test_without_tasks_a_life_stops_where_its_trial_ends(clock, diary):
    living, tasks = Living(clock, Trial(episodes=2)), FIRST_TASKS

    @jax.jit
    def live(life: Life, key: jax.Array) -> tuple[Life, jax.Array]:
        life, moment = living.live(diary, life, None, key=key)
        return life, moment.timestep.begins_trial()

    life = unborn(clock, diary, tasks)
    life = revive(clock, life, tasks, keys=life.keys(jr.key(0)))
    for i, key in enumerate(jr.split(jr.key(1), 30)):
        life, begins = live(life, key)
        expected = i + 1 >= 2 * np.asarray(tasks)
        assert life.over.tolist() == expected.tolist(), "a trial that is over stays so, no other"
        assert begins.tolist() == [i == 0] * len(tasks), "no other trial is begun"
        np.testing.assert_array_equal(life.task, tasks, "nobody takes up another task")


def test_lives_keep_their_types(diary):
    # The maze answers with Python's numbers, which JAX types weakly.
    living, tasks = Living(TMaze(), Trial(episodes=1)), jnp.arange(2)
    before = unborn(living.environment, diary, tasks)
    collect = jax.jit(lambda life: living.collect(diary, life, tasks, 3, key=jr.key(0))[0])
    once = collect(before)
    types = [jax.tree.map(jax.typeof, life) for life in (before, once, collect(once))]
    assert types[0] == types[1] == types[2], "or the next chunk would be compiled anew"
