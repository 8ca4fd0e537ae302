"""Manifest: what was run, said so completely that it can be run again.

Holds no environment variable, no host and no user name.
"""

import dataclasses
import datetime
import enum
import functools
import hashlib
import importlib.metadata
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

PACKAGES = ("meadow", "jax", "jaxlib", "equinox", "optax")


def manifest(experiment: Any, seed: int) -> dict[str, Any]:
    """Everything that decides how a run goes, as plain JSON.

    Args:
        experiment: a dataclass or module; described by `describe`.
        seed: of the run.
    """
    device = jax.devices()[0]
    return {
        "experiment": describe(experiment),
        "seed": seed,
        "command": [_homeless(Path(arg).name if i == 0 else arg) for i, arg in enumerate(sys.argv)],
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "devices": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
        },
        "git": _git(Path(__file__).resolve()),
    }


def describe(value: Any) -> Any:
    """A value as plain JSON: classes by name and field, arrays by shape, dtype and digest.

    >>> describe((1, 0.5, "a", float("inf"), np.zeros((2, 3), np.uint8)))
    [1, 0.5, 'a', 'inf', {'array': 'uint8[2,3]', 'digest': '3346a0d3f9b3a626'}]
    """
    match value:
        case enum.Enum():
            return f"{type(value).__name__}.{value.name}"
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case PurePath():
            return _homeless(str(value))
        case jax.Array() | np.ndarray() | np.generic():
            return _array(value)
        case Mapping():
            return {str(key): describe(item) for key, item in value.items()}
        case functools.partial():
            given = {"args": describe(value.args), "keywords": describe(value.keywords)}
            return {"partial": describe(value.func), **given}
    return _structure(value)


def _structure(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value, [field.name for field in dataclasses.fields(value)])
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _fields(value, value._fields)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((describe(item) for item in value), key=repr)
    if isinstance(value, np.dtype):
        return value.name
    # Whatever else there is (functions, classes, foreign objects) is code: its name says it. Not
    # its `repr`, which may hold an address that differs from run to run.
    return _path(value if hasattr(value, "__qualname__") else type(value))


def _fields(value: Any, names: Any) -> dict[str, Any]:
    fields = {name: describe(getattr(value, name)) for name in names if hasattr(value, name)}
    return {"class": _path(type(value)), **fields}


def _path(code: Any) -> str:
    return f"{code.__module__}.{code.__qualname__}"


def _array(array: Any) -> dict[str, Any]:
    label = f"{array.dtype.name}[{','.join(map(str, array.shape))}]"
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jr.key_data(array)
    value = {"value": describe(array.item())} if array.ndim == 0 else {}
    digest = hashlib.blake2b(np.asarray(array).tobytes(), digest_size=8).hexdigest()
    return {"array": label, **value, "digest": digest}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _homeless(text: str) -> str:
    """The text without the home folder, whose name is usually the user's."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _git(file: Path) -> dict[str, Any] | None:
    """Commit of the code and whether it was changed since; None where it is not in a checkout."""
    # An installed package may lie inside somebody else's checkout: ask whether this file is in it.
    if _ask_git(file, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _ask_git(file, "rev-parse", "HEAD")
    if commit is None:  # nothing was committed yet
        return None
    status = _ask_git(file, "status", "--porcelain", "--", str(file.parents[1]))
    return {"commit": commit, "dirty": bool(status)}


def _ask_git(file: Path, *question: str) -> str | None:
    # Inside a git hook these variables would point git at another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        answer = subprocess.run(
            ["git", "-C", str(file.parent), *question],
            capture_output=True, text=True, timeout=10, check=True, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
