"""Recipes of agents: how often they learn, how long they run, and when they are judged."""

import dataclasses

import pytest

from meadow.recipes.agents import AGENTS, rehearsed
from meadow.replay.fifo import Fifo
from meadow.replay.replay import Replay

OUTSIDE = {"dqn-atari", "d4pg-control", "sac-control"}


def test_whoever_anneals_is_told_how_often_it_will_learn():
    inside = AGENTS["ppo-continuous"][1].experiment().learner
    assert inside.learner.updates == 195, "also within another learner"
    queue = Replay(640, length=20, period=20, selector=Fifo())
    from_a_queue = dataclasses.replace(
        AGENTS["impala"][1], iterations=10, rehearsal=rehearsed(8, 1 / 80, 160, queue)
    )
    # 1,600 steps; an update from eight windows for each 80 of them, once 160 are there.
    assert from_a_queue.experiment().learner.updates == 18


@pytest.mark.parametrize("name", sorted(AGENTS.keys() - OUTSIDE))
def test_acme_10_a_run_is_as_long_as_it_says_and_judged_ten_times(name: str):
    recipe = AGENTS[name][1]
    steps = recipe.steps
    assert steps % (recipe.lives * recipe.length) == 0 and steps >= 10_000
    assert recipe.looks == 10 and recipe.iterations // recipe.chunk >= 10
