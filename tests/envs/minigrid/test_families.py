"""MiniGrid's own ids: sizes, time limits, views and actions are those it registers."""

import pytest

from meadow.envs.minigrid.families import FAMILIES
from meadow.envs.published import ids, make

SECOND = {"MultiRoom-N4-S5", *(f"ObstructedMaze-{n}" for n in ("2Dlhb", "1Q", "2Q", "Full"))}


@pytest.mark.parity
def test_families_are_registered_alike():
    gymnasium, _ = pytest.importorskip("gymnasium"), pytest.importorskip("minigrid")
    for name in FAMILIES:
        theirs = gymnasium.make(f"MiniGrid-{name}-v{int(name in SECOND)}").unwrapped
        ours, _ = make(f"MiniGrid-{name}")
        mine = (ours.height, ours.width, ours.view_size, ours.time_limit)
        assert mine == (theirs.height, theirs.width, theirs.agent_view_size, theirs.max_steps), name
        assert ours.occlude == (not theirs.see_through_walls), f"{name}: what walls hide"
        num, say_done = theirs.action_space.n, name.startswith("GoToDoor")
        assert ours.action_spec.num == (num if num < 7 or say_done else 6), f"{name}: actions"


def test_every_id_is_made():
    assert {f"MiniGrid-{name}" for name in FAMILIES} <= set(ids()), "make knows all families"


def test_as_many_balls_wander_as_there_are():
    environment, space = make("MiniGrid-Dynamic-Obstacles-6x6", obstacles=1)
    assert environment.obstacles == space.obstacles == 1, "one override changes both"
