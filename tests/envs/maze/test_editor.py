"""Placing walls, goal and agent: what is built is well-formed, and what the actions said."""

import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.core.timestep import StepType
from meadow.envs.maze.editor import Placing

SMALL = {"height": 3, "width": 4, "noise_dim": 2}
REPLACE = Placing(**SMALL, num_walls=4)
FREE = Placing(**SMALL, num_walls=4, replace=False)
CROWDED = Placing(**SMALL, num_walls=10, replace=False, budget=True)
TURNED = Placing(**SMALL, num_walls=1, choose_direction=True, redraw=False)


@pytest.mark.parametrize("editor", [REPLACE, FREE, CROWDED, TURNED])
def test_what_is_built_is_well_formed_at_every_step(edit, editor):
    (_, first), (mazes, said) = edit(editor)
    walls, lives = mazes.walls, np.indices(mazes.direction.shape)
    assert (mazes.position != mazes.goal).any(-1).all(), "the agent is not on the goal"
    for cells in (mazes.position, mazes.goal):
        y, x = np.moveaxis(cells, -1, 0)
        assert cells.min() >= 0 and y.max() < 3 and x.max() < 4, "it is on the map"
        assert not walls[*lives, y, x].any(), "it is on no wall"
    assert set(mazes.direction.ravel().tolist()) == {0, 1, 2, 3}, "the agent looks any way"
    assert (first.step_type == StepType.FIRST).all(), "it begins"
    assert (said.step_type[:-1] == StepType.MID).all(), "and goes on"
    assert (said.step_type[-1] == StepType.LAST).all(), "it ends with the last edit"
    assert not said.discount[-1].any() and not said.reward.any(), "terminated, and no reward"


@pytest.mark.parametrize("editor", [REPLACE, FREE, CROWDED, TURNED])
def test_paired_the_level_decoded_is_the_level_seen(edit, editor):
    _, (mazes, said) = edit(editor)
    view = said.observation["view"]
    assert (view[:, :, 1:-1, 1:-1, 0] == mazes.walls).all(), "walls are seen where they stand"
    assert (view[..., 0].sum((2, 3)) == mazes.walls.sum((2, 3)) + 18).all(), "in an outer wall"
    for plane, cells in enumerate((mazes.goal[-1], mazes.position[-1]), 1):
        where = np.argwhere(view[-1, ..., plane])
        assert (where[:, 0] == np.arange(len(cells))).all(), "one each, at the end"
        assert (where[:, 1:] == cells + 1).all(), "where it stands"


def test_duplicates_collapse_and_walls_give_way(edit):
    _, (mazes, _) = edit(REPLACE, [1, 1, 5, 7, 5, 7])
    walls = mazes.walls.sum((2, 3))
    assert (walls == np.array([1, 1, 2, 3, 2, 1])[:, None]).all(), "as the steps go"
    assert (mazes.goal[-1] == (1, 1)).all() and (mazes.position[-1] == (1, 3)).all()
    assert mazes.walls[-1][:, 0, 1].all(), "the wall nobody took stands"


def test_an_agent_on_the_goal_stands_on_a_free_cell_instead(edit):
    _, (mazes, _) = edit(REPLACE, [0, 0, 1, 1, 2, 2])
    where = np.bincount(mazes.position[-1] @ (4, 1), minlength=12)
    assert not where[:3].any(), "neither on a wall nor on the goal"
    assert (abs(where[3:] - 256 / 9) < 20).all(), f"the others are as likely: {where}"


def test_jaxued_8_an_occupied_cell_is_not_taken_twice(edit):
    _, (mazes, _) = edit(FREE, [5] * 6)
    assert (mazes.walls[-1].sum((1, 2)) == 4).all() and mazes.walls[-1][:, 1, 1].all()
    assert (mazes.walls[-1].mean(0) > 0.15).all(), "the other walls are anywhere"
    for cells in (mazes.goal[-1], mazes.position[-1]):
        assert len(np.unique(cells, axis=0)) == 11, "goal and agent too, but not on that wall"


def test_the_first_action_of_a_budget_says_how_many(edit):
    assert CROWDED.length == 13
    actions = [[share, *range(10), 10, 11] for share in range(12)]
    _, (mazes, _) = edit(CROWDED, actions)
    wanted = np.round(10 * (np.arange(256) % 12) / 12)
    assert (mazes.walls[-1].sum((1, 2)) == wanted).all(), "round(num_walls * action / cells)"
    assert (mazes.goal[-1] == (2, 2)).all() and (mazes.position[-1] == (2, 3)).all()


def test_the_last_action_says_where_the_agent_looks(edit):
    _, (mazes, _) = edit(TURNED, [[0, 4, 7, a] for a in range(12)])
    wanted = np.arange(256) % 12 // 3
    assert (mazes.direction[-1] == wanted).all(), "a quarter of the cells for each way"
    assert (mazes.position[-1] == (1, 3)).all(), "and nothing else changes"


def test_steps_are_told_and_things_shown_when_they_are_placed(edit):
    (_, first), (_, said) = edit(TURNED, [5, 6, 3, 0])
    times = np.concatenate([first.observation["time"][:1], said.observation["time"][:, 0]])
    assert (times == np.eye(5, 4)).all(), "one-hot, and nothing after the last"
    assert not first.observation["view"][:, 1:-1, 1:-1].any(), "an empty map"
    counts = said.observation["view"][:, 0, 1:-1, 1:-1].sum((1, 2))
    assert counts.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]], "wall, goal, agent"


@pytest.mark.parametrize(("editor", "times"), [(REPLACE, 7), (TURNED, 1)])
def test_noise_is_drawn_for_every_step_or_every_episode(edit, editor, times):
    (_, first), (_, said) = edit(editor)
    noise = np.concatenate([first.observation["noise"][None], said.observation["noise"]])
    assert noise.shape == (editor.length + 1, 256, 2) and (noise >= 0).all() and (noise < 1).all()
    assert abs(noise.mean() - 0.5) < 0.1, "uniform"
    assert len(np.unique(noise)) > 0.99 * times * 256 * 2, "new for each"
    assert times > 1 or (noise == noise[0]).all(), "and kept for the rest of it"


@pytest.mark.parametrize("num_walls", [-1, 11])
def test_walls_that_do_not_fit_are_refused(num_walls):
    with pytest.raises(TaskError, match="room for 0 to 10 walls on 3x4 cells"):
        Placing(3, 4, num_walls)
