"""Run: a folder that is never overwritten, and whose newest checkpoint loads after a kill."""

import subprocess
import sys

import numpy as np
import pytest

from meadow.core.errors import CheckpointError
from meadow.runs.folder import Run
from meadow.runs.metrics import Metrics, read


def tree(value):
    return {"a": np.full(4, value)}


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {"seed": 3})


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_create_then_open(run):
    again = Run.open(run.path)
    assert again == run
    assert again.manifest() == {"seed": 3}
    assert again.plots.is_dir() and again.checkpoints.is_dir()


def test_a_run_is_never_overwritten(run):
    with pytest.raises(CheckpointError, match="holds a run already.*--resume.*--out"):
        Run.create(run.path, {"seed": 4})
    assert run.manifest() == {"seed": 3}, "the refused run left something"


def test_what_has_lived_nothing_can_be_taken_back_and_nothing_else(run):
    run.withdraw()
    assert not run.path.exists(), "its folder is free again"
    run.path.mkdir()
    (run.path / "notes.txt").write_text("mine")
    Run.create(run.path, {"seed": 3}).withdraw()
    assert [path.name for path in run.path.iterdir()] == ["notes.txt"]
    again = Run.create(run.path, {"seed": 3})
    with Metrics(again.metrics_path) as metrics:
        metrics.write(1, {"loss": 0.5})
    again.withdraw()
    assert again.manifest() == {"seed": 3} and read(again.metrics_path)["loss"] == 0.5


def test_folders_that_cannot_be_opened_or_made(tmp_path):
    with pytest.raises(CheckpointError, match="There is no run in"):
        Run.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="Cannot make the run folder"):
        Run.create(tmp_path / "file", {})
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="Cannot read"):
        Run.open(tmp_path).manifest()


def test_the_latest_few_are_kept_by_number(run):
    for iteration in (8, 9, 10, 11):
        run.checkpoint(iteration, tree(iteration))
    assert run.iterations() == [11, 10, 9], "newest first, counted as numbers, three of them"
    iteration, restored = run.restore(tree(0))
    assert iteration == 11 and np.array_equal(restored["a"], tree(11)["a"])


def test_without_a_checkpoint_it_says_so(run):
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        run.restore(tree(0))


def test_a_damaged_newest_names_the_newest_good_one(run):
    for iteration in (1, 2, 3):
        run.checkpoint(iteration, tree(iteration))
    damage(run.checkpoint_path(3))
    damage(run.checkpoint_path(2))
    with pytest.raises(CheckpointError) as caught:
        run.restore(tree(0))
    message = str(caught.value)
    assert "3.safetensors is damaged" in message, message
    assert f"The newest good one is {run.checkpoint_path(1)}" in message, message
    damage(run.checkpoint_path(1))
    with pytest.raises(CheckpointError, match="No earlier one is good"):
        run.restore(tree(0))


def test_another_experiment_is_not_called_damage(run):
    run.checkpoint(1, tree(1))
    run.checkpoint(2, tree(2))
    with pytest.raises(CheckpointError, match="another experiment") as caught:
        run.restore({"b": np.zeros(4)})
    assert "newest good" not in str(caught.value), "an older checkpoint would not fit either"


def test_rewind_forgets_what_came_later(run):
    with Metrics(run.metrics_path) as metrics:
        for iteration in (1, 2, 3):
            metrics.write(iteration, {})
            run.checkpoint(iteration, tree(iteration))
    run.rewind(2)
    assert run.iterations() == [2, 1]
    assert read(run.metrics_path)["iteration"].tolist() == [1, 2]
    run.checkpoint(3, tree(30))
    assert run.restore(tree(0))[1]["a"][0] == 30, "a rewound run goes on"


def test_what_a_kill_left_aside_is_never_read_and_cleared_later(run):
    run.checkpoint(1, tree(1))
    aside = run.checkpoints / ".2.safetensors.partial"
    aside.write_bytes(b"half")
    assert run.restore(tree(0))[0] == 1 and aside.exists(), "reading changes nothing"
    run.checkpoint(3, tree(3))
    assert not aside.exists(), "the next save clears what a kill left"


CHILD = """
import sys
import numpy as np
from meadow.runs.folder import Run
run = Run.open(sys.argv[1])
for i in range(1, 100_000):
    run.checkpoint(i, {"a": np.full(1 << 18, float(i))})
    if i == 5:
        print("now", flush=True)
"""


def test_the_latest_checkpoint_loads_after_a_kill(run):
    """The child does nothing but save, so the kill falls into a save."""
    command = [sys.executable, "-c", CHILD, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == "now\n"
        finally:
            child.kill()
    iteration, restored = run.restore({"a": np.zeros(1 << 18)})
    assert iteration >= 5, "a checkpoint that was written must not be lost"
    assert np.all(restored["a"] == iteration), "a checkpoint holds what was saved under its number"
