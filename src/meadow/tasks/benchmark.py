"""Benchmark: the task sets that papers report on, by name; made once, then kept.

    benchmark("medium-1m")              a `Table` of a million tasks
    benchmark("medium-1m-v2")           as it was until November 2025: with repeats, other numbers
    todays_numbers("medium-1m-v2")      where each of those is in today's set

A set is drawn again (`meadow.tasks.published`), not downloaded, and its content is compared with
what it was when this file was written. Task i is task i of the published file. A set of three
million begins with the set of one million, so neither is held out from the other: use `holdout`.

Rules and objects are padded to the most the set can have, as in `Trees.published`, so that sets and
endless spaces of one kind share compiled programs; published files are cut to the most they have.

References: Nikulin et al., XLand-MiniGrid, 2023; XLand-100B, 2024, whose task numbers are v2.
"""

import contextlib
import dataclasses
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import benchmark_file
from meadow.tasks.benchmark_file import Kept
from meadow.tasks.grid import GridTask
from meadow.tasks.published import CONFIGS, drawn
from meadow.tasks.table import Table


@dataclasses.dataclass(frozen=True)
class Published:
    """A published set.

    Attributes:
        kind: trivial, small, medium or high.
        size: how many tasks.
        content: SHA-256 of its arrays (`meadow.tasks.benchmark_file.content`).
        today: for a set with repeats (v2) the name of the set that took its place.
    """

    kind: str
    size: int
    content: str
    today: str | None = None

    @property
    def num_bytes(self) -> int:
        """Of its arrays."""
        config = CONFIGS[self.kind]
        width = 5 + 4 * config.num_rules + config.num_objects + (4 if self.today else 0)
        return self.size * width


_CONTENTS = {
    "trivial-21k": "df2994f112741c76f0f3d6196bedd82ee9cee413b5a326e56f0a34736a79a245",
    "small-1m": "ffe7af32f0f7de9fe1cbe209db101d0fcd5ffb7ebf79559a8bf481f1e6a277fa",
    "medium-1m": "9f0a4a668327a4de2c9d67df9acc349b2d19b83eac890f5645eb6471cc8f1c20",
    "medium-3m": "2ee460f28b7f45ecdb8d7117cdf0d4bbb4cbb79b3e3a9fcd7523db1671ff12b0",
    "high-1m": "eef4a86c2108bb6d4ff1ef84185540090679d1311f2a83ccff1434d9a350b1a9",
    "high-3m": "638aab66bb0a4b84e56ee9b3da2acfbd0e6ccef91fe42dc60d08ce36fe5a0f6d",
    "trivial-1m-v2": "1f190f7891babba5b16e1dbf6b8c48bcf80429a8ca77e616cda24fed6f3be5f1",
    "small-1m-v2": "35dc782bfe320ad174d706297bb0e0d4419284cc2f231155ef8d62161330fd73",
    "medium-1m-v2": "3a5d2da91e6e7d79768bb018134aba1310a83d83b100d5d4a6447b1bb9a84483",
    "medium-3m-v2": "c18cbbd9e306f7d9ceb4915ede636bbac599292ad09d97e397a420a7017a71b6",
    "high-1m-v2": "d128e626c2d66ff9b2e78300d9f73a4f81f909ace47e0c0fe225626c65f92e58",
    "high-3m-v2": "5f117d62d3f6ddf7b2e811f412cc0bd15422a55f632f24ff816853282dfb670a",
}
BENCHMARKS = {
    "trivial-21k": Published("trivial", 21_000, _CONTENTS["trivial-21k"]),
    "small-1m": Published("small", 1_000_000, _CONTENTS["small-1m"]),
    "medium-1m": Published("medium", 1_000_000, _CONTENTS["medium-1m"]),
    "medium-3m": Published("medium", 3_000_000, _CONTENTS["medium-3m"]),
    "high-1m": Published("high", 1_000_000, _CONTENTS["high-1m"]),
    "high-3m": Published("high", 3_000_000, _CONTENTS["high-3m"]),
    "trivial-1m-v2": Published("trivial", 1_000_000, _CONTENTS["trivial-1m-v2"], "trivial-21k"),
    "small-1m-v2": Published("small", 1_000_000, _CONTENTS["small-1m-v2"], "small-1m"),
    "medium-1m-v2": Published("medium", 1_000_000, _CONTENTS["medium-1m-v2"], "medium-1m"),
    "medium-3m-v2": Published("medium", 3_000_000, _CONTENTS["medium-3m-v2"], "medium-3m"),
    "high-1m-v2": Published("high", 1_000_000, _CONTENTS["high-1m-v2"], "high-1m"),
    "high-3m-v2": Published("high", 3_000_000, _CONTENTS["high-3m-v2"], "high-3m"),
}


def benchmark(name: str, *, progress: bool = False) -> Table[GridTask]:
    """The set of that name, from the cache folder, or made and kept there.

    Args:
        name: one of `BENCHMARKS`.
        progress: show how the making goes on stderr; it takes from a second to some minutes.

    Raises:
        UnknownNameError: no set of that name.
        TaskError: a damaged file in the cache, or a cache that cannot be written to.
    """
    arrays = kept(name, progress=progress).arrays
    return Table(GridTask(*(jnp.asarray(arrays[x]) for x in ("goal", "rules", "objects"))))


def todays_numbers(name: str, *, progress: bool = False) -> Int32[np.ndarray, "num"]:
    """For every task of a v2 set the number of the same task in today's set, -1 if it has none.

    The same task: the same goal and the same rules. Objects are the same where it was drawn first;
    a repeat may begin with others, so to replay a recorded task take it from the v2 set itself.

    Raises:
        TaskError: a set that is not a v2 one; and as `benchmark`.
    """
    if _published(name).today is None:
        old = ", ".join(old for old, what in BENCHMARKS.items() if what.today)
        raise TaskError(f"{name!r} is one of today's sets. Sets with other numbers: {old}.")
    return kept(name, progress=progress).arrays["today"]


def kept(name: str, *, progress: bool = False, again: bool = False) -> Kept:
    """A set's arrays and facts, from its file, which is made if need be.

    The facts: how many `draws` it took, how many `different` tasks there are, and how many
    `seconds` of processor time.

    Args:
        name: one of `BENCHMARKS`.
        progress: show how the making goes on stderr.
        again: make it even if it is there.

    Raises:
        UnknownNameError: no set of that name.
        TaskError: as `benchmark`.
    """
    what, path = _published(name), file_of(name)
    if not again and path.exists():
        return _read(name)
    benchmark_file.check_room(path, what.num_bytes)
    with _reporter(name, what.size, progress) as report:
        made = _made(what, report)
    _check_content(what, made.content, "What this Python has drawn is not the published set")
    benchmark_file.write(path, made.arrays, made.facts)
    return made


def file_of(name: str) -> Path:
    """Where a set is kept once it was made.

    Raises:
        UnknownNameError: no set of that name.
    """
    _published(name)
    folder = benchmark_file.cache_folder() / "benchmarks"
    return folder / f"{name}.{benchmark_file.FORMAT}.safetensors"


def _published(name: str) -> Published:
    if name not in BENCHMARKS:
        raise UnknownNameError("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]


def _read(name: str) -> Kept:
    path = file_of(name)
    try:
        found = benchmark_file.read(path)
        _check_content(BENCHMARKS[name], found.content, f"{path} holds another set than {name!r}")
    except TaskError as error:
        raise TaskError(
            f"{error} Make it again with `meadow tasks make {name} --again`."
        ) from error
    return found


def _made(what: Published, report: Callable[[int], None]) -> Kept:
    began = time.process_time()
    made = drawn(what.kind, what.size, repeats=what.today is not None, report=report)
    arrays = made.tasks._asdict()
    if what.today is not None:
        size = BENCHMARKS[what.today].size
        arrays["today"] = np.where(made.numbers < size, made.numbers, np.int32(-1))
    seconds = round(time.process_time() - began, 1)
    different = int(made.numbers.max()) + 1
    facts = {"draws": made.draws, "different": different, "seconds": seconds}
    return Kept(arrays, facts, benchmark_file.content(arrays))


def _check_content(what: Published, got: str, otherwise: str) -> None:
    if got != what.content:
        raise TaskError(
            f"{otherwise}: expected content {what.content[:16]}, got {got[:16]}. Sets are drawn in "
            "the order in which CPython 3.8 and newer iterates over sets; this is "
            f"{platform.python_implementation()} {platform.python_version()}."
        )


@contextlib.contextmanager
def _reporter(name: str, size: int, shown: bool) -> Iterator[Callable[[int], None]]:
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Making {name}", total=size)
        yield lambda done: progress.update(task, completed=done)
