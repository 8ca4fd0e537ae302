"""Benchmark pickle: the peer's files give its tasks; others are refused with a reason."""

import bz2
import pickle
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks.benchmark_pickle import read_published
from meadow.tasks.published import regenerate
from meadow.tasks.raw import to_raw

TASKS = regenerate("medium", 40)
GOALS, RULES, TILES = to_raw(TASKS)
CONFIG = {"prune_chain": True, "prune_prob": 0.1, "random_seed": 42, "save_path": "medium_1m"}


def published() -> dict:
    """What the peer writes: goals of int32, because some kinds of goal are."""
    return {
        "generation_config": CONFIG,
        "goals": jnp.asarray(GOALS, jnp.int32),
        "rules": jnp.asarray(RULES),
        "init_tiles": jnp.asarray(TILES),
        "num_rules": jnp.asarray((RULES[:, :, :1] != 0).sum(1), jnp.uint8),
    }


def written(path: Path, content: object, protocol: int = pickle.HIGHEST_PROTOCOL) -> Path:
    with bz2.open(path, "wb") as file:
        pickle.dump(content, file, protocol)
    return path


def check_same(table) -> None:
    for name in ("goal", "rules", "objects"):
        np.testing.assert_array_equal(getattr(table.tasks, name), getattr(TASKS, name), name)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_peers_format_in_every_protocol(protocol, tmp_path):
    check_same(read_published(written(tmp_path / "medium_1m_v3", published(), protocol)))


@pytest.mark.parity
def test_a_file_written_by_the_peer(tmp_path):
    benchmarks = pytest.importorskip("xminigrid.benchmarks")
    benchmarks.save_bz2_pickle(published(), tmp_path / "medium_1m_v3")
    check_same(read_published(tmp_path / "medium_1m_v3"))
    theirs = benchmarks.load_benchmark_from_path(tmp_path / "medium_1m_v3").get_ruleset(7)
    np.testing.assert_array_equal(theirs.rules, RULES[7], "task 7 is its task 7")


class Runs:
    def __reduce__(self):
        return exec, ("open('pwned', 'w')",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"goals": Runs()}, "names 'builtins.exec', which arrays have no use for"),
        ({"generation_config": Runs()}, "names 'builtins.exec'"),
        ({"goals": None}, r"Expected an array 'goals' of shape \[tasks, 5\]"),
        ({"goals": GOALS[:, :4]}, r"'goals' must have shape \[tasks, 5\], got \[40, 4\]"),
        ({"rules": RULES[..., :4]}, r"'rules' must have shape \[tasks, rules, 7\]"),
        ({"init_tiles": TILES[..., 0]}, r"'init_tiles' must have shape \[tasks, tiles, 2\]"),
        ({"num_rules": RULES[:10, :1, 0]}, "one row for each of its tasks, got .*'num_rules': 10"),
        ({"goals": GOALS.astype(float)}, "no whole numbers"),
        ({"goals": GOALS.astype(object)}, "no whole numbers"),
        ({"goals": GOALS.astype(np.int32) - 300}, r"goal id in 0\.\.14, got -29"),
        ({"goals": np.full((40, 5), 99)}, r"goal id in 0\.\.14, got 99"),
        ({"rules": RULES + 200}, r"rule id in 0\.\.11, got 2"),
        ({"init_tiles": np.full((40, 3, 2), 13)}, r"tile id in init_tiles in 0\.\.12, got 13"),
    ],
    ids=["runs", "runs in the config", "none", "narrow", "narrow rules", "flat tiles", "lengths",
         "floats", "objects", "negative", "goal id", "rule id", "tile id"],
)  # fmt: skip
def test_other_content_is_refused(change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "set", published() | change)
    with pytest.raises(TaskError, match=rf"(?s)Cannot read {path} as a published.*{message}"):
        read_published(path)
    assert [p.name for p in tmp_path.iterdir()] == ["set"], "something was run"


def test_no_tasks_are_no_set(tmp_path):
    none = {k: v if isinstance(v, dict) else v[:0] for k, v in published().items()}
    with pytest.raises(TaskError, match="one row for each of its tasks"):
        read_published(written(tmp_path / "set", none))


def test_damaged_files_are_refused(tmp_path):
    whole = written(tmp_path / "set", published()).read_bytes()
    path = tmp_path / "other"
    damaged = [whole[:end] for end in range(0, len(whole), 41)]
    damaged += [
        whole[:i] + bytes([whole[i] ^ 16]) + whole[i + 1 :] for i in range(0, len(whole), 41)
    ]
    damaged += [pickle.dumps(published()), b"", b"BZh9", whole + b"garbage"[:0] + whole]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(TaskError, match="Cannot read .* as a published task set"):
            read_published(path)


def test_large_files_are_refused(tmp_path):
    path = written(tmp_path / "set", published())
    unfolded = len(bz2.decompress(path.read_bytes()))
    check_same(read_published(path, limit=unfolded))
    with pytest.raises(TaskError, match="unfolds to more than .* raise `limit`"):
        read_published(path, limit=unfolded - 1)
    with pytest.raises(TaskError, match="bytes; if you trust it, raise `limit`"):
        read_published(path, limit=100)
    path.write_bytes(bz2.compress(bytes(5_000_000)))
    with pytest.raises(TaskError):
        read_published(path, limit=10_000)


def test_no_file(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(TaskError, match="There is no such file"):
            read_published(path)
