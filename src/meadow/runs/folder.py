"""Run: the folder a run leaves behind.

manifest.json                       what was run
metrics.jsonl                       one line per logged chunk
checkpoints/<iteration>.safetensors the latest few
plots/                              pictures
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from meadow.core.errors import CheckpointError
from meadow.runs import atomic, checkpoint, metrics

SUFFIX = ".safetensors"
DEVICES = "devices"  # how many a checkpoint's tree was laid over, in its metadata


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder that holds a run; make one with `create`, come back to one with `open`.

    Attributes:
        path: the folder.
        keep: how many checkpoints to keep, the latest ones.
    """

    path: Path
    keep: int = 3

    @classmethod
    def create(cls, path: str | os.PathLike[str], manifest: Mapping[str, Any]) -> "Run":
        """Make the folder and write down what is run.

        Raises:
            CheckpointError: the folder holds a run already, or cannot be made.
        """
        run = cls(Path(path))
        if run.manifest_path.exists():
            raise CheckpointError(
                f"{path} holds a run already. Go on with it by `--resume {path}`, or begin a new "
                "one with another `--out`."
            )
        text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
        try:
            run.checkpoints.mkdir(parents=True, exist_ok=True)
            run.plots.mkdir(exist_ok=True)
            atomic.write(run.manifest_path, text.encode())
        except OSError as error:
            raise CheckpointError(
                f"Cannot make the run folder {path}: {error.strerror}. Choose another `--out`."
            ) from error
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Run":
        """The run that a folder holds.

        Raises:
            CheckpointError: there is no run in it.
        """
        run = cls(Path(path))
        if not run.manifest_path.is_file():
            raise CheckpointError(
                f"There is no run in {path}: expected {run.manifest_path}. Begin one with "
                f"`--out {path}`, or give the folder of an existing run."
            )
        return run

    def withdraw(self) -> None:
        """Take back a run that has lived nothing yet, so that its folder is free again."""
        if self.iterations() or (self.metrics_path.exists() and self.metrics_path.stat().st_size):
            return
        for path in (self.metrics_path, self.manifest_path):
            path.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.plots, self.path):
            with contextlib.suppress(OSError):  # it holds something else
                folder.rmdir()

    @property
    def manifest_path(self) -> Path:
        """Where it says what was run."""
        return self.path / "manifest.json"

    @property
    def metrics_path(self) -> Path:
        """Where metrics are written while it runs."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def plots(self) -> Path:
        """The folder of pictures."""
        return self.path / "plots"

    def manifest(self) -> dict[str, Any]:
        """What was run.

        Raises:
            CheckpointError: manifest.json is not JSON any more.
        """
        try:
            return json.loads(self.manifest_path.read_bytes())
        except (OSError, ValueError) as error:
            raise CheckpointError(f"Cannot read {self.manifest_path}: {error}.") from error

    def iterations(self) -> list[int]:
        """The iterations of which there is a checkpoint, newest first."""
        stems = [path.stem for path in self.checkpoints.glob(f"*{SUFFIX}")]
        return sorted((int(stem) for stem in stems if stem.isdecimal()), reverse=True)

    def checkpoint_path(self, iteration: int) -> Path:
        """Where the checkpoint of an iteration is."""
        return self.checkpoints / f"{iteration}{SUFFIX}"

    def latest(self) -> Path:
        """The newest checkpoint.

        Raises:
            CheckpointError: there is none yet.
        """
        iterations = self.iterations()
        if not iterations:
            raise CheckpointError(
                f"{self.path} has no checkpoint: the run ended before its first one. Remove the "
                "folder and begin again, or begin with another `--out`."
            )
        return self.checkpoint_path(iterations[0])

    def checkpoint(self, iteration: int, tree: PyTree) -> Path:
        """Write the checkpoint of an iteration, then forget the oldest.

        Raises:
            CheckpointError: see `checkpoint.save`; earlier checkpoints are untouched.
        """
        path = self.checkpoint_path(iteration)
        facts = {"iteration": str(iteration), DEVICES: str(_num_devices(tree))}
        checkpoint.save(path, tree, facts)
        for old in self.iterations()[self.keep :]:
            if old != iteration:
                self.checkpoint_path(old).unlink()
        for partial in self.checkpoints.glob(f".*{atomic.PARTIAL}"):  # of a run that was killed
            partial.unlink()
        return path

    def restore(self, like: PyTree, *, part: str = "") -> tuple[int, PyTree]:
        """The newest checkpoint: its iteration and its tree, or a part of it; see
        `checkpoint.load`.

        Reads only, so that a run can be looked at while it goes on. To go on with it yourself,
        `rewind` to the iteration first.

        Raises:
            CheckpointError: there is none, it is from another experiment, or it is damaged; then
                the newest good one is named.
        """
        path = self.latest()
        try:
            return int(path.stem), checkpoint.load(path, like, part=part)
        except CheckpointError as error:
            if _sound(path):  # from another experiment, and so are the older ones
                if part or not (moved := _moved(path, like)):
                    raise
                raise CheckpointError(f"{error}\n{moved}") from error
            good = [p for i in self.iterations()[1:] if _sound(p := self.checkpoint_path(i))]
            advice = (
                f"The newest good one is {good[0]}: to go on from it, `rm {path}` and resume."
                if good
                else "No earlier one is good either: begin again with another `--out`."
            )
            raise CheckpointError(f"{error}\n{advice}") from error

    def rewind(self, iteration: int) -> None:
        """Forget metrics and checkpoints later than `iteration`, so that it can be lived again."""
        metrics.truncate(self.metrics_path, iteration)
        for later in self.iterations():
            if later > iteration:
                self.checkpoint_path(later).unlink()


def _sound(path: Path) -> bool:
    try:
        checkpoint.metadata(path)
    except CheckpointError:
        return False
    return True


def _num_devices(tree: PyTree) -> int:
    """Over how many devices a tree is laid."""
    arrays = [x for x in jax.tree.leaves(tree) if isinstance(x, jax.Array)]
    return max((len(x.sharding.device_set) for x in arrays), default=1)


def _moved(path: Path, like: PyTree) -> str:
    """What to do about a checkpoint of another number of devices; nothing if it is of as many."""
    was, now = checkpoint.metadata(path).get(DEVICES), str(_num_devices(like))
    if was in (None, now):
        return ""
    return (
        f"It was saved on {was} devices and is read on {now}, and a store is divided among them. "
        f"Write `--devices {was}`."
    )
