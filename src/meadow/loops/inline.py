"""Placement: environments are programs outside; everything else is the run that is compiled.

A chunk is lived, then one compiled call keeps it, learns as often as is due, and deals the luck of
the next. There are no threads and nobody waits for anybody: what is learnt when follows from counts
alone, as in the compiled placement, and with the same environment it is the same run.

Lives of environments that can be set to a state are taken up where they stood, and such a run cut
anywhere is the same run. Others begin new episodes when a run is resumed: the episodes that were
cut are truncated in the store, and luck follows from the run's key.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key, PyTree, UInt32

from meadow.core.curriculum import AbstractExaminer
from meadow.core.errors import SpecError
from meadow.loops import iteration
from meadow.loops.iteration import Experiment, Metrics, Progress, iterate
from meadow.loops.rehearsal import Means
from meadow.replay.replay import State
from meadow.replay.truncate import truncate
from meadow.rollout.host import AbstractHost, Luck, keys_of
from meadow.rollout.host_collect import Collector, Lived
from meadow.rollout.life import Life, unborn

_LUCK = 0x51EED  # of environments: apart from whatever the loop draws


class _Flat(NamedTuple):
    """Progress without lives, as leaves: a call of a hundred modules costs as much as an update."""

    learner: list[Array]
    rest: list[Array]
    key: UInt32[Array, "words"]


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
        self._collector = Collector(host, self._agent, experiment.trial, experiment.length)
        self._structures: tuple[Any, Any] = (None, None)  # of the learner, and of the rest
        self._stands: Life | None = None  # as of which progress the host's lives stand
        self._deal, self._life = jax.jit(self._dealt), jax.jit(self._collector.life)
        self._advance = jax.jit(self._iteration, donate_argnums=(0, 1))
        self._cut = jax.jit(self._truncated, donate_argnums=0)

    def begin(self, *, key: Key[Array, ""]) -> Progress:
        """Progress before the first iteration."""
        if key.dtype != jr.key(0).dtype:
            raise SpecError(f"Expected a key of JAX's default kind, got {key.dtype}.")
        return jax.jit(lambda key: iteration.begin(self.experiment, key=key))(key)

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations; `progress` is consumed. Metrics are means over them."""
        life, flat = progress.life, self._flattened(progress)
        number = jnp.arange(self.experiment.lives) if life is None else life.number
        if life is not None and life is not self._stands:
            self._collector.start(life, self._seed(flat))
        (tasks, keys), sums = self._deal(flat, number), {}
        for _ in range(num):
            if self.experiment.anew:
                self._collector.start(self._unborn(flat, tasks), self._seed(flat))
            lived = self._collector.collect(flat.learner, Luck(tasks, keys, 0))
            if life is not None:
                life = (lived, self._host.playing or (tasks, ()), number)
            flat = self._told_of_cuts(flat)
            sums = sums or self._zeros(flat, lived)
            flat, sums, (tasks, keys) = self._advance(flat, sums, lived, number)
        life = self._life(*life) if isinstance(life, tuple) else life
        self._stands, progress = life, self._whole(flat)._replace(life=life)
        metrics = {name: mean.value for name, mean in sums.items()}
        return progress, metrics | self.experiment.curriculum.metrics(progress.curriculum)

    def _flattened(self, progress: Progress) -> _Flat:
        rest = progress._replace(life=None, learner=None, key=None)
        self._structures = jax.tree.structure(progress.learner), jax.tree.structure(rest)
        return _flat(progress)

    def _whole(self, flat: _Flat) -> Progress:
        rest = jax.tree.unflatten(self._structures[1], flat.rest)
        learner = jax.tree.unflatten(self._structures[0], flat.learner)
        return rest._replace(learner=learner, key=keys_of(flat.key))

    def _agent(self, learner: list[Array]) -> Any:
        return self.experiment.learner.agent(jax.tree.unflatten(self._structures[0], learner))

    def _unborn(self, flat: _Flat, tasks: PyTree) -> Life:
        return unborn(self.experiment.environment, self._agent(flat.learner), tasks)

    def _seed(self, flat: _Flat) -> int:
        return int(jr.bits(jr.fold_in(keys_of(flat.key), _LUCK)))

    def _told_of_cuts(self, flat: _Flat) -> _Flat:
        """The store with those episodes ended that were cut after it was told of them."""
        cut, self._collector.cut = self._collector.cut, None
        return flat if cut is None else self._cut(flat, *cut)

    def _truncated(self, flat: _Flat, who: Array, stood: list[Array]) -> _Flat:
        progress, stood = self._whole(flat), self._collector.observation(stood)
        if isinstance(progress.store, State):
            progress = progress._replace(store=truncate(progress.store, stood, who))
        return _flat(progress)

    def _zeros(self, flat: _Flat, lived: Lived) -> Means:
        number = jnp.arange(self.experiment.lives)
        shapes = jax.eval_shape(self._iteration, flat, {}, lived, number)[1]
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def _dealt(self, flat: _Flat, number: Int[Array, "lives"]) -> tuple[PyTree, Array]:
        """Tasks and keys of the next chunk, drawn as `iterate` and `Living.collect` draw them."""
        experiment, progress = self.experiment, self._whole(flat)
        _, key_tasks, key_live, _ = jr.split(progress.key, 4)
        tasks = experiment.curriculum.sample(
            progress.curriculum, experiment.lives, key=key_tasks
        ).tasks
        key_rows, key_after = jr.split(key_live)
        keys = jnp.concatenate([jr.split(key_rows, experiment.length), key_after[None]])
        each = jax.vmap(jax.vmap(jr.fold_in, (None, 0)), (0, None))
        return tasks, jr.key_data(each(keys, number))

    def _iteration(
        self, flat: _Flat, sums: Means, lived: Lived, number: Int[Array, "lives"]
    ) -> tuple[_Flat, Means, tuple[PyTree, Array]]:
        """The loop's own iteration, of a chunk that was lived already; and the next deal."""

        def live(_: Experiment, agent: Any, life: Any, tasks: PyTree, *, key: Array) -> tuple:
            return None, self._collector.trajectory(lived)

        progress, metrics = iterate(self.experiment, self._whole(flat), live)
        sums = jax.tree.map(jnp.add, sums, metrics) if sums else metrics
        flat = _flat(progress)
        return flat, sums, self._dealt(flat, number)


def _flat(progress: Progress) -> _Flat:
    rest = progress._replace(life=None, learner=None, key=None)
    leaves = jax.tree.leaves(progress.learner), jax.tree.leaves(rest)
    return _Flat(*leaves, jr.key_data(progress.key))


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
