"""Benchmark: sets by name, made once, and the numbers that they had before."""

import dataclasses

import jax
import numpy as np
import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import benchmark as module
from meadow.tasks import benchmark_file, published
from meadow.tasks.benchmark import BENCHMARKS, Published, benchmark, file_of, kept, todays_numbers
from meadow.tasks.published import regenerate
from meadow.tasks.trees import Trees

SIZE = 400  # of the little sets
LITTLE = {
    "trivial-little": Published("trivial", SIZE, "?"),
    "trivial-little-v2": Published("trivial", SIZE + 200, "?", "trivial-little"),
}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEADOW_CACHE", str(tmp_path))


@pytest.fixture
def little(monkeypatch):
    """Small sets among the published ones."""
    known = BENCHMARKS | LITTLE
    monkeypatch.setattr(module, "BENCHMARKS", known)
    for name, what in LITTLE.items():
        made = module._made(what, lambda done: None)
        known[name] = dataclasses.replace(what, content=made.content)


def test_a_set_is_the_one_its_content_was_written_down_of():
    table = benchmark("trivial-21k")
    assert len(table) == 21_000
    again = benchmark("trivial-21k")  # from the file
    for ours, theirs in zip(jax.tree.leaves(table), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    first = regenerate("trivial", 50)
    np.testing.assert_array_equal(table.tasks.goal[:50], first.goal, "task i is task i")
    assert kept("trivial-21k").facts["draws"] == 21_000 + 163_373, "draws rejected as repeats"


def test_sets_share_shapes_with_endless_spaces(little, key):
    drawn = Trees.published("trivial").sample(key=key)
    ours = benchmark("trivial-little").task(0)
    assert jax.tree.map(np.shape, drawn) == jax.tree.map(np.shape, ours)


def test_a_set_is_made_once(little, monkeypatch):
    first = kept("trivial-little")
    monkeypatch.setattr(module, "drawn", lambda *args, **kwargs: pytest.fail("it was made twice"))
    second = kept("trivial-little")
    assert second.facts == first.facts and second.content == first.content


def test_a_damaged_file_is_refused_and_made_again_when_told(little):
    kept("trivial-little")
    path = file_of("trivial-little")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\x07")
    with pytest.raises(TaskError, match="damaged.*meadow tasks make trivial-little --again"):
        benchmark("trivial-little")
    kept("trivial-little", again=True)
    assert benchmark_file.read(path).content == module.BENCHMARKS["trivial-little"].content


def test_another_set_under_its_name_is_refused(little):
    kept("trivial-little-v2")
    file_of("trivial-little-v2").rename(file_of("trivial-little"))
    with pytest.raises(TaskError, match="holds another set than 'trivial-little'"):
        benchmark("trivial-little")


def test_other_draws_are_refused_and_not_kept(little, monkeypatch):
    monkeypatch.setattr(published, "_PICKABLE", published._PICKABLE[::-1])
    with pytest.raises(TaskError, match="not the published set: expected content .* CPython"):
        benchmark("trivial-little")
    assert not file_of("trivial-little").exists(), "a wrong set was kept"


def test_wrong_names_are_explained():
    with pytest.raises(UnknownNameError, match="benchmark called 'medium'.*'medium-1m'"):
        benchmark("medium")
    with pytest.raises(UnknownNameError, match="'trivial-1m-v2'"):
        benchmark("trivial-1m")
    with pytest.raises(TaskError, match="one of today's sets.*small-1m-v2"):
        todays_numbers("small-1m")


def test_a_cache_that_cannot_be_written_to_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "drawn", lambda *args, **kwargs: pytest.fail("it was begun"))
    (tmp_path / "benchmarks").touch()
    with pytest.raises(TaskError, match="Could not write .*MEADOW_CACHE"):
        benchmark("high-3m")


def test_todays_numbers(little):
    old, new = benchmark("trivial-little-v2").tasks, benchmark("trivial-little").tasks
    numbers = todays_numbers("trivial-little-v2")
    here = np.flatnonzero(numbers >= 0)
    assert 0 < len(here) < len(numbers), "some of the old tasks are in today's set, some are not"
    np.testing.assert_array_equal(old.goal[here], new.goal[numbers[here]], "the same goals")
    np.testing.assert_array_equal(old.rules[here], new.rules[numbers[here]], "the same rules")
    first = np.unique(numbers[here], return_index=True)[1]
    where = here[first]
    np.testing.assert_array_equal(old.objects[where], new.objects[numbers[where]], "and objects")
    goals = {tuple(goal) for goal in np.asarray(new.goal).tolist()}
    gone = np.asarray(old.goal)[numbers < 0].tolist()
    assert not any(tuple(goal) in goals for goal in gone), "-1 only where today's set has none"


def test_progress_is_shown_on_request_and_on_stderr(little, capsys):
    kept("trivial-little")
    assert capsys.readouterr() == ("", ""), "quiet unless asked"
    kept("trivial-little", again=True, progress=True)
    said = capsys.readouterr()
    assert not said.out and "Making trivial-little" in said.err


def test_every_set_has_its_content_written_down():
    contents = [what.content for what in BENCHMARKS.values()]
    assert all(len(bytes.fromhex(content)) == 32 for content in contents), "SHA-256"
    assert len(set(contents)) == len(contents), "no two sets are equal"
    for name, what in BENCHMARKS.items():
        assert (what.today is not None) == name.endswith("-v2"), f"{name}: v2 sets have repeats"
        assert what.today is None or BENCHMARKS[what.today].kind == what.kind, name
