"""Placement: the whole run is one program on one device.

A run is chunks of one compiled iteration. How many iterations a chunk has is data, not shape: the
program is compiled once, and a run cut anywhere and resumed is the same run, bit for bit.
"""

import functools
from typing import cast

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key

from meadow.loops.iteration import Experiment, Metrics, Progress, Step, begin, iterate


class Compiled:
    """Runs an experiment on one device, or several seeds of it side by side.

    Args:
        experiment: what is run.
        seeds: None for one run; a number lays that many independent runs along a new first axis
            of `Progress` and of every metric.
    """

    def __init__(self, experiment: Experiment, *, seeds: int | None = None):
        self.experiment = experiment
        self._seeds = seeds
        self._advance = jax.jit(self._chunk, donate_argnums=0)

    def begin(self, *, key: Key[Array, ""]) -> Progress:
        """Progress before the first iteration."""

        def start(key: Key[Array, ""]) -> Progress:
            return begin(self.experiment, key=key)

        if self._seeds is None:
            return jax.jit(start)(key)
        return jax.jit(jax.vmap(start))(jr.split(key, self._seeds))

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations; `progress` is consumed. Metrics are means over them."""
        return self._advance(progress, jnp.int32(num))

    def _chunk(self, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
        step = functools.partial(iterate, self.experiment)
        return repeat(step if self._seeds is None else jax.vmap(step), progress, num)


def repeat(step: Step, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
    """`num` times `step`, and the means of its metrics."""
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(step, progress)[1])

    def body(_: Array, carry: tuple[Progress, Metrics]) -> tuple[Progress, Metrics]:
        progress, metrics = step(carry[0])
        return progress, jax.tree.map(jnp.add, carry[1], metrics)

    progress, sums = jax.lax.fori_loop(0, num, body, (progress, zeros))
    return progress, cast(Metrics, jax.tree.map(lambda x: x / num, sums))
