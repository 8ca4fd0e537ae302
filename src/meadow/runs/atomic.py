"""A file appears whole or not at all."""

import contextlib
import os
from pathlib import Path

PARTIAL = ".partial"


def write(path: Path, data: bytes) -> None:
    """Write `data` aside, push it to the disk, then put it in place of `path`.

    A reader, a crash or a kill sees the old file or the new one. When anything fails the file
    aside is removed and the old one is untouched; after a kill it may stay, named
    `.<name>.partial`, and the next write of that name takes its place.

    Raises:
        OSError: the disk is full, the folder is missing, read-only, ...
    """
    aside = path.with_name(f".{path.name}{PARTIAL}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # The rename itself lives in the folder: until that is on the disk a power cut undoes it.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
