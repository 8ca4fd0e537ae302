"""A recipe written down and read again is the same recipe."""

import dataclasses
import json

import pytest

from meadow.core.errors import CheckpointError, SpecError
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.near import AbstractKind
from meadow.recipes.meta import DEMO, PRESETS, MetaRL
from meadow.recipes.written import read, write
from meadow.rollout.life import Trial
from meadow.tasks.kinds import CUSTOM

CHANGED = dataclasses.replace(
    DEMO,
    environment=XLand("R4", 13, 13, max_steps=None, observe=("direction", "pocket")),
    trial=Trial(episodes=3, steps=100),
    learner=dataclasses.replace(DEMO.learner, updates=7, value_clip=0.5),
    seed=3,
)
RECIPES = {name: recipe for name, (_, recipe) in PRESETS.items()} | {"changed": CHANGED}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_survives_a_file(recipe):
    again = read(MetaRL, json.loads(json.dumps(write(recipe))))
    assert again == recipe, "another recipe came back"
    assert hash(again.learner.plan) == hash(recipe.learner.plan), "lists must be tuples again"
    assert again.experiment().steps == recipe.experiment().steps


def test_a_recipe_of_other_fields_is_refused():
    written = write(DEMO)
    written["colour"] = "red"
    with pytest.raises(CheckpointError, match=r"`MetaRL` has other fields here \(colour\)"):
        read(MetaRL, written)
    written = write(DEMO)
    del written["learner"]["gamma"]
    with pytest.raises(CheckpointError, match=r"`PPO` has other fields here \(gamma\)"):
        read(MetaRL, written)


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
