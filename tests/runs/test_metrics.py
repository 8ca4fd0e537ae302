"""Metrics: strict JSON lines that survive a kill and a resume."""

import json
import resource

import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import CheckpointError
from meadow.runs import metrics
from meadow.runs.metrics import Metrics


def refuse(constant):
    raise AssertionError(f"{constant} is not strict JSON")


def write(path, iterations, scale=1.0):
    with Metrics(path) as file:
        for i in iterations:
            file.write(i, {"steps": i * 10, "return": np.float32(i * scale)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def test_lines_are_written_at_once(path):
    with Metrics(path) as file:
        for i in (1, 2):
            file.write(i, {"return": 0.5})
            assert len(metrics.read(path)["return"]) == i, "a line is there when `write` returns"


def test_kinds_of_numbers(path):
    with Metrics(path) as file:
        file.write(1, {"i": np.int32(3), "f": jnp.float32(0.1), "b": True, "h": jnp.bfloat16(0.5),
                       "seeds": jnp.array([1.0, 2.0])})  # fmt: skip
    row = json.loads(path.read_text(), parse_constant=refuse)
    assert row == {"iteration": 1, "i": 3, "f": 0.1, "b": True, "h": 0.5, "seeds": [1.0, 2.0]}
    columns = metrics.read(path)
    assert columns["i"].dtype.kind == "i" and columns["seeds"].shape == (1, 2)
    assert np.float32(columns["f"][0]) == np.float32(0.1), "the same number must come back"


def test_non_finite_values_are_null_and_noted(path):
    with Metrics(path) as file:
        file.write(1, {"loss": jnp.nan, "a": 1.0, "seeds": jnp.array([jnp.inf, 2.0])})
        file.write(2, {"loss": 0.5})
    first = json.loads(path.read_text().splitlines()[0], parse_constant=refuse)
    assert first["loss"] is None and first["seeds"] == [None, 2.0]
    assert first["non_finite"] == ["loss", "seeds"]
    columns = metrics.read(path)
    assert set(columns) == {"iteration", "loss", "a", "seeds"}, "the note is not a metric"
    assert np.isnan(columns["loss"][0]) and columns["loss"][1] == 0.5
    assert columns["seeds"].shape == (2, 2) and np.isnan(columns["seeds"][1]).all()


def test_a_torn_last_line_is_ignored_then_cut(path):
    write(path, (1, 2, 3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert metrics.read(path)["iteration"].tolist() == [1, 2]
    write(path, (3,))
    assert path.read_bytes() == whole, "a line after a torn one must not be glued to it"


def test_a_bad_line_in_the_middle_is_an_error(path):
    path.write_text('{"iteration": 1}\n{"iter\n{"iteration": 3}\n')
    with pytest.raises(CheckpointError, match="Line 2 of"):
        metrics.read(path)
    with pytest.raises(CheckpointError, match="Cannot read the metrics"):
        metrics.read(path.with_name("nothing"))


def test_a_resumed_file_equals_an_uninterrupted_one(path, tmp_path):
    straight = tmp_path / "straight.jsonl"
    write(straight, range(1, 9), scale=0.1)
    write(path, range(1, 7), scale=0.1)
    with path.open("ab") as file:
        file.write(b'{"iteration": 7, "st')
    metrics.truncate(path, 4)
    write(path, range(5, 9), scale=0.1)
    assert path.read_bytes() == straight.read_bytes()


def test_truncate_without_a_file_does_nothing(path):
    metrics.truncate(path, 3)
    assert not path.exists()


def test_a_full_disk_leaves_whole_lines(path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Metrics(path) as file:
        file.write(1, {"return": 0.5})
        whole = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 9, limits[1]))
        try:
            with pytest.raises(CheckpointError, match="Could not write to the metrics"):
                file.write(2, {"return": 0.5})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == whole, "a half-written line was left"
        file.write(2, {"return": 0.5})
    assert metrics.read(path)["iteration"].tolist() == [1, 2]
