"""The real command, interrupted and killed: what is left is a run that goes on bit for bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meadow.runs import metrics

ITERATIONS = 600  # some seconds of chunks, so that a signal reaches the middle of them
TINY = {
    "lives": 4,
    "length": 4,
    "iterations": ITERATIONS,
    "chunk": 2,
    "environment.max-steps": 5,
    "trial.steps": 10,
    "tasks.distractor-objects": 0,
    "learner.minibatches": 2,
    "learner.plan.features": 4,
    "learner.plan.aside": 2,
    "learner.plan.memory": 4,
}
ARGUMENTS = ["demo", *(word for name, value in TINY.items() for word in (f"--{name}", str(value)))]


@pytest.fixture(scope="module")
def environment(request) -> dict[str, str]:
    """One device, and compiled programs kept from call to call."""
    flags = "--xla_force_host_platform_device_count=1"
    cache = request.config.cache.mkdir("meadow")
    return {**os.environ, "XLA_FLAGS": flags, "XDG_CACHE_HOME": str(cache)}


@pytest.fixture(scope="module")
def start(environment):
    """Start `meadow train`."""

    def start(*arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "meadow.cli", "train", *arguments]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    return start


def wait_for(condition, process: subprocess.Popen, what: str) -> None:
    """Wait for `condition`; a process that ends before is an error."""
    while not condition():
        assert process.poll() is None, f"ended before {what}:\n{process.stderr.read()}"
        time.sleep(0.005)


def finish(process: subprocess.Popen) -> str:
    """What it said, once it has ended well."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def lines(run: Path) -> int:
    """Lines of metrics so far."""
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def saved(run: Path) -> list[int]:
    """Iterations of which there is a checkpoint."""
    return [int(path.stem) for path in (run / "checkpoints").glob("[0-9]*.safetensors")]


def test_a_run_interrupted_and_killed_goes_on_as_if_nothing_had_been(start, tmp_path):
    whole, run = tmp_path / "whole", tmp_path / "run"
    finish(start(*ARGUMENTS, "--out", str(whole)))

    process = start(*ARGUMENTS, "--out", str(run))
    wait_for(lambda: lines(run) >= 20, process, "it could be interrupted")
    process.send_signal(signal.SIGINT)
    said = finish(process)
    (stopped,) = saved(run)
    assert stopped < ITERATIONS, "the signal came too late to test anything"
    assert f"meadow train --resume {run}" in said.replace("\n", ""), said
    assert lines(run) == stopped // 2, "what was lived is saved, to the last chunk"

    process = start("--resume", str(run), "--save-every", "0.05")
    wait_for(lambda: 2 * lines(run) > max(saved(run)) > stopped, process, "it could be killed")
    process.kill()
    process.communicate()
    assert stopped < max(saved(run)) < ITERATIONS, "the kill came too late to test anything"

    finish(start("--resume", str(run)))
    final = f"checkpoints/{ITERATIONS}.safetensors"
    assert (run / final).read_bytes() == (whole / final).read_bytes(), "another run came of it"
    expected = (whole / "metrics.jsonl").read_bytes()
    assert (run / "metrics.jsonl").read_bytes() == expected, "and other metrics"
    assert metrics.read(whole / "metrics.jsonl")["iteration"].tolist() == [*range(2, 601, 2)]
