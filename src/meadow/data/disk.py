"""Disk: recorded experience in one file, complete or absent.

A safetensors file with an array for every leaf, named by its path (`timestep/observation/view`).
What came of a row is the next row's time step, so only how episodes ended is written beside the
rows. The header says what actions may be, where the rows came from, and a digest of everything.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from meadow.core.errors import CheckpointError, SpecError
from meadow.core.spec import ActionSpec, Box, Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.data.recorded import Recorded, followed, lifted

FORMAT = 1
OURS = "meadow recorded"  # our one entry in the header, JSON inside

Arrays = dict[str, np.ndarray]


def save(path: str | os.PathLike[str], recorded: Recorded) -> None:
    """Write it; the file is complete or absent, and one that was there before untouched until then.

    Raises:
        SpecError: rows of which what came is not the next row, or leaves that are no plain arrays.
        CheckpointError: the file could not be written.
    """
    path, arrays = pathlib.Path(path), _arrays(recorded.trajectory)
    head = {"format": FORMAT, "actions": _told(recorded.action_spec), "facts": {**recorded.facts}}
    entry = json.dumps({**head, "digest": _digest(head, arrays)}, sort_keys=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        safetensors.numpy.save_file(arrays, aside, {OURS: entry})
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"Could not write {path}: {error}. Name a folder that is there and has room."
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Recorded:
    """Read what `save` wrote.

    Raises:
        CheckpointError: a file that is missing, truncated, damaged, foreign or of another format.
    """
    path = pathlib.Path(path)
    try:
        with safetensors.safe_open(path, "numpy") as file:
            entry = (file.metadata() or {}).get(OURS)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path} is missing, truncated or damaged ({error}). Bring back a good copy."
        ) from error
    if entry is None:
        raise CheckpointError(
            f"{path} is a safetensors file, but none of recorded experience: its header has no "
            f"entry {OURS!r}. Write one with `meadow.data.disk.save`."
        )
    head = _head(path, entry)
    if head.pop("digest") != _digest(head, arrays):
        raise CheckpointError(f"{path} is damaged: it is not what was written.")
    return Recorded(_trajectory(_nested(arrays)), _spec(head["actions"]), head["facts"])


def _arrays(lived: Trajectory) -> Arrays:
    """Every array of the file."""
    lived = jax.device_get(lived)
    last = lived.next.step_type >= StepType.LAST
    same = (jax.tree.map(lambda x: x[:-1][~last[:-1]], lived.next),
            jax.tree.map(lambda x: x[1:][~last[:-1]], lived.timestep))  # fmt: skip
    begun = lived.timestep.step_type[1:][last[:-1]] == StepType.FIRST
    if not begun.all() or [x.tobytes() for x in jax.tree.leaves(same[0])] != [
        x.tobytes() for x in jax.tree.leaves(same[1])
    ]:
        raise SpecError(
            "Expected rows that follow one another: what came of a row is the next row's time "
            "step, or an episode's end and then the first step of another. Give whole lives."
        )
    parts = {
        "timestep": _fields(lived.timestep),
        "action": lived.action,
        "ending": _fields(jax.tree.map(lambda x: x[_ending(lived.timestep)], lived.next)),
        "trial_ended": lived.trial_ended,
        "record": lived.record,
    }
    return dict(_flat(parts, ""))


def _ending(timestep: TimeStep) -> np.ndarray:
    """Of which rows what came is not the next row."""
    return np.concatenate(
        [timestep.step_type[1:] == StepType.FIRST, np.ones_like(timestep.step_type[:1], bool)]
    )


def _trajectory(parts: dict[str, Any]) -> Trajectory:
    timestep, ending = (TimeStep(**jax.tree.map(jnp.asarray, parts[x])) for x in _MOMENTS)
    timestep, ending = jax.device_get((timestep, ending))
    after = followed(timestep, _ending(timestep), ending)
    record = parts.get("record", {})
    return lifted(timestep, parts["action"], after, parts["trial_ended"], record)


_MOMENTS = "timestep", "ending"


def _fields(timestep: TimeStep) -> dict[str, PyTree]:
    return {field.name: getattr(timestep, field.name) for field in dataclasses.fields(timestep)}


def _flat(tree: PyTree, name: str) -> list[tuple[str, np.ndarray]]:
    """Arrays of nested dicts, each under its path."""
    if isinstance(tree, dict):
        pairs = []
        for key, value in tree.items():
            if not isinstance(key, str) or "/" in key or not key:
                raise SpecError(f"Expected names without a slash under {name!r}, got {key!r}.")
            pairs += _flat(value, f"{name}/{key}" if name else key)
        return pairs
    if not isinstance(tree, np.ndarray | np.generic) or tree.dtype.kind not in "biuf":
        raise SpecError(
            f"Only numbers and booleans, in arrays or dicts of arrays, can be recorded; got "
            f"{getattr(tree, 'dtype', type(tree).__name__)} as {name}."
        )
    return [(name, np.ascontiguousarray(tree))]


def _nested(arrays: Arrays) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *folders, last = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = array
    return tree


def _digest(head: dict[str, Any], arrays: Arrays) -> str:
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _head(path: pathlib.Path, entry: str) -> dict[str, Any]:
    try:
        head = json.loads(entry)
        version, _ = head["format"], (head["digest"], head["actions"], head["facts"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: its header is unreadable ({error}).") from error
    if version != FORMAT:
        raise CheckpointError(
            f"{path} has format {version}, but this version of meadow reads {FORMAT}."
        )
    return head


def _told(spec: ActionSpec) -> dict[str, Any]:
    if isinstance(spec, Discrete):
        return {"num": spec.num}
    return {"shape": list(spec.shape), "low": spec.low, "high": spec.high}


def _spec(told: dict[str, Any]) -> ActionSpec:
    if "num" in told:
        return Discrete(told["num"])
    return Box(tuple(told["shape"]), told["low"], told["high"])
