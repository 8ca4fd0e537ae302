"""Drive: run a placement in chunks and show each chunk to whoever is watching."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import numpy as np

from meadow.loops.iteration import Experiment, Metrics, Progress


@runtime_checkable
class Placement(Protocol):
    """Where a run runs: `Compiled`, `Sharded`."""

    experiment: Experiment

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations."""
        ...


Watcher = Callable[[int, dict[str, np.ndarray], Progress], bool]
"""Told the iteration, the metrics of the chunk and the progress; True asks to stop."""


def drive(
    placement: Placement, progress: Progress, iterations: int, chunk: int, watch: Watcher
) -> Progress:
    """Run until `iterations` are done in all, counted from the very first, or `watch` stops it.

    Args:
        iterations: the total; what `progress` has already done counts.
        chunk: iterations between two looks.
    """
    done = int(np.max(progress.iteration))
    while done < iterations:
        num = min(chunk, iterations - done)
        progress, metrics = placement.run(progress, num)
        done += num
        if watch(done, jax.device_get(metrics), progress):
            break
    return progress
