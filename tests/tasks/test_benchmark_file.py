"""Benchmark file: what was written comes back, and a changed file is noticed."""

import json
import os
import random

import numpy as np
import pytest
import safetensors.numpy

from meadow.core.errors import TaskError
from meadow.tasks import benchmark_file
from meadow.tasks.benchmark_file import cache_folder, check_room, content, read, write

ARRAYS = {"goal": np.arange(10, dtype=np.uint8).reshape(2, 5), "rules": np.ones((2, 3), np.uint8)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "set.safetensors"
    write(path, ARRAYS, {"draws": 3})
    return path


def test_what_was_written_comes_back(path):
    kept = read(path)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(kept.arrays[name], array)
    assert kept.facts == {"draws": 3} and kept.content == content(ARRAYS)
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing is left aside"


def test_content_is_of_names_shapes_and_values():
    others = [
        {"goal": ARRAYS["goal"]},
        {"goal": ARRAYS["goal"].reshape(5, 2), "rules": ARRAYS["rules"]},
        {"goal": ARRAYS["goal"] + 1, "rules": ARRAYS["rules"]},
        {"goal": ARRAYS["goal"].view(np.int8), "rules": ARRAYS["rules"]},
        {"aims": ARRAYS["goal"], "rules": ARRAYS["rules"]},
    ]
    assert len({content(x) for x in [ARRAYS, *others]}) == 6, "other arrays have other content"
    assert content(dict(reversed(ARRAYS.items()))) == content(ARRAYS), "in whatever order"


def test_any_change_is_noticed(path):
    whole, luck = path.read_bytes(), random.Random(0)
    changes = [whole[:end] for end in range(0, len(whole), 37)] + [whole + b"x"]
    for place in luck.sample(range(len(whole)), 60):
        changes.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for data in changes:
        path.write_bytes(data)
        try:
            kept = read(path)
        except TaskError:
            continue
        # A header may be spelt in more than one way; what it says may not differ.
        assert kept.facts == {"draws": 3} and kept.content == content(ARRAYS) == content(
            kept.arrays
        )


def test_strange_files_are_explained(path):
    with pytest.raises(TaskError, match="missing, truncated or damaged"):
        read(path.with_name("none"))
    safetensors.numpy.save_file(ARRAYS, path)
    with pytest.raises(TaskError, match="none of ours"):
        read(path)
    entries = {
        "{": "header cannot be read",
        "3": "header cannot be read",
        json.dumps({"format": 99, "seal": ""}): "has format 99",
        json.dumps({"format": 1, "seal": ""}): "is not what was written",
    }
    for entry, message in entries.items():
        safetensors.numpy.save_file(ARRAYS, path, {benchmark_file.OURS: entry})
        with pytest.raises(TaskError, match=message):
            read(path)


def test_a_failed_write_leaves_what_was_there(path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(TaskError, match="Could not write .*No space left.*MEADOW_CACHE"):
        write(path, {"goal": ARRAYS["goal"]}, {})
    assert read(path).facts == {"draws": 3}, "the old file is untouched"
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing is left aside"


def test_room_is_asked_for_first(tmp_path):
    check_room(tmp_path / "new" / "set", 10)
    assert (tmp_path / "new").is_dir(), "the folder is made"
    with pytest.raises(TaskError, match="it needs 1,000,000,000,000 MB and"):
        check_room(tmp_path / "set", 10**18)
    (tmp_path / "file").touch()
    with pytest.raises(TaskError, match="Could not write"):
        check_room(tmp_path / "file" / "set", 1)


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("MEADOW_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "meadow"
    monkeypatch.setenv("MEADOW_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine", "our own variable comes first"
