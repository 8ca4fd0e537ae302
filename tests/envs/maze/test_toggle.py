"""Toggling walls: what is built is well-formed at every step, and noise is there to be seen."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.core.timestep import StepType
from meadow.envs.maze.toggle import Toggling

SMALL = Toggling(3, 4, edits=8, noise_dim=2)


def test_what_is_built_is_well_formed_at_every_step(edit):
    (begun, first), (mazes, said) = edit(SMALL)
    assert not begun.walls.any(), "it begins with no walls"
    assert (mazes.position != mazes.goal).any(-1).all(), "the agent is not on the goal"
    view = said.observation["view"][:, :, 1:-1, 1:-1]
    assert (view[..., 0] == mazes.walls).all(), "the level decoded is the level seen"
    assert (view[..., 1:].sum((2, 3)) == 1).all(), "one goal and one agent"
    assert (view.sum(-1) <= 1).all(), "neither of them on a wall"
    assert (first.step_type == StepType.FIRST).all(), "it begins"
    assert (said.step_type[:-1] == StepType.MID).all(), "and goes on"
    assert (said.step_type[-1] == StepType.LAST).all(), "it ends with the last edit"
    assert not said.discount[-1].any() and not said.reward.any(), "terminated, and no reward"


def test_edits_do_what_their_step_is_for(edit):
    _, (mazes, _) = edit(SMALL, [5, 6, 2, 9, 4, 9, 5, 2])
    assert (mazes.goal == (1, 1)).all(), "first the goal"
    assert mazes.direction[:, 0].tolist() == [0] + [2] * 7, "then the direction, modulo 4"
    assert (mazes.position[2:] == (0, 2)).all() and (mazes.position[:2] == 0).all(), "the agent"
    built = [np.flatnonzero(walls).tolist() for walls in mazes.walls[:, 0]]
    assert built[:6] == [[], [], [], [9], [4, 9], [4]], "then walls come and go"
    assert built[6:] == [[4], [4]], "but none on goal or agent"


def test_an_agent_on_the_goal_stands_elsewhere(edit):
    _, (mazes, _) = edit(SMALL, [0] * 8)
    assert (mazes.goal == 0).all() and (mazes.position[0] == (2, 3)).all(), "they changed places"
    where = np.bincount(mazes.position[-1] @ (4, 1), minlength=12)
    assert where[0] == 0 and (abs(where[1:] - 256 / 11) < 20).all(), f"anywhere else: {where}"


def test_jaxued_1_noise_is_not_zero(edit):
    (_, first), (_, said) = edit(SMALL)
    noise = np.concatenate([first.observation["noise"][None], said.observation["noise"]])
    assert noise.shape == (9, 256, 2), "of the first step too"
    assert len(np.unique(noise)) > 0.99 * noise.size, "other noise in every step of every episode"


def test_noise_may_last_an_episode():
    editor = Toggling(3, 4, redraw=False)
    state, first = editor.reset((), key=jr.key(0))
    _, said = editor.step(state, (), jnp.int32(1), key=jr.key(1))
    assert first.observation["noise"].shape == (50,) and first.observation["noise"].all()
    assert (said.observation["noise"] == first.observation["noise"]).all()


@pytest.mark.parametrize("sizes", [(3, 4, 2), (1, 1, 3)])
def test_what_cannot_be_built_is_refused(sizes):
    with pytest.raises(TaskError, match="at least 3 steps and 2 cells"):
        Toggling(*sizes)
