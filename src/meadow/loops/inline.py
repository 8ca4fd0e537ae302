"""Placement: environments are programs outside; everything else is the run that is compiled.

A chunk is lived, then one compiled call keeps it, learns as often as is due, and deals the luck of
the next. There are no threads and nobody waits for anybody: what is learnt when follows from counts
alone, as in the compiled placement, and with the same environment it is the same run.

Lives of environments that can be set to a state are taken up where they stood, and such a run cut
anywhere is the same run. Others begin new episodes when a run is resumed: the episodes that were
cut are truncated in the store, and luck follows from the run's key.
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from meadow.core.curriculum import AbstractExaminer
from meadow.core.errors import SpecError
from meadow.loops import iteration
from meadow.loops.iteration import Experiment, Metrics, Progress, iterate
from meadow.loops.rehearsal import Means
from meadow.replay.replay import State
from meadow.replay.truncate import truncate
from meadow.rollout.host import AbstractHost, Luck
from meadow.rollout.host_collect import Collector, Lived, life_of, trajectory_of
from meadow.rollout.life import Life, unborn

_LUCK = 0x51EED  # of environments: apart from whatever the loop draws


class Inline:
    """Runs an experiment with environments of a host.

    Args:
        experiment: what is run; its environment is `host.environment`.
        host: closed by whoever made it.

    Raises:
        SpecError: the host has another number of lives, or the experiment asks for what needs a
            compiled environment.
    """

    def __init__(self, experiment: Experiment, host: AbstractHost):
        _check(experiment, host)
        self.experiment, self._host = experiment, host
        self._collector = Collector(
            host, experiment.learner.agent, experiment.trial, experiment.length
        )
        self._stands: Life | None = None  # as of which progress the host's lives stand
        self._nothing: Means | None = None
        self._deal = jax.jit(self._dealt)
        self._advance = jax.jit(self._iteration, donate_argnums=(0, 1))
        self._cut = jax.jit(truncate, donate_argnums=0)

    def begin(self, *, key: Key[Array, ""]) -> Progress:
        """Progress before the first iteration."""
        return jax.jit(lambda key: iteration.begin(self.experiment, key=key))(key)

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations; `progress` is consumed. Metrics are means over them."""
        life = self._taken_up(progress)
        tasks, keys = self._deal(progress, life.number)
        sums: Means | None = None
        for _ in range(num):
            if self.experiment.anew:
                self._collector.start(self._unborn(progress, tasks), self._seed(progress))
            lived = self._collector.collect(progress.learner, Luck(tasks, keys, 0))
            progress = self._told_of_cuts(progress)._replace(life=None)
            sums = self._zeros(progress, lived, life.number) if sums is None else sums
            progress, sums, (tasks, keys) = self._advance(progress, sums, lived, life.number)
        self._stands = progress.life
        metrics = {name: mean.value for name, mean in (sums or {}).items()}
        return progress, metrics | self.experiment.curriculum.metrics(progress.curriculum)

    def _taken_up(self, progress: Progress) -> Life:
        """The lives of progress; the host's stand there."""
        if self.experiment.anew:
            return self._unborn(progress, self._tasks_of(progress))
        assert progress.life is not None, "lives that go on are part of the progress"
        if progress.life is not self._stands:
            self._collector.start(progress.life, self._seed(progress))
        return progress.life

    def _tasks_of(self, progress: Progress) -> PyTree:
        return self._deal(progress, jnp.arange(self.experiment.lives))[0]

    def _unborn(self, progress: Progress, tasks: PyTree) -> Life:
        experiment = self.experiment
        return unborn(experiment.environment, experiment.agent(progress.learner), tasks)

    def _seed(self, progress: Progress) -> int:
        return int(jr.bits(jr.fold_in(progress.key, _LUCK)))

    def _told_of_cuts(self, progress: Progress) -> Progress:
        """The store with those episodes ended that were cut after it was told of them."""
        cut = self._collector.cut
        if cut.any():
            if isinstance(progress.store, State):
                store = self._cut(progress.store, self._collector.stood, cut)
                progress = progress._replace(store=store)
            self._collector.cut = np.zeros_like(cut)
        return progress

    def _zeros(self, progress: Progress, lived: Lived, number: Int[Array, "lives"]) -> Means:
        if self._nothing is None:
            step = jax.eval_shape(self._iteration, progress, {}, lived, number)
            self._nothing = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), step[1])
        return jax.tree.map(jnp.asarray, self._nothing)

    def _dealt(self, progress: Progress, number: Int[Array, "lives"]) -> tuple[PyTree, Array]:
        """Tasks and keys of the next chunk, drawn as `iterate` and `Living.collect` draw them."""
        experiment = self.experiment
        _, key_tasks, key_live, _ = jr.split(progress.key, 4)
        tasks = experiment.curriculum.sample(
            progress.curriculum, experiment.lives, key=key_tasks
        ).tasks
        key_rows, key_after = jr.split(key_live)
        keys = jnp.concatenate([jr.split(key_rows, experiment.length), key_after[None]])
        each = jax.vmap(jax.vmap(jr.fold_in, (None, 0)), (0, None))
        return tasks, each(keys, number)

    def _iteration(
        self, progress: Progress, sums: Means, lived: Lived, number: Int[Array, "lives"]
    ) -> tuple[Progress, Means, tuple[PyTree, Array]]:
        """The loop's own iteration, of a chunk that was lived already; and the next deal."""

        def live(_: Experiment, agent: Any, life: Any, tasks: PyTree, *, key: Array) -> tuple:
            return life_of(lived, tasks, number), trajectory_of(lived)

        progress, metrics = iterate(self.experiment, progress, live)
        sums = jax.tree.map(jnp.add, sums, metrics) if sums else metrics
        return progress, sums, self._dealt(progress, number)


def _check(experiment: Experiment, host: AbstractHost) -> None:
    if host.num != experiment.lives:
        raise SpecError(
            f"The experiment has {experiment.lives} lives and the host {host.num} environments. "
            f"Write `Experiment(..., lives={host.num})`."
        )
    if jax.tree.structure(host.environment) != jax.tree.structure(experiment.environment):
        raise SpecError(
            f"The experiment is of {type(experiment.environment).__name__}, and not of the host's "
            "environment. Write `Experiment(environment=host.environment, ...)`."
        )
    if isinstance(experiment.curriculum, AbstractExaminer) or experiment.students is not None:
        raise SpecError(
            "Examining curricula and several students need a compiled environment. Give another "
            "curriculum, and `students=None`, or run the experiment with `Compiled`."
        )
