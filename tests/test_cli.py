"""The command line: help worth reading, wrong names answered, and a run from end to end."""

import dataclasses
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from meadow import cli
from meadow.loops.compiled import Compiled
from meadow.loops.sharded import Sharded
from meadow.recipes.demo import demo
from meadow.recipes.presets import DEMO
from meadow.recipes.recipe import Recipe
from meadow.recipes.train import _placed, recipe_of
from meadow.rollout.life import Trial
from meadow.runs import checkpoint
from meadow.runs.folder import Run
from meadow.tasks import benchmark

TINY = dataclasses.replace(
    DEMO,
    environment=dataclasses.replace(DEMO.environment, max_steps=6),
    learner=dataclasses.replace(
        DEMO.learner,
        plan=dataclasses.replace(DEMO.learner.plan, features=4, aside=2, memory=4),
        minibatches=2,
    ),
    trial=Trial(steps=10),
    lives=4,
    length=4,
    iterations=6,
    episodes=2,
    chunk=2,
)
OPTIONS = {
    "environment.max-steps": 6,
    "learner.plan.features": 4,
    "learner.plan.aside": 2,
    "learner.plan.memory": 4,
    "learner.minibatches": 2,
    "trial.steps": 10,
    "lives": 4,
    "length": 4,
    "iterations": 6,
    "episodes": 2,
    "chunk": 2,
}
NUM_TASKS = 8
UNNAMED = ("world", "name", "more")  # help shows these by what they may be


@pytest.fixture(scope="module", autouse=True)
def _keep_the_cache_of_the_tests():
    """`main` moves the cache of compiled programs to the user's folder; here it stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_cache_compiled_programs", lambda: None)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A finished run."""
    path = tmp_path_factory.mktemp("cli") / "run"
    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
    cli.main(["train", "--out", str(path), "demo", *options])
    return Run.open(path)


def fails(capsys, *argv: str) -> str:
    """What is said on stderr of a command that is refused, in one line."""
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2, f"{argv} ended with {caught.value.code}"
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err, "a mistake of the user is no crash"
    return " ".join(said.err.split())


# --- help ----------------------------------------------------------------------------------------


def helped(capsys, *argv: str) -> str:
    """What help says, in one line and without its frame."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*argv, "--help"])
    assert caught.value.code == 0, f"help of {argv} ended with {caught.value.code}"
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_says_what_it_does_and_takes(capsys, name):
    command = cli.COMMANDS[name]
    text = helped(capsys, name)
    (line, *_) = inspect.getdoc(command).splitlines()
    assert line in text, "the first line of its docstring"
    for argument in inspect.signature(command).parameters:
        shown = argument.replace("_", "-")
        assert shown in text or shown.upper() in text or argument in UNNAMED, argument
    assert f"meadow {name}" in text, "how to call it"


def test_help_lists_the_commands(capsys):
    text = helped(capsys)
    for name, command in cli.COMMANDS.items():
        assert f"• {name} " in text and inspect.getdoc(command).splitlines()[0] in text, name


def test_a_recipe_lists_all_its_fields(capsys):
    text = helped(capsys, "train", "small")
    for field in dataclasses.fields(Recipe):
        if field.name == "rehearsal":
            continue  # this recipe has none
        assert f"--{field.name.replace('_', '-')}" in text, f"{field.name} cannot be set"


# --- wrong input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "answer"),
    [
        (["trian"], "no command called 'trian'. Did you mean 'train'"),
        (["train", "demmo"], "no recipe called 'demmo'. Did you mean 'demo'"),
        (["train", "demo", "--environment.layout", "R3"], "no layout called 'R3'. Did you mean"),
        (
            ["tasks", "show", "smal"],
            "no recipe or kind of task called 'smal'. Did you mean 'small'",
        ),
        (["tasks", "demo"], "no thing to do with tasks called 'demo'. Known: make, show, stats"),
        (["tasks", "stats", "medium-1n"], "Did you mean 'medium-1m'"),
        (["tasks", "make", "small"], "no benchmark called 'small'. Did you mean 'small-1m'"),
        (["train", "demo", "--world", "MiniGrid-Empty-6x7"], "Did you mean 'MiniGrid-Empty-6x6'"),
        (["play", "XLand-MiniGrid-R4-13x12"], "Did you mean 'XLand-MiniGrid-R4-13x13'"),
        (["play", "demo", "--published", "hihg"], "Did you mean 'high'"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_misspelt_name_is_answered_with_close_ones(capsys, argv, answer):
    assert answer in fails(capsys, *argv)


def test_an_unknown_option_is_refused(capsys):
    assert "--tasks.dpeth" in fails(capsys, "train", "demo", "--tasks.dpeth", "2")


def test_a_layout_that_cannot_be_built_is_refused(capsys, tmp_path):
    said = fails(capsys, "train", "demo", "--out", str(tmp_path / "run"),
                 "--environment.layout", "R9", "--environment.height", "4")  # fmt: skip
    assert "R9" in said, said
    assert not (tmp_path / "run").exists(), "and nothing is left behind"


def test_a_folder_without_a_run_is_refused(capsys, tmp_path):
    for argv in (["eval", str(tmp_path)], ["render", str(tmp_path)],
                 ["train", "--resume", str(tmp_path)]):  # fmt: skip
        assert "There is no run in" in fails(capsys, *argv)
    assert not any(tmp_path.iterdir()), "and nothing is left behind"


def test_what_fails_before_it_lived_leaves_no_folder(capsys, tmp_path):
    out = tmp_path / "run"
    small = ("--lives", "4", "--length", "2", "--learner.plan.memory", "4")
    said = fails(capsys, "train", "demo", "--out", str(out), *small)
    assert "minibatches" in said and not out.exists(), "the folder is free for the next try"


def test_counting_to_nothing_is_refused(capsys, run):
    for argv in (["eval", str(run.path), "--episodes", "0"],
                 ["eval", str(run.path), "--tasks", "-3"],
                 ["render", str(run.path), "--episodes", "0"]):  # fmt: skip
        assert "must be at least 1" in fails(capsys, *argv)


def test_a_kind_of_task_needs_a_world_that_takes_it(capsys):
    assert "has levels of its own" in fails(capsys, "play", "empty", "--published", "small")


def test_a_folder_with_a_run_is_not_written_over(capsys, run):
    before = run.metrics_path.read_bytes()
    said = fails(capsys, "train", "demo", "--out", str(run.path))
    assert "holds a run already" in said and "--resume" in said, said
    assert run.metrics_path.read_bytes() == before, "the run was touched"


def test_a_run_goes_on_as_the_recipe_it_was_begun_with(capsys, run):
    for changes in (["demo", "--lives", "8"], ["small"], ["--out", "elsewhere"]):
        said = fails(capsys, "train", *changes, "--resume", str(run.path))
        assert "nothing of it can be changed" in said, said


def test_a_foreign_checkpoint_is_refused(capsys, run, tmp_path):
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    checkpoint.save(copy.latest(), {"weight": np.zeros(3)})
    assert "is from another experiment" in fails(capsys, "eval", str(copy.path))
    copy.latest().write_bytes(b"not one at all")
    assert "is not a checkpoint" in fails(capsys, "render", str(copy.path))


# --- from end to end -----------------------------------------------------------------------------


def test_tasks_are_printed_as_trees(capsys):
    cli.main(["tasks", "show", "demo", "--num", "2", "--seed", "1"])
    text = capsys.readouterr().out
    assert text.count("Goal: ") == 2 and "Task 1" in text, text
    cli.main(["tasks", "show", "demo", "--num", "2", "--seed", "1"])
    assert capsys.readouterr().out == text, "the seed decides"
    cli.main(["tasks", "show", "small", "--num", "1"])
    assert "Goal: " in capsys.readouterr().out


def test_a_published_set_is_made_counted_and_shown(capsys, tmp_path, monkeypatch):
    what = benchmark.Published("trivial", 300, "")
    content = benchmark._made(what, lambda done: None).content
    little = {"trivial-300": dataclasses.replace(what, content=content)}
    monkeypatch.setattr(benchmark, "BENCHMARKS", little)
    monkeypatch.setenv("MEADOW_CACHE", str(tmp_path))
    cli.main(["tasks", "make", "trivial-300"])
    made = json.loads(capsys.readouterr().out)
    assert made["tasks"] == 300 and made["seconds"] >= 0 and made["sha256"] == content
    assert Path(made["path"]).is_file() and tmp_path in Path(made["path"]).parents
    cli.main(["tasks", "stats", "trivial-300"])
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert "draws rejected" in said.err and figures["rejected"] == made["draws"] - 300
    cli.main(["tasks", "show", "trivial-300", "--first", "7", "--num", "2"])
    text = capsys.readouterr().out
    assert "Task 7\n" in text and "Task 8\n" in text and text.count("Goal: ") == 2, text
    assert "are endless" in fails(capsys, "tasks", "show", "demo", "--first", "7")
    assert "asked for 300" in fails(capsys, "tasks", "show", "trivial-300", "--first", "300")


def test_training_leaves_a_whole_run(run):
    assert recipe_of(run) == TINY, "the options given are the recipe's fields"
    assert run.iterations()[0] == TINY.iterations, "the last iteration is saved"
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [2, 4, 6], "one line for each chunk"
    assert lines[-1]["steps"] == TINY.steps, "environment steps are counted"
    assert (run.plots / "learning.png").read_bytes().startswith(b"\x89PNG")


def test_evaluating_ends_with_one_line_of_json(capsys, run):
    cli.main(["eval", str(run.path), "--tasks", str(NUM_TASKS)])
    said = capsys.readouterr()
    assert f"{NUM_TASKS} held-out tasks" in said.err, "the table is for people"
    figures = json.loads(said.out)
    assert figures["held_out_tasks"] == NUM_TASKS and figures["iteration"] == TINY.iterations
    for name in ("success_first", "success_last", "memoryless", "random"):
        assert 0 <= figures[name] <= 1, name
    assert (run.plots / "adaptation.png").is_file() and figures["plot"].endswith("adaptation.png")


def test_minimax_9_evaluating_as_the_peer_does_from_a_relative_path(capsys, run, monkeypatch):
    monkeypatch.chdir(run.path.parent)
    options = ["--tasks", str(NUM_TASKS), "--episodes", "12", "--tasks-from", "training"]
    cli.main(["eval", run.path.name, *options])
    said = capsys.readouterr()
    assert f"{NUM_TASKS} tasks drawn as in training, 12 episodes in all" in said.err
    figures = json.loads(said.out)
    assert figures["training_tasks"] == NUM_TASKS and figures["episodes"] == 12
    assert Path(figures["plot"]).resolve().parent == run.plots.resolve(), "in the run's own folder"
    for name in ("sum_mean", "sum_median", "sum_20th_percentile"):
        low, high = figures[f"{name}_ci"]
        assert 0 <= low <= figures[name] <= high <= 12, f"{name} is of a sum of twelve returns"


def test_lives_are_laid_over_as_many_devices_as_asked(capsys, tmp_path):
    said = fails(capsys, "train", "demo", "--devices", "5", "--out", str(tmp_path / "run"))
    assert "Asked for 5 devices, but JAX sees 4 (cpu)" in said, said
    assert "XLA_FLAGS=--xla_force_host_platform_device_count=5" in said, said
    assert not (tmp_path / "run").exists(), "and nothing is left behind"
    experiment = TINY.experiment()
    assert isinstance(_placed(experiment, 1), Compiled), "one device needs no mesh"
    for num, size in {2: 2, None: 4}.items():
        placed = _placed(experiment, num)
        assert isinstance(placed, Sharded) and placed._mesh.size == size, f"--devices {num}"


def test_rendering_leaves_a_film(capsys, run):
    cli.main(["render", str(run.path), "--episodes", "2"])
    film = run.path / "trial.gif"
    assert film.read_bytes().startswith(b"GIF8"), "a film"
    assert capsys.readouterr().out.split() == [str(film)], "and where it is"


def test_the_demo_ends_with_the_figures_it_promises(capsys, tmp_path):
    demo(tmp_path / "demo", TINY, num_tasks=NUM_TASKS)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    promised = {"success_last", "success_last_ci", "success_first", "memoryless", "random",
                "held_out_tasks", "train_seconds", "gif", "plot"}  # fmt: skip
    assert promised <= set(figures), promised - set(figures)
    for name in ("gif", "plot"):
        assert (tmp_path / figures[name]).stat().st_size > 0, f"there is no {name}"


def test_a_second_demo_has_a_folder_of_its_own(tmp_path):
    assert cli._unused(tmp_path / "demo") == tmp_path / "demo"
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo-2").mkdir()
    assert cli._unused(tmp_path / "demo") == tmp_path / "demo-3", "the first free neighbour"
