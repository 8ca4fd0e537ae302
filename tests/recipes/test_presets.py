"""The presets are XLand-MiniGrid's configurations, number for number."""

import dataclasses

import jax
import jax.random as jr
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.envs.published import make
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.pixels import Pixels
from meadow.loops.iteration import begin
from meadow.recipes.outside import Outside
from meadow.recipes.presets import DEBUG, EMPTY, META, PAPER, PRESETS, RGB, SINGLE, SMALL, TRILLION
from meadow.recipes.recipe import Recipe
from meadow.tasks.minigrid.locks import DoorKey
from meadow.tasks.trees import Trees

# Steps in all, lives, steps of a trial, steps of an update, minibatches.
META_TASK = {
    "meta": (META, 1e8, 8192, 4096, 32, 16),
    "paper": (PAPER, 1e10, 16_384, 12_800, 256, 16),
    "trillion": (TRILLION, 1e12, 131_072, 12_800, 256, 32),
    "rgb": (RGB, 5e8, 1024, 12_800, 128, 32),
    "debug": (DEBUG, 2e6, 256, 736, 16, 16),
}
PUBLISHED = {"meta": META, "paper": PAPER, "trillion": TRILLION, "single": SINGLE}


@pytest.mark.parametrize(
    ("recipe", "steps", "lives", "trial", "length", "minibatches"),
    META_TASK.values(),
    ids=META_TASK,
)
def test_many_tasks(recipe, steps, lives, trial, length, minibatches):
    assert abs(recipe.steps / steps - 1) < 0.04, "whole trials, about so many steps"
    got = (recipe.lives, recipe.trial.steps, recipe.length, recipe.learner.minibatches)
    assert got == (lives, trial, length, minibatches)
    assert recipe.trial.episodes is None and trial % length == 0, "tasks change between updates"
    trials = recipe.iterations / (trial / length)
    assert trials == round(trials), "the run ends where a trial does"
    assert recipe.held_out == 0.1, "and some tasks are kept for evaluation"


def test_one_task():
    assert (SINGLE.lives, SINGLE.length, SINGLE.learner.minibatches) == (16_384, 256, 16)
    assert (EMPTY.lives, EMPTY.length, EMPTY.learner.plan.memory) == (64, 16, 16)
    assert abs(SINGLE.steps / 1e9 - 1) < 0.01 and abs(EMPTY.steps / 1e5 - 1) < 0.01
    assert SINGLE.environment.layout == "R4" and SINGLE.environment.height == 13
    assert (SINGLE.tasks.set, SINGLE.tasks.number) == ("trivial", 0)
    environment, tasks = make("MiniGrid-Empty-6x6", observe=("direction",))
    assert EMPTY.tasks == tasks and EMPTY.environment.time_limit == environment.time_limit
    for recipe in (SINGLE, EMPTY):
        assert recipe.trial.episodes == 1 and recipe.held_out == 0, "one task, an episode a trial"


@pytest.mark.parametrize("recipe", PUBLISHED.values(), ids=PUBLISHED)
def test_the_learner_is_theirs(recipe):
    learner = recipe.learner
    assert (learner.clip, learner.value_clip, learner.gamma, learner.trace) == (
        0.2,
        0.2,
        0.99,
        0.95,
    )
    assert (learner.entropy, learner.value_cost, learner.max_norm) == (0.01, 0.5, 0.5)
    assert (learner.learning_rate, learner.epochs) == (1e-3, 1)
    plan = learner.plan
    assert (plan.channels, plan.embedding, plan.aside) == ((16, 32, 64), 32, 16)
    assert (plan.memory, plan.heads) == (1024, 256)
    network = jax.eval_shape(lambda key: begin(few(recipe).experiment(), key=key), jr.key(0))
    size = sum(x.size for x in jax.tree.leaves(network.learner.network))
    assert abs(size / 4.58e6 - 1) < 0.01, "about 4.58 million parameters"


def few(recipe: Recipe) -> Recipe:
    """With few lives: drawing tasks for all of them takes as long to trace, but not to hold."""
    return dataclasses.replace(recipe, lives=16)


def test_a_recipe_goes_elsewhere():
    there = SMALL.elsewhere("XLand-MiniGrid-R2-11x11")
    assert there.environment == XLand("R2", 11, 11, observe=("direction",)), "sees what it saw"
    assert there.tasks == Trees.published("trivial"), "with the tasks that come with it"
    assert (there.held_out, there.lives) == (SMALL.held_out, SMALL.lives), "all else is kept"
    there = SMALL.elsewhere("MiniGrid-DoorKey-5x5")
    assert isinstance(there.tasks, DoorKey) and there.environment.observe == ("direction",)
    assert there.held_out == 0, "levels have no goal and rules to be told apart by"
    with pytest.raises(UnknownNameError, match="Did you mean 'XLand-MiniGrid-R4-13x13'"):
        SMALL.elsewhere("XLand-MiniGrid-R4-13x12")


def test_elsewhere_an_agent_sees_what_was_published_and_what_its_recipe_adds():
    told = {"GoToDoor-5x5": ("goal",), "KeyCorridorS3R1": ("pocket", "goal")}
    for name, published in told.items():
        there = SMALL.elsewhere(f"MiniGrid-{name}").environment
        assert set(there.observe) == {*published, "direction"}, "it cannot know what to go to"
    rgb = PRESETS["rgb"][1].elsewhere("MiniGrid-Empty-5x5").environment
    assert isinstance(rgb, Pixels) and rgb.environment.observe == ("direction",), "still pictures"
    outside = dataclasses.replace(SMALL, environment=Outside("gymnasium:A", workers=2))
    assert outside.elsewhere("gymnasium:B").environment == Outside("gymnasium:B", workers=2)


@pytest.mark.parametrize("name", ["maze-small", "cartpole", "empty", "single"])
def test_what_has_no_rules_or_no_others_is_not_held_out(name):
    recipe = dataclasses.replace(PRESETS[name][1], held_out=0.1)
    with pytest.raises(TaskError, match="Write `--held-out 0`"):
        recipe.experiment()
    with pytest.raises(TaskError, match=r"`--tasks-from training`\)\.$"):
        dataclasses.replace(recipe, held_out=0.0).space(held_out=True)


def test_where_nothing_is_held_out_nothing_can_be_asked_for():
    assert EMPTY.space(held_out=False) is EMPTY.tasks
    with pytest.raises(TaskError, match="holds no tasks out"):
        EMPTY.space(held_out=True)


def test_every_preset_says_what_it_is():
    for name, (text, recipe) in PRESETS.items():
        assert text.endswith(".") and recipe.lives % recipe.learner.minibatches == 0, name
