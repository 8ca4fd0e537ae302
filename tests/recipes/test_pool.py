"""Runs of one recipe are judged as one; runs that are not are told apart."""

import dataclasses
import json

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow import cli
from meadow.core.errors import CheckpointError, MeadowError
from meadow.envs.maze.environment import MazeWorld
from meadow.loops.iteration import begin
from meadow.recipes import evaluate, written
from meadow.recipes import mazes as maze_exam
from meadow.recipes.evaluate import AGENT, FORGETFUL, RANDOM
from meadow.recipes.pool import pool
from meadow.recipes.presets import DEMO
from meadow.recipes.recipe import Recipe
from meadow.rollout.life import Trial
from meadow.runs.folder import Run
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.perfect import Perfect

TINY = dataclasses.replace(
    DEMO,
    environment=dataclasses.replace(DEMO.environment, max_steps=6),
    learner=dataclasses.replace(
        DEMO.learner,
        plan=dataclasses.replace(DEMO.learner.plan, features=4, aside=2, memory=4),
    ),
    trial=Trial(steps=10),
    lives=4,
    length=4,
    episodes=2,
)
MAZES = dataclasses.replace(
    TINY, environment=MazeWorld(5, 5), tasks=Blocks(5, 5, 4), held_out=0.0, episodes=1
)


def made(path, recipe: Recipe, iteration: int | None = 0) -> Run:
    """A run that has a checkpoint before anything was learnt."""
    run = Run.create(path, {"recipe": written.write(recipe)})
    if iteration is not None:
        progress = jax.jit(lambda key: begin(recipe.experiment(), key=key))(jr.key(recipe.seed))
        run.checkpoint(iteration, progress)
    return run


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list:
    """Two runs of one recipe."""
    folder = tmp_path_factory.mktemp("pool")
    recipes = [dataclasses.replace(TINY, seed=seed) for seed in (0, 1)]
    runs = [made(folder / f"run{recipe.seed}", recipe, 7 - recipe.seed) for recipe in recipes]
    return [run.path for run in runs]


def test_runs_of_one_recipe_are_one_pool(paths):
    runs = pool(paths)
    assert runs.recipe == TINY and runs.iterations == [7, 6]
    one, other = (jax.tree.leaves(agent) for agent in runs.agents)
    differ = [not np.array_equal(x, y) for x, y in zip(one, other, strict=True)]
    assert any(differ), "each run has an agent of its own"


@pytest.mark.slow
def test_a_pooled_report_is_over_runs(paths):
    runs = pool(paths)
    reports = [evaluate.evaluate(TINY, agent, num_tasks=16) for agent in runs.agents]
    report = evaluate.pooled(reports)
    assert (report.num_tasks, report.num_runs, report.episodes) == (16, 2, 2)
    assert report.which == "16 held-out tasks, 2 runs"
    for name in (AGENT, FORGETFUL, RANDOM):
        each = [one.earned(name) for one in reports]
        assert report.estimate(report.earned(name)).value == pytest.approx(np.mean(each)), name
    means = sorted(one.earned(AGENT).mean() for one in reports)
    found = report.estimate(report.earned(AGENT))
    assert [found.low, found.high] == pytest.approx(means), "of two runs, one or the other"
    random = report.estimate(report.earned(RANDOM))
    assert random.high > random.low, "who acts at random is one agent: its interval is over tasks"
    alone = evaluate.pooled(reports[:1])
    assert evaluate.summary(alone) == evaluate.summary(reports[0]), "one run is as it was"
    assert "sum_interquartile_mean" in evaluate.summary(report)


def test_runs_that_are_not_one_are_refused(paths, tmp_path):
    other = made(tmp_path / "other", dataclasses.replace(TINY, seed=2, lives=8), None).path
    with pytest.raises(MeadowError, match="other differs from .*run0 in `lives`"):
        pool([*paths, other])
    with pytest.raises(MeadowError, match="run0 and .*run0 both have seed 0"):
        pool([paths[0], paths[1], paths[0]])
    empty = made(tmp_path / "empty", dataclasses.replace(TINY, seed=3), None).path
    with pytest.raises(CheckpointError, match="empty has no checkpoint"):
        pool([*paths, empty])
    with pytest.raises(CheckpointError, match="There is no run in"):
        pool([*paths, tmp_path / "nothing"])


@pytest.mark.slow
def test_maze_runs_are_judged_by_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_cache_compiled_programs", lambda: None)
    spaces = {name: Perfect(3, 3, "search") for name in maze_exam.PERFECT}
    monkeypatch.setattr(maze_exam, "PERFECT", spaces)
    sized = maze_exam.sized
    monkeypatch.setattr(maze_exam, "sized", lambda world, size, _: sized(world, size, 5))
    runs = [made(tmp_path / f"run{seed}", dataclasses.replace(MAZES, seed=seed)) for seed in (0, 1)]
    paths = [str(run.path) for run in runs]
    cli.main(["eval", *paths, "--tasks", "4", "--episodes", "1"])
    said = capsys.readouterr()
    figures = json.loads(said.out.splitlines()[-1])
    assert figures["runs"] == 2 and figures["random_mazes"] == 4 and figures["iteration"] == 0
    assert figures["named_250"] == 0, "five steps lead nowhere"
    assert (runs[0].path / "mazes_of_2_runs.csv").is_file() and "SixteenRooms" in said.err
    assert (runs[0].plots / "mazes_of_2_runs.png").is_file()

    cli.main(["eval", paths[0], "--tasks", "4", "--tasks-from", "training"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["training_tasks"] == 4 and "random_mazes" not in figures
