"""Benchmark file: arrays kept between runs, whole or not at all, and known by their content.

A safetensors file in the cache folder: the arrays, and in its header the format, facts about how
they were made, the SHA-256 of the arrays (their *content*) and a seal over all of it. What is read
is compared with what was written, so that a file which was cut or changed is never taken for one.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "tasks.safetensors"
>>> write(path, {"goal": np.zeros((2, 5), np.uint8)}, {"draws": 3})
>>> kept = read(path)
>>> kept.arrays["goal"].shape, kept.facts
((2, 5), {'draws': 3})
"""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from meadow.core.errors import TaskError

FORMAT = 1
OURS = "meadow"  # our one entry in the header, JSON inside


class Kept(NamedTuple):
    """Arrays, facts about how they were made, and the SHA-256 of the arrays."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]
    content: str


def cache_folder() -> Path:
    """Where things are kept that can be made again: `$MEADOW_CACHE`, or in the XDG cache folder."""
    if folder := os.environ.get("MEADOW_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meadow"


def content(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256, in hexadecimal, of the arrays in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.data)
    return digest.hexdigest()


def check_room(path: Path, size: int) -> None:
    """Raise a `TaskError` unless a file of `size` bytes can be written to `path`.

    To be asked before work that takes minutes. Makes the folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise _unwritten(path, error.strerror or str(error)) from error
    if not os.access(path.parent, os.W_OK):
        raise _unwritten(path, "the folder cannot be written to")
    if free < size:
        raise _unwritten(path, f"it needs {size / 1e6:,.0f} MB and {free / 1e6:,.0f} are free")


def write(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write aside, push to the disk, then put in place; on failure nothing is left.

    Raises:
        TaskError: the file could not be written; what was at `path` before is untouched.
    """
    head = {"format": FORMAT, "facts": facts, "content": content(arrays)}
    entry = json.dumps({**head, "seal": _seal(head)})
    # The process's number, so that two who make the same file do not write into each other's.
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        safetensors.numpy.save_file(arrays, aside, {OURS: entry})
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _unwritten(path, str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def read(path: Path) -> Kept:
    """What `write` wrote.

    Raises:
        TaskError: a file that is missing, truncated, damaged, foreign or of a newer format.
    """
    try:
        with safetensors.safe_open(path, "numpy") as file:
            entry = (file.metadata() or {}).get(OURS)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, KeyError) as error:
        raise TaskError(f"{path} is missing, truncated or damaged ({error}).") from error
    if entry is None:
        raise TaskError(f"{path} is a safetensors file, but none of ours.")
    head = _head(path, entry)
    if head["content"] != content(arrays):
        raise TaskError(f"{path} is damaged: its content is not what was written.")
    return Kept(arrays, head["facts"], head["content"])


def _head(path: Path, entry: str) -> dict[str, Any]:
    try:
        head = json.loads(entry)
        version, seal = head["format"], head.pop("seal")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TaskError(f"{path} is damaged: its header cannot be read ({error}).") from error
    if version != FORMAT:
        raise TaskError(
            f"{path} has format {version}, but this version of meadow reads and writes {FORMAT}."
        )
    if seal != _seal(head):
        raise TaskError(f"{path} is damaged: its header is not what was written.")
    return head


def _seal(head: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()


def _unwritten(path: Path, why: str) -> TaskError:
    return TaskError(
        f"Could not write {path}: {why}. Free some space, or name another folder with the "
        "environment variable MEADOW_CACHE."
    )
