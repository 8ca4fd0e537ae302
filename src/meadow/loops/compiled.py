"""Placement: the whole run is one program on one device.

A run is chunks of one compiled iteration. How many iterations a chunk has is data, not shape: the
program is compiled once, and a run cut anywhere and resumed is the same run, bit for bit.
"""

import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key

from meadow.loops.each import each
from meadow.loops.iteration import Experiment, Metrics, Progress, Step, begin, iterate
from meadow.loops.rehearsal import Means


class Compiled:
    """Runs an experiment on one device, or several seeds of it side by side.

    Args:
        experiment: what is run.
        seeds: None for one run; a number lays that many independent runs along a new first axis
            of `Progress` and of every metric.
        at_once: whether seeds are vectorised or take turns; by the device when None (`each`).
    """

    def __init__(
        self, experiment: Experiment, *, seeds: int | None = None, at_once: bool | None = None
    ):
        self.experiment = experiment
        self._seeds, self._at_once = seeds, at_once
        self._advance = jax.jit(self._chunk, donate_argnums=0)

    def begin(self, *, key: Key[Array, ""]) -> Progress:
        """Progress before the first iteration."""

        def start(key: Key[Array, ""]) -> Progress:
            return begin(self.experiment, key=key)

        if self._seeds is None:
            return jax.jit(start)(key)
        return jax.jit(jax.vmap(start, out_axes=_SEEDS))(jr.split(key, self._seeds))

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations; `progress` is consumed. Metrics are means over them."""
        return self._advance(progress, jnp.int32(num))

    def _chunk(self, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
        if self._seeds is None:
            return self._alone(progress, num)
        # Which iteration it is all seeds share: what is due is a branch and not a choice.
        now = progress.iteration

        def one(progress: Progress) -> tuple[Progress, Metrics]:
            progress, metrics = self._alone(progress._replace(iteration=now), num)
            return progress._replace(iteration=cast(Any, None)), metrics

        progress, metrics = each(one, self._at_once)(progress._replace(iteration=cast(Any, None)))
        return progress._replace(iteration=now + num), metrics

    def _alone(self, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
        step = functools.partial(iterate, self.experiment)
        progress, metrics = repeat(step, progress, num)
        return progress, metrics | self.experiment.curriculum.metrics(progress.curriculum)


_SEEDS = Progress(*cast(Any, (0, 0, 0, 0, None, 0)))  # which axis of each part the seeds lie along


def repeat(step: Step, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
    """`num` times `step`, and the means of its metrics over those times that had any."""
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(step, progress)[1])

    def body(_: Array, carry: tuple[Progress, Means]) -> tuple[Progress, Means]:
        progress, metrics = step(carry[0])
        return progress, jax.tree.map(jnp.add, carry[1], metrics)

    progress, sums = jax.lax.fori_loop(0, num, body, (progress, zeros))
    return progress, {name: mean.value for name, mean in sums.items()}
