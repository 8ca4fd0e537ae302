"""Checkpoint: one pytree of arrays in one file, whole or not at all.

A safetensors file: every leaf under its path in the tree (`.params.layers[0].weight`), a digest of
everything in the header, no pickle. Typed PRNG keys are stored as their data, and the name of
their implementation in the header.

>>> import tempfile, jax.numpy as jnp, jax.random as jr
>>> path = tempfile.mkdtemp() + "/3.safetensors"
>>> save(path, {"weight": jnp.ones(2), "key": jr.key(0)}, {"note": "a test"})
>>> load(path, {"weight": jnp.zeros(2), "key": jr.key(1)})["weight"].tolist()
[1.0, 1.0]
>>> metadata(path)
{'note': 'a test'}
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, PyTree

from meadow.core.errors import CheckpointError
from meadow.runs import atomic

FORMAT = 1
# Our one entry in the header, JSON inside. Only one, because safetensors writes several in an order
# of its own, and the same tree should give the same bytes.
OURS = "meadow"
SHOWN = 5  # how many leaves an error names

_DTYPES = {
    "BOOL": np.dtype(bool),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("u2"),
    "I16": np.dtype("i2"),
    "U32": np.dtype("u4"),
    "I32": np.dtype("i4"),
    "U64": np.dtype("u8"),
    "I64": np.dtype("i8"),
    "F16": np.dtype("f2"),
    "BF16": np.dtype(jnp.bfloat16),
    "F32": np.dtype("f4"),
    "F64": np.dtype("f8"),
    "C64": np.dtype("c8"),
}


class _Content(NamedTuple):
    """What a file holds: arrays by leaf name, key implementations by leaf name, user's metadata."""

    arrays: dict[str, np.ndarray]
    keys: dict[str, str]
    metadata: dict[str, str]

    def digest(self) -> str:
        """A digest of everything, so that one flipped bit is noticed."""
        names = sorted(self.arrays)
        layout = [(n, self.arrays[n].dtype.name, self.arrays[n].shape) for n in names]
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([layout, self.keys, self.metadata], sort_keys=True).encode())
        for name in names:
            digest.update(self.arrays[name].reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def below(self, part: str) -> "_Content":
        """What of it is a part of the tree; all of it where there is no name."""
        if not part:
            return self
        names = [n for n in self.arrays if n.startswith(part) and n[len(part) :][:1] in ("", *".[")]
        return self._replace(arrays={name: self.arrays[name] for name in names})

    def leaf(self, name: str) -> np.ndarray | Array:
        """One leaf, a typed key where it was one."""
        if name in self.keys:
            return jr.wrap_key_data(jnp.asarray(self.arrays[name]), impl=self.keys[name])
        return self.arrays[name]


def save(
    path: str | os.PathLike[str], tree: PyTree, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the arrays of `tree`; the file at `path` is replaced only when all is on the disk.

    Args:
        path: where to; its folder exists.
        tree: leaves are arrays (JAX or NumPy) or typed keys. Functions are not stored: they are
            code, and `load` takes them from its `like`.
        metadata: anything worth knowing about it.

    Raises:
        CheckpointError: a leaf that cannot be stored, or a disk that did not take the file; what
            was at `path` before is untouched.
    """
    path = Path(path)
    content = _content(tree, dict(metadata or {}))
    ours = {"keys": content.keys, "metadata": content.metadata}
    entry = json.dumps({"format": FORMAT, "digest": content.digest(), **ours}, sort_keys=True)
    data = safetensors.numpy.save(content.arrays, {OURS: entry})
    try:
        atomic.write(path, data)
    except OSError as error:
        raise CheckpointError(
            f"Could not write the checkpoint {path} ({len(data) / 1e6:.1f} MB): "
            f"{error.strerror or error}. Nothing half-written is left and earlier checkpoints "
            "still load. Free some space or make the folder writable, then resume."
        ) from error


def load(path: str | os.PathLike[str], like: PyTree, *, part: str = "") -> PyTree:
    """Read a tree of the structure, shapes and dtypes of `like`.

    Args:
        path: a file that `save` wrote.
        part: where in the tree that was saved this one is, such as `.learner`; whatever else is in
            the file is not looked at.
        like: leaves are arrays, typed keys or `jax.ShapeDtypeStruct`s; their values are ignored.
            Arrays that were placed on devices on purpose are placed there again.

    Raises:
        CheckpointError: a missing, truncated, damaged, foreign or newer file, or one whose leaves
            are not those of `like`; it names the first few.
    """
    content = _read(Path(path))
    named, treedef = jax.tree_util.tree_flatten_with_path(like)
    wanted = {_name(where, part): leaf for where, leaf in named if not _is_code(leaf)}
    _check_leaves(Path(path), content.below(part), wanted)
    return treedef.unflatten(
        leaf if _is_code(leaf) else _placed(content.leaf(_name(where, part)), leaf)
        for where, leaf in named
    )


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """What was given to `save` as metadata.

    Raises:
        CheckpointError: as `load`, but for the leaves: the whole file is verified.
    """
    return _read(Path(path)).metadata


def _name(where: tuple, part: str = "") -> str:
    return part + jax.tree_util.keystr(where) or "(root)"


def _is_code(leaf: Any) -> bool:
    return callable(leaf) and not hasattr(leaf, "dtype")


def _content(tree: PyTree, metadata: dict[str, str]) -> _Content:
    arrays, keys = {}, {}
    for where, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        if _is_code(leaf):
            continue
        name = _name(where)
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
            raise CheckpointError(
                f"Every leaf of a checkpoint is an array, but {name} is {leaf!r} "
                f"({type(leaf).__name__}). Write `jnp.asarray(...)`, or make it a static field."
            )
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            keys[name] = str(jr.key_impl(leaf))
            leaf = jr.key_data(leaf)
        arrays[name] = np.asarray(leaf, order="C")
        if arrays[name].dtype not in _DTYPES.values():
            raise CheckpointError(
                f"A checkpoint cannot hold {name}, whose dtype is {leaf.dtype}. "
                f"Dtypes that it can: {', '.join(d.name for d in _DTYPES.values())}."
            )
    return _Content(arrays, keys, metadata)


def _read(path: Path) -> _Content:
    """The content of a file, verified against its digest."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"Cannot read the checkpoint {path}: {error.strerror}.") from error
    header = _header(path, data)
    ours = _ours(path, (header.get("__metadata__") or {}).get(OURS))
    end = max((e["data_offsets"][1] for n, e in header.items() if n != "__metadata__"), default=0)
    expected = 8 + int.from_bytes(data[:8], "little") + end
    if len(data) < expected:
        raise _damaged(path, f"is truncated: expected {expected:,} bytes, got {len(data):,}")
    try:
        arrays = {
            name: np.frombuffer(entry["data"], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in safetensors.deserialize(data)
        }
        content = _Content(arrays, ours["keys"], ours["metadata"])
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise _damaged(path, f"is damaged ({error})") from error
    if content.digest() != ours.get("digest"):
        raise _damaged(path, "is damaged: its content does not match its digest")
    return content


def _header(path: Path, data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 9:
        raise _damaged(path, f"is truncated: it has {len(data)} bytes")
    if data[8:9] != b"{":
        raise CheckpointError(
            f"{path} is not a checkpoint: expected a safetensors file, got one that begins with "
            f"{data[:8]!r}. Give the path of a run folder or of a `.safetensors` file in it."
        )
    if len(data) < 8 + length:
        raise _damaged(
            path, f"is truncated: expected {8 + length:,} bytes or more, got {len(data):,}"
        )
    try:
        header = json.loads(data[8 : 8 + length])
        ends = [e["data_offsets"][1] for n, e in header.items() if n != "__metadata__"]
        if not all(isinstance(end, int) for end in ends):
            raise TypeError("offsets must be integers")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _damaged(path, f"is damaged: its header cannot be read ({error})") from error
    return header


def _ours(path: Path, entry: str | None) -> dict[str, Any]:
    """Our own entry of the header, of a format that this code knows."""
    if entry is None:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a checkpoint of a run: its header has no entry "
            f"{OURS!r}. Give a file from the `checkpoints` folder of a run."
        )
    try:
        ours = json.loads(entry)
        version = int(ours["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"is damaged: its header cannot be read ({error})") from error
    if version > FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {version}, but this version of meadow reads up to "
            f"{FORMAT}. Upgrade: `git pull` and `pip install .` in Meadow's folder."
        )
    if version < 1:
        raise _damaged(path, f"is damaged: there is no format {version}")
    return ours


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {path} {what}. Bring back a good copy, or remove it and resume from an "
        "earlier checkpoint."
    )


def _describe(leaf: Any) -> str:
    """`float32[3,4]`; a typed key is described by its own dtype, `key<fry>[3]`."""
    if not hasattr(leaf, "dtype"):
        return repr(leaf)
    return f"{leaf.dtype.name}[{','.join(map(str, leaf.shape))}]"


def _check_leaves(path: Path, content: _Content, wanted: dict[str, Any]) -> None:
    expected = {name: _describe(leaf) for name, leaf in wanted.items()}
    got = {name: _describe(content.leaf(name)) for name in content.arrays}
    names = list(dict.fromkeys([*expected, *got]))
    wrong = [name for name in names if expected.get(name) != got.get(name)]
    if not wrong:
        return
    lines = [
        f"  {name}: expected {expected.get(name, 'nothing')}, got {got.get(name, 'nothing')}"
        for name in wrong[:SHOWN]
    ]
    if len(wrong) > SHOWN:
        lines.append(f"  and {len(wrong) - SHOWN} more")
    raise CheckpointError(
        f"The checkpoint {path} is from another experiment: {len(wrong)} of {len(names)} leaves "
        "differ.\n" + "\n".join(lines) + "\nLoad it with the experiment that wrote it (see "
        "manifest.json of its run), or start a new run with another `--out`."
    )


def _placed(leaf: np.ndarray | Array, like: Any) -> np.ndarray | Array:
    if isinstance(like, np.ndarray | np.generic):
        return np.array(leaf)
    if isinstance(like, jax.Array) and like.committed:
        return jax.device_put(leaf, like.sharding)
    return jnp.asarray(leaf)
