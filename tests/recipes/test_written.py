"""A recipe written down and read again is the same recipe."""

import dataclasses
import json

import pytest

from meadow.core.errors import CheckpointError, SpecError
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.near import AbstractKind
from meadow.recipes.presets import DEMO, PRESETS
from meadow.recipes.recipe import Recipe
from meadow.recipes.written import read, write
from meadow.rollout.life import Trial
from meadow.tasks.kinds import CUSTOM
from meadow.tasks.only import Numbered

CHANGED = dataclasses.replace(
    DEMO,
    environment=XLand("R4", 13, 13, max_steps=None, observe=("direction", "pocket")),
    tasks=Numbered("small", 7),
    held_out=0.0,
    trial=Trial(episodes=3, steps=100),
    learner=dataclasses.replace(DEMO.learner, updates=7, value_clip=0.5),
    seed=3,
)
RECIPES = {name: recipe for name, (_, recipe) in PRESETS.items()} | {"changed": CHANGED}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_survives_a_file(recipe):
    again = read(Recipe, json.loads(json.dumps(write(recipe))))
    assert again == recipe, "another recipe came back"
    assert hash(again.learner.plan) == hash(recipe.learner.plan), "lists must be tuples again"
    assert again.experiment().steps == recipe.experiment().steps


def test_a_recipe_of_other_fields_is_refused():
    written = write(DEMO)
    written["colour"] = "red"
    with pytest.raises(CheckpointError, match=r"`Recipe` has other fields here \(colour\)"):
        read(Recipe, written)
    written = write(DEMO)
    del written["learner"]["gamma"]
    with pytest.raises(CheckpointError, match=r"`PPO` has other fields here \(gamma\)"):
        read(Recipe, written)


@pytest.mark.parametrize(
    "name",
    [
        "meadow.tasks.trees.Trees",  # no environment
        "meadow.runs.folder.Run",  # a dataclass of ours, and none of this kind
        "meadow.envs.xland.environment.ACTIONS",
        "meadow.nowhere.XLand",
        "os.system",
        "XLand",
        None,
    ],
)
def test_only_what_belongs_there_is_made(name):
    written = write(DEMO)
    written["environment"]["is"] = name
    with pytest.raises(CheckpointError, match="where a `AbstractEnvironment` belongs"):
        read(Recipe, written)


class Never(AbstractKind):
    code: int = CUSTOM[0]

    def holds(self, near, rule, action):
        return action < 0

    def apply(self, near, rule):
        return near


def test_code_cannot_be_written_down():
    recipe = dataclasses.replace(DEMO, environment=XLand("R1", 7, 7, kinds=(Never(),)))
    with pytest.raises(SpecError, match=r"holds Never\(.*Compiled\(recipe.experiment\(\)\)"):
        write(recipe)
