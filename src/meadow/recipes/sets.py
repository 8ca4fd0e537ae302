"""Sets: what the command line does with published sets of tasks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.random as jr

from meadow.core.errors import TaskError, UnknownNameError
from meadow.recipes import ids
from meadow.tasks import benchmark
from meadow.tasks.benchmark_pickle import read_published
from meadow.tasks.grid import GridTask
from meadow.tasks.show import tree
from meadow.tasks.statistics import statistics
from meadow.tasks.table import Table


def make(name: str, *, again: bool = False) -> tuple[Path, dict[str, Any]]:
    """See that a published set is in the cache: where, and what is known of its making.

    Raises:
        UnknownNameError: no set of that name.
        TaskError: it is damaged, or could not be written.
    """
    found = benchmark.kept(name, progress=True, again=again)
    facts = {"tasks": benchmark.BENCHMARKS[name].size, **found.facts, "sha256": found.content}
    return benchmark.file_of(name), facts


def stats(name: str) -> dict[str, Any]:
    """The statistics of a published set or of a file of one."""
    table = _table(name)
    if table is None:
        raise UnknownNameError("published set or file", name, benchmark.BENCHMARKS)
    figures = statistics(table.tasks)
    if name in benchmark.BENCHMARKS:
        facts = benchmark.kept(name).facts
        figures["rejected"] = facts["draws"] - len(table)
        figures["repeats"] = len(table) - facts["different"]
    return figures


def trees(name: str, num: int, first: int | None, seed: int) -> Iterator[tuple[int, str]]:
    """Tasks as text, with their numbers.

    Args:
        name: a set, a file of one, a recipe or a published kind.
        num: how many.
        first: the number of the first, in a set; None to draw them.
        seed: of the draw.
    """
    table = _table(name)
    if first is None:
        space = ids.space(name) if table is None else table
        draw = jax.jit(lambda key: space.sample(key=key))
        yield from ((i, tree(draw(key))) for i, key in enumerate(jr.split(jr.key(seed), num)))
    elif table is None:
        raise TaskError(f"The tasks of {name!r} are endless and have no numbers: omit `--first`.")
    else:
        yield from ((i, tree(table.task(i))) for i in range(first, first + num))


def _table(name: str) -> Table[GridTask] | None:
    if name in benchmark.BENCHMARKS:
        return benchmark.benchmark(name, progress=True)
    return read_published(name) if Path(name).is_file() else None
