"""Pool: runs of one recipe that differ in their seeds, to be judged as one."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from meadow.core.agent import AbstractAgent
from meadow.core.errors import MeadowError
from meadow.recipes.recipe import Recipe
from meadow.recipes.train import load, recipe_of
from meadow.runs.folder import Run


@dataclasses.dataclass(frozen=True)
class Pool:
    """Some runs as they are now.

    Attributes:
        runs: their folders.
        recipe: the first one's; the others' but for the seed.
        iterations, agents: of each its newest checkpoint.
    """

    runs: list[Run]
    recipe: Recipe
    iterations: list[int]
    agents: list[AbstractAgent]


def pool(paths: Sequence[Path]) -> Pool:
    """Open runs and load their agents.

    Raises:
        CheckpointError: a folder holds no run, or a run no checkpoint.
        MeadowError: runs of different recipes, or two of one seed, which are the same run.
    """
    runs = [Run.open(path) for path in paths]
    recipes = [recipe_of(run) for run in runs]
    for path, recipe in zip(paths, recipes, strict=True):
        _check(paths[0], recipes[0], path, recipe)
    seeds = [recipe.seed for recipe in recipes]
    for i, seed in enumerate(seeds):
        if seed in seeds[:i]:
            raise MeadowError(
                f"{paths[seeds.index(seed)]} and {paths[i]} both have seed {seed}: one run counted "
                "twice looks surer than it is. Give runs of different seeds (`meadow train "
                "--seed 1`)."
            )
    loaded = [load(run, recipe) for run, recipe in zip(runs, recipes, strict=True)]
    iterations, agents = zip(*loaded, strict=True)
    return Pool(runs, recipes[0], list(iterations), list(agents))


def _check(first: Path, expected: Recipe, path: Path, recipe: Recipe) -> None:
    fields = [field.name for field in dataclasses.fields(Recipe) if field.name != "seed"]
    other = [name for name in fields if getattr(recipe, name) != getattr(expected, name)]
    if other:
        raise MeadowError(
            f"Only runs of one recipe are judged as one, but {path} differs from {first} in "
            f"{', '.join(f'`{name}`' for name in other)}. Judge it by itself: `meadow eval {path}`."
        )
