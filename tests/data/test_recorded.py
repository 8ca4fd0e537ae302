"""Recorded experience: in a file and back, bit for bit, or refused with the reason."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from meadow.core.errors import CheckpointError, SpecError
from meadow.core.spec import Box, Discrete
from meadow.data.disk import OURS, load, save
from meadow.data.recorded import Recorded, lifted
from meadow.testing.laws.store import numbered

CHUNKS = 5


@pytest.fixture(scope="module")
def rows() -> Recorded:
    """Ten rows of two lives, whose episodes have three steps and so are cut at the end."""
    chunks = [numbered(i) for i in range(CHUNKS)]
    lived = jax.tree.map(lambda *x: jnp.concatenate(x), *(
        (c.timestep, c.action, c.next, c.trial_ended, c.record) for c in chunks
    ))  # fmt: skip
    return Recorded(lifted(*lived), Discrete(30_000), {"from": "a test"})


def same(one: Recorded, other: Recorded) -> bool:
    """Whether they are the same, bit for bit."""
    trees = one.trajectory, other.trajectory
    leaves = [
        [(x.dtype, x.shape, np.asarray(x).tobytes()) for x in jax.tree.leaves(t)] for t in trees
    ]
    return leaves[0] == leaves[1] and jax.tree.structure(trees[0]) == jax.tree.structure(trees[1])


def test_a_file_holds_what_was_written(rows, tmp_path):
    save(tmp_path / "rows.safetensors", rows)
    again = load(tmp_path / "rows.safetensors")
    assert same(rows, again), "Rows come back as they were, bit for bit."
    assert again.action_spec == rows.action_spec and again.facts == rows.facts
    assert [x.name for x in tmp_path.iterdir()] == ["rows.safetensors"], "Nothing else is left."


def test_actions_that_are_vectors_and_plain_observations(rows, tmp_path):
    lived, spec = rows.trajectory, Box((2,), -2.0, 1.0)
    moment = lambda t: t.showing(t.observation["number"])  # noqa: E731
    action = np.zeros((*lived.trial_ended.shape, 2), np.float32)
    plain = lifted(moment(lived.timestep), action, moment(lived.next), lived.trial_ended, {})
    save(tmp_path / "rows", Recorded(plain, spec))
    again = load(tmp_path / "rows")
    assert same(Recorded(plain, spec), again) and again.action_spec == spec


def test_observations_are_written_once(rows, tmp_path):
    save(tmp_path / "rows", rows)
    with safetensors.safe_open(tmp_path / "rows", "numpy") as file:
        shapes = {name: file.get_tensor(name).shape for name in file.keys()}  # noqa: SIM118
    ends = 2 * (rows.trajectory.next.last()[:-1, 0].sum() + 1)
    assert shapes["timestep/observation/picture"] == (2 * CHUNKS, 2, 3)
    assert shapes["ending/observation/picture"] == (ends, 3), "Only ends have a next of their own."


def test_a_part_is_some_of_the_rows(rows):
    part = rows.part(2, 5)
    assert part.steps == 6
    assert np.array_equal(part.trajectory.action, rows.trajectory.action[2:5])
    assert np.array_equal(part.trajectory.after.reward, part.trajectory.next.reward[-1])
    with pytest.raises(SpecError, match="No rows 50 to 60 among 10"):
        rows.part(50, 60)


def test_rows_that_do_not_follow_are_refused(rows, tmp_path):
    lived = rows.trajectory
    other = dataclasses.replace(rows, trajectory=lifted(
        lived.timestep, lived.action,
        jax.tree.map(lambda x: x[::-1], lived.next), lived.trial_ended, lived.record,
    ))  # fmt: skip
    with pytest.raises(SpecError, match="rows that follow one another"):
        save(tmp_path / "rows", other)
    assert not list(tmp_path.iterdir()), "A refused dataset leaves no file."


def test_actions_of_another_spec_are_refused(rows):
    with pytest.raises(SpecError, match=r"Expected actions \[10, 2, 3\] of Box.* got \[10, 2\]"):
        Recorded(rows.trajectory, Box((3,), 0.0, 1.0))


def test_a_damaged_file_is_refused_wherever_it_was_damaged(rows, tmp_path):
    path = tmp_path / "rows"
    save(path, rows)
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="damaged|none of recorded|has format"):
            load(path)
    for size in (0, 5, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="truncated"):
            load(path)


def test_foreign_newer_and_missing_files_are_refused(rows, tmp_path):
    path = tmp_path / "rows"
    with pytest.raises(CheckpointError, match="is missing"):
        load(path)
    safetensors.numpy.save_file({"x": np.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="none of recorded experience"):
        load(path)
    head = {"format": 99, "digest": "", "actions": {}, "facts": {}}
    safetensors.numpy.save_file({"x": np.zeros(2)}, path, {OURS: json.dumps(head)})
    with pytest.raises(CheckpointError, match="has format 99, but .* reads 1"):
        load(path)
    with pytest.raises(CheckpointError, match="Could not write"):
        save(tmp_path / "nowhere" / "rows", rows)
