"""Choosing: every curriculum by its name, over spaces that can do what it asks for."""

import dataclasses

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ppo import PPO
from meadow.core.errors import SpecError, UnknownNameError
from meadow.curricula.buffer import Buffer
from meadow.envs.maze.environment import MazeWorld
from meadow.envs.xland.environment import XLand
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import begin, spent
from meadow.nn.plan import Plan
from meadow.recipes import written
from meadow.recipes.choosing import CURRICULA, Choosing
from meadow.recipes.gallery import Gallery, drawn
from meadow.recipes.presets import PRESETS
from meadow.recipes.recipe import Recipe
from meadow.rollout.life import Trial
from meadow.tasks.grid import grid_task
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.perfect import Perfect
from meadow.tasks.rulesets import Within
from meadow.tasks.trees import Trees

TINY = PPO(Plan(planes=0, features=4, aside=2, memory=4, heads=0), minibatches=1)
MAZES = Recipe(
    environment=MazeWorld(3, 3, max_steps=6),
    tasks=Blocks(3, 3, num_walls=2),
    learner=TINY,
    trial=Trial(episodes=1),
    lives=4,
    length=6,
    iterations=8,
    held_out=0.0,
    anew=True,
    choosing=Choosing(
        buffer=Buffer(8), candidates=4, kept=4, edits=1, warm=0.5, teacher=TINY, students=3
    ),
)
WORLD = Recipe(
    environment=XLand("R1", 5, 5, max_steps=4),
    tasks=Trees(depth=1),
    learner=TINY,
    trial=Trial(steps=8),
    lives=4,
    length=8,
    iterations=4,
    held_out=0.5,
)


@pytest.mark.parametrize("name", CURRICULA)
def test_every_curriculum_makes_an_experiment_over_mazes(name):
    recipe = dataclasses.replace(MAZES, curriculum=name)
    experiment = recipe.experiment()
    shapes = jax.eval_shape(lambda key: begin(experiment, key=key), jr.key(0))
    assert experiment.anew == (name != "fresh"), "whoever ranks tasks begins lives anew"
    assert (shapes.life is None) == experiment.anew
    assert recipe.steps == spent(experiment, 8) > 0
    students = {"paired": 2, "repaired": 2, "population": 3}.get(name)
    assert experiment.students == students
    assert written.read(Recipe, written.write(recipe)) == recipe, "and can be written down"


@pytest.mark.parametrize("name", ["plr", "accel", "sfl", "ncc"])
def test_curricula_over_rules_keep_to_the_side_that_is_learnt_from(name):
    recipe = dataclasses.replace(WORLD, curriculum=name)
    curriculum = recipe.experiment().curriculum
    space = getattr(curriculum, "plr", curriculum).space
    assert isinstance(space, Within) and not space.held_out and space.fraction == 0.5


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"curriculum": "plrr"}, UnknownNameError, "plr"),
        ({"curriculum": "paired"}, SpecError, "No teacher can build tasks of Within"),
        ({"curriculum": "plr", "length": 4}, SpecError, "Write length=8"),
        ({"curriculum": "sfl", "choosing": Choosing(kept=8, candidates=4)}, SpecError, "SFL"),
        (
            {"curriculum": "plr", "choosing": Choosing(score="relative_regret")},
            SpecError,
            "is of several students, and this curriculum has 1. Choose one of l1_value_loss",
        ),
        (
            {
                "curriculum": "paired",
                "tasks": Blocks(3, 3, 2),
                "choosing": Choosing(worth="learnability"),
            },
            SpecError,
            "is of one student, and this curriculum has 2. Choose one of relative_regret",
        ),
        ({"curriculum": "plr", "choosing": Choosing(score="max_m")}, UnknownNameError, "max_mc"),
        (
            {"curriculum": "accel", "tasks": Perfect(3, 3)},
            SpecError,
            "needs an `AbstractDesignSpace`",
        ),
    ],
)
def test_what_does_not_fit_is_said(changes, error, said):
    changes = {"held_out": 0.0} | changes if "tasks" in changes else changes
    with pytest.raises(error, match=said):
        dataclasses.replace(WORLD, **changes).experiment()


@pytest.mark.parametrize(
    ("name", "worth"),
    [("minimax", "neg_return"), ("paired", "relative_regret"), ("repaired", "relative_regret"),
     ("population", "population_regret")],
)  # fmt: skip
def test_what_tasks_are_ranked_by_is_not_what_a_teacher_is_paid(name, worth):
    recipe = dataclasses.replace(PRESETS["cartpole"][1], curriculum=name)
    assert recipe.choosing.score == "generalised_learnability"
    curriculum = recipe.experiment().curriculum
    assert getattr(curriculum, "designed", curriculum).worth == worth


def test_minimax_3_jaxued_6_a_learning_rate_falls_over_the_updates_that_are_done():
    learner = dataclasses.replace(MAZES, curriculum="robust-plr").experiment().learner
    assert 0 < learner.updates < MAZES.iterations, "iterations that only examine are no updates"


@pytest.mark.slow
def test_repaired_learns_from_what_was_kept_and_pays_its_teacher(tmp_path):
    experiment = dataclasses.replace(MAZES, curriculum="repaired").experiment()
    placement = Compiled(experiment)
    start = placement.begin(key=jr.key(0))
    before = jax.device_get(jax.tree.leaves(start.curriculum.taught.teacher))
    progress, metrics = placement.run(start, 8)
    assert 0 < metrics["practised"] < 1 and metrics["fill"] > 0
    after = jax.device_get(jax.tree.leaves(progress.curriculum.taught.teacher))
    assert any((x != y).any() for x, y in zip(before, after, strict=True)), "the teacher learnt"
    gallery = Gallery(experiment, tmp_path, iterations=8)
    gallery(8, progress)
    gallery(8, progress)
    assert [path.name for path in tmp_path.iterdir()] == ["tasks-8.png"], "one picture, whole"


def test_task_trees_are_written_out_and_of_numbers_there_is_no_picture():
    task = grid_task(("agent_hold", "red key"), [("agent_near", "blue ball", "red key")], [])
    tasks = jax.tree.map(lambda x: np.stack([x] * 5), task)
    image = drawn(tasks, ["new"] * 5)
    assert image is not None and image.ndim == 3 and len(np.unique(image)) > 2
    assert drawn(np.zeros((5, 3)), ["new"] * 5) is None


def test_presets_of_curricula_make_experiments():
    for name in ("rules", "maze", "maze-small", "cartpole"):
        assert PRESETS[name][1].experiment().anew
