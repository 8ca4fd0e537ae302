"""Metrics: one line of strict JSON per logged chunk, written while it runs.

A line is an object: `{"iteration": 20, "steps": 40960, "return": 0.25}`. JSON has no NaN and no
infinity: such a value is written as null, and the line also gets `"non_finite": ["loss"]`, so the
moment at which things went wrong can be searched for.
"""

import errno
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import ArrayLike, Shaped

from meadow.core.errors import CheckpointError
from meadow.runs import atomic

NOTE = "non_finite"


class Metrics:
    """A file of metrics, open for more lines; a torn last line is cut off when it is opened.

    A line reaches the operating system before `write` returns: it outlives the process, though
    perhaps not a power cut.
    """

    def __init__(self, path: str | os.PathLike[str]):
        path = Path(path)
        if path.exists():
            _rewrite(path, _rows(path))
        self._file = path.open("ab", buffering=0)

    def write(self, iteration: int, values: Mapping[str, ArrayLike]) -> None:
        """Add a line.

        Args:
            iteration: how many iterations have been lived.
            values: numbers, or small arrays of them (say one per seed).

        Raises:
            CheckpointError: the disk did not take the line; the file is as before.
        """
        row: dict[str, Any] = {"iteration": int(iteration)}
        for name, value in values.items():
            row[name] = _plain(value)
        bad = [name for name, value in values.items() if not np.all(np.isfinite(np.asarray(value)))]
        line = _line({**row, NOTE: bad} if bad else row)
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) < len(line):  # a disk that fills up takes what it can
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.truncate(size)
            raise CheckpointError(
                f"Could not write to the metrics {self._file.name}: {error.strerror}. The lines "
                "before are whole. Free some space, then resume."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read(path: str | os.PathLike[str]) -> dict[str, Shaped[np.ndarray, "lines ..."]]:
    """Every metric as an array with one entry per line; NaN where a line has null or nothing.

    A torn last line, as a kill can leave it, is ignored.

    Raises:
        CheckpointError: the file is missing, or another line than the last is not JSON.
    """
    rows = _rows(Path(path))
    names = dict.fromkeys(name for row in rows for name in row if name != NOTE)
    return {name: _column([row.get(name) for row in rows]) for name in names}


def truncate(path: str | os.PathLike[str], iteration: int) -> None:
    """Drop the lines after `iteration`, so that a resumed run writes them again.

    Does nothing where there is no file. The file is replaced as a whole.
    """
    path = Path(path)
    if path.exists():
        _rewrite(path, [row for row in _rows(path) if row["iteration"] <= iteration])


def _line(row: dict[str, Any]) -> bytes:
    return (json.dumps(row, allow_nan=False) + "\n").encode()


def _rewrite(path: Path, rows: list[dict[str, Any]]) -> None:
    data = b"".join(map(_line, rows))
    if data != path.read_bytes():
        atomic.write(path, data)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise CheckpointError(f"Cannot read the metrics {path}: {error.strerror}.") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows.append({"iteration": row["iteration"], **row})
        except (ValueError, KeyError, TypeError) as error:
            if number < len(lines):
                raise CheckpointError(
                    f"Line {number} of {path} is not a line of metrics ({error}). Remove it."
                ) from error
    return rows


def _plain(value: ArrayLike) -> Any:
    array = np.asarray(value)
    if array.ndim:
        return [_plain(x) for x in array]
    if array.dtype.kind in "biu":
        return array.item()
    # The shortest decimal that reads back to the same number of this precision.
    number = float(str(array[()]))
    return number if math.isfinite(number) else None


def _column(values: list[Any]) -> np.ndarray:
    shapes = [np.shape(v) for v in values if v is not None]
    shape = shapes[0] if shapes else ()
    return np.array([np.full(shape, np.nan) if v is None else _real(v) for v in values])


def _real(value: Any) -> Any:
    if isinstance(value, list):
        return [_real(v) for v in value]
    return math.nan if value is None else value
