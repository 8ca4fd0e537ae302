"""Checkpoint: what was saved comes back, and a bad file never passes for a good one."""

import errno
import json
import os
import resource
import typing

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
import safetensors.numpy

from meadow.core.errors import CheckpointError
from meadow.runs import checkpoint


class Inner(eqx.Module):
    weight: jax.Array
    activation: typing.Callable
    width: int = eqx.field(static=True)


class Outer(eqx.Module):
    layers: list[Inner]
    table: dict[str, typing.Any]
    nothing: None = None


class Pair(typing.NamedTuple):
    first: typing.Any
    second: typing.Any


def tree(offset: int = 0):
    def inner(value):
        return Inner(jnp.full((2, 3), value + offset, jnp.bfloat16), jax.nn.relu, 3)

    weights = {"w": jnp.arange(4.0) + offset}
    table = {
        "scalar": jnp.int32(7 + offset),
        "empty": jnp.zeros((0, 5), jnp.uint8),
        "flags": jnp.array([True, bool(offset)]),
        "host": np.arange(3, dtype=np.float64) + offset,
        "half": jnp.full(3, offset, jnp.float16),
    }
    keys = Pair(jr.key(offset), jr.split(jr.key(offset, impl="rbg"), 3))
    return Pair(Outer([inner(1), inner(2)], table), (optax.adam(1e-3).init(weights), keys))


def assert_same(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected), "the structure changed"
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        if callable(a):
            assert a is b, "code must come from `like`"
            continue
        assert (type(a), a.dtype, a.shape) == (type(b), b.dtype, b.shape), "a leaf changed its kind"
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jr.key_data(a), jr.key_data(b)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), "a leaf changed its bits"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "1.safetensors"
    checkpoint.save(path, tree(1), {"iteration": "1", "note": "a\nb"})
    return path


def test_round_trip_is_bit_for_bit(saved):
    assert_same(checkpoint.load(saved, tree(0)), tree(1))
    assert checkpoint.metadata(saved) == {"iteration": "1", "note": "a\nb"}


def test_like_may_be_shapes_only(tmp_path):
    make = lambda: {"w": jnp.ones(3), "key": jr.key(3)}  # noqa: E731
    checkpoint.save(tmp_path / "a", make())
    assert_same(checkpoint.load(tmp_path / "a", jax.eval_shape(make)), make())


def test_arrays_go_back_to_the_devices_of_like(tmp_path):
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("batch",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    like = {"a": jax.device_put(jnp.arange(4.0), spread), "keys": jr.split(jr.key(0), 2)}
    checkpoint.save(tmp_path / "a", like)
    loaded = checkpoint.load(tmp_path / "a", like)
    assert_same(loaded, like)
    assert loaded["a"].sharding == spread, "an array placed on purpose is placed there again"
    assert not loaded["keys"].committed, "an array placed nowhere stays free to move"


def test_non_finite_numbers_and_a_lone_leaf_survive(tmp_path):
    values = jnp.array([jnp.nan, jnp.inf, -0.0])
    checkpoint.save(tmp_path / "a", values)
    assert_same(checkpoint.load(tmp_path / "a", jnp.zeros(3)), values)


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    checkpoint.save(tmp_path / "again", tree(1), {"iteration": "1", "note": "a\nb"})
    assert (tmp_path / "again").read_bytes() == saved.read_bytes(), "a checkpoint is a function"


def test_names_are_readable(saved):
    names = set(safetensors.numpy.safe_open(saved, "np").keys())
    assert {".first.layers[0].weight", ".second[0][0].mu['w']", ".second[1].first"} <= names


def test_a_leaf_that_is_no_array_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"\['a'\] is 3 \(int\).*jnp\.asarray"):
        checkpoint.save(tmp_path / "a", {"a": 3})
    with pytest.raises(CheckpointError, match="complex128"):
        checkpoint.save(tmp_path / "a", {"a": np.zeros(2, complex)})
    assert not list(tmp_path.iterdir()), "nothing may be left of a refused save"


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.003, 0.1, 0.5, 0.9, 0.9999])
def test_truncated_anywhere(saved, tmp_path, share):
    data = saved.read_bytes()
    short = tmp_path / "short"
    short.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match="is truncated"):
        checkpoint.load(short, tree())


def test_any_flipped_bit_is_noticed(saved, tmp_path):
    data = bytearray(saved.read_bytes())
    flipped = tmp_path / "flipped"
    for place in range(len(data)):
        bit = 1 << place % 8
        data[place] ^= bit
        flipped.write_bytes(data)
        with pytest.raises(CheckpointError):
            checkpoint.load(flipped, tree())
            pytest.fail(f"a bit of byte {place} was flipped and nobody noticed")
        data[place] ^= bit


def test_bytes_appended_are_noticed(saved, tmp_path):
    (tmp_path / "long").write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(tmp_path / "long", tree())


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(CheckpointError, match="Cannot read .*No such file"):
        checkpoint.load(tmp_path / "nowhere", tree())
    with pytest.raises(CheckpointError, match="Cannot read .*directory"):
        checkpoint.load(tmp_path, tree())
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(CheckpointError, match="is not a checkpoint: expected a safetensors"):
        checkpoint.load(foreign, tree())
    safetensors.numpy.save_file({"a": np.zeros(3)}, foreign)
    with pytest.raises(CheckpointError, match="not a checkpoint of a run"):
        checkpoint.load(foreign, tree())


def test_a_newer_format_asks_for_an_upgrade(tmp_path):
    ours = json.dumps({"format": checkpoint.FORMAT + 1, "digest": "", "keys": {}, "metadata": {}})
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "new", {"meadow": ours})
    with pytest.raises(CheckpointError, match="format 2.*git pull.*pip install"):
        checkpoint.load(tmp_path / "new", {"a": np.zeros(3)})


def test_another_experiment_is_told_leaf_by_leaf(tmp_path):
    was = {"w": jnp.ones((2, 3)), "b": jnp.ones(3), "key": jr.key(0), "old": jnp.ones(2)}
    now = {
        "w": jnp.ones((4, 3)),
        "b": jnp.ones(3),
        "key": jr.key(0, impl="rbg"),
        "new": jnp.ones(1),
    }
    checkpoint.save(tmp_path / "a", was)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(tmp_path / "a", now)
    message = str(caught.value)
    for line in (
        "4 of 5 leaves differ",
        "['w']: expected float32[4,3], got float32[2,3]",
        "['key']: expected key<rbg>[], got key<fry>[]",
        "['new']: expected float32[1], got nothing",
        "['old']: expected nothing, got float32[2]",
        "--out",
    ):
        assert line in message, f"the error must say {line!r}, it says:\n{message}"
    assert "['b']" not in message, "a leaf that fits is not named"
    with pytest.raises(CheckpointError, match="expected bfloat16"):
        checkpoint.load(tmp_path / "a", {**was, "b": jnp.ones(3, jnp.bfloat16)})


def test_only_the_first_few_of_many_differing_leaves_are_named(tmp_path):
    checkpoint.save(tmp_path / "a", [jnp.ones(i) for i in range(9)])
    with pytest.raises(CheckpointError, match="and 4 more"):
        checkpoint.load(tmp_path / "a", [jnp.ones(20) for _ in range(9)])


def test_a_part_is_read_alone_and_nothing_else_is_looked_at(tmp_path):
    like = {"learner": {"a": jnp.ones(3)}, "learners": jnp.ones(2), "store": jnp.ones((2, 5))}
    checkpoint.save(tmp_path / "a", like)
    assert_same(checkpoint.load(tmp_path / "a", {"a": jnp.zeros(3)}, part="['learner']"),
                like["learner"])  # fmt: skip
    assert_same(checkpoint.load(tmp_path / "a", jnp.zeros(2), part="['learners']"), jnp.ones(2))
    with pytest.raises(CheckpointError, match=r"1 of 1 .*\n.*\['learner'\]\['a'\]: expected"):
        checkpoint.load(tmp_path / "a", {"a": jnp.zeros(4)}, part="['learner']")


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "1.safetensors"
    checkpoint.save(path, {"a": jnp.zeros(3)})
    with monkeypatch.context() as patch:
        patch.setattr(os, broken, full)
        with pytest.raises(CheckpointError, match="No space left.*still load.*Free some space"):
            checkpoint.save(path, {"a": jnp.ones(3)})
    assert_same(checkpoint.load(path, {"a": jnp.ones(3)}), {"a": jnp.zeros(3)})
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "a half-written file was left"


def test_a_write_cut_short_by_the_system_leaves_nothing(tmp_path):
    path = tmp_path / "1.safetensors"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="File too large"):
            checkpoint.save(path, {"a": np.zeros(1 << 18)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir()), "a half-written file was left"


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="No such file or directory"):
        checkpoint.save(tmp_path / "nowhere" / "a", {"a": np.zeros(1)})
