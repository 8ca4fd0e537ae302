"""Designed: the teacher is paid what its tasks were worth, once, at the last edit."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ppo import PPO
from meadow.core.report import Report
from meadow.core.timestep import StepType
from meadow.curricula.designed import Designed, built
from meadow.envs.maze.editor import Placing
from meadow.nn.plan import Plan
from meadow.tasks.maze.solve import steps as fewest_steps

TEACHER = PPO(Plan(channels=(), features=8, memory=8, heads=8), minibatches=1)
PAIRED = Designed(Placing(5, 5, num_walls=4), TEACHER)
NUM = 6


@pytest.fixture(scope="module")
def ticket():
    state = PAIRED.init(key=jr.key(0))
    return state, jax.jit(lambda state: PAIRED.sample(state, NUM, key=jr.key(1)))(state)


def regrets(antagonist, protagonist):
    """Two students with one finished episode each."""
    returns = jnp.array([protagonist, antagonist])
    one = jnp.ones_like(returns)
    return dataclasses.replace(
        Report.nothing(*returns.shape), episodes=one, returns=returns, best=returns
    )


def test_an_episode_builds_a_task_and_ends_with_the_last_edit(ticket):
    lived = ticket[1].notes[0]
    assert lived.trial_ended.shape == (PAIRED.editor.length, NUM)
    assert not lived.next.last()[:-1].any() and lived.next.last()[-1].all()
    assert (lived.next.discount[-1] == 0).all(), "nothing follows the last edit"
    assert (lived.timestep.step_type[0] == StepType.FIRST).all()


def test_the_level_decoded_is_the_level_played(ticket):
    maze = ticket[1].tasks
    assert maze.walls.shape == (NUM, 5, 5)
    rows = np.arange(NUM)
    for cell in (maze.goal, maze.position):
        assert not np.asarray(maze.walls)[rows, cell[:, 0], cell[:, 1]].any()
    assert (maze.goal != maze.position).any(-1).all()
    assert jax.vmap(fewest_steps)(maze).shape == (NUM,)


def test_jaxued_2_the_teacher_earns_the_clipped_regret_and_no_bootstrap(ticket, monkeypatch):
    state, ticket = ticket
    seen = []

    def update(self, state, trajectory, *, key):
        seen.append((trajectory, self._advantages(state, trajectory)))
        return state, {}

    monkeypatch.setattr(PPO, "update", update)
    better, worse = jnp.linspace(0.0, 1.0, NUM), jnp.full(NUM, 0.5)
    PAIRED.update(state, ticket, regrets(better, worse))
    (lived, advantages), expected = seen[0], np.maximum(better - worse, 0.0)
    np.testing.assert_allclose(lived.next.reward.sum(0), expected, atol=1e-6)
    assert (lived.next.reward[:-1] == 0).all(), "only the last edit is paid"
    last = expected - np.asarray(lived.record["value"][-1])
    np.testing.assert_allclose(advantages[-1], last, atol=1e-6, err_msg="nothing stands in after")


@pytest.mark.parametrize("worth", ["relative_regret", "neg_return"])
def test_a_task_nobody_finished_is_worth_nothing(ticket, monkeypatch, worth):
    state, ticket = ticket
    seen = []
    monkeypatch.setattr(PPO, "update", lambda self, s, lived, *, key: (s, seen.append(lived)))
    nothing = Report.nothing(*((2, NUM) if worth == "relative_regret" else (NUM,)))
    after = dataclasses.replace(PAIRED, worth=worth).update(state, ticket, nothing)
    assert after.worth == 0 and (seen[0].next.reward == 0).all()


def test_noise_makes_teachers_build_different_tasks(ticket):
    walls = np.asarray(ticket[1].tasks.walls).reshape(NUM, -1)
    assert len(np.unique(walls, axis=0)) > 1
    other, _ = built(PAIRED.editor, TEACHER.agent(ticket[0].teacher), NUM, key=jr.key(5))
    assert (np.asarray(other.walls).reshape(NUM, -1) != walls).any()
