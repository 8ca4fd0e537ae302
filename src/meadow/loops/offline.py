"""Placement: a fixed dataset on one device; the learner learns from it and nobody acts.

The learner is the one that learns online, the draws are the store's, and `Progress` is that of
every placement: an iteration is one update, and `Progress.store` what the selector knows. The
dataset itself belongs to the placement; it is not written with the progress, nor copied for seeds.
"""

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key

from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.spec import ActionSpec
from meadow.core.trajectory import Trajectory
from meadow.data.recorded import Recorded, followed, lifted
from meadow.loops.compiled import repeat
from meadow.loops.each import each
from meadow.loops.iteration import Metrics, Progress
from meadow.loops.rehearsal import Means, Rehearsal
from meadow.replay.limiter import Limiter
from meadow.replay.replay import Ends, Replay, Rows, State
from meadow.replay.ring import everything


class Offline:
    """Learns from a dataset, for one seed or several.

    Args:
        learner: who learns; its hyper-parameters are those of an online run.
        store: hands the dataset out; has room for all of it.
        num: windows of a draw, each learnt from once.
        recorded: the dataset.
        seeds: None for one run; a number lays that many independent runs, of the same dataset,
            along a new first axis of `Progress` and of every metric.
        at_once: whether seeds are vectorised or take turns; by the device when None (`each`).

    Raises:
        SpecError: a store that cannot hold the dataset, or no window in it.
    """

    def __init__(
        self,
        learner: AbstractLearner,
        store: Replay,
        num: int,
        recorded: Recorded,
        *,
        seeds: int | None = None,
        at_once: bool | None = None,
    ):
        self.learner, self._recorded = learner, recorded
        self._rehearsal = Rehearsal(store, num, Limiter())
        self._kept = filled(store, recorded)
        self._seeds, self._at_once = seeds, at_once
        self._advance = jax.jit(self._chunk, donate_argnums=0)

    def begin(self, *, key: Key[Array, ""]) -> Progress:
        """Progress before the first update."""
        timestep, action_spec = self._recorded.example, self._recorded.action_spec

        def start(key: Key[Array, ""]) -> Progress:
            key_learner, key = jr.split(key)
            state = self.learner.init(timestep, action_spec, key=key_learner)
            return Progress(state, None, None, key, jnp.int32(0), self._kept.selector)

        if self._seeds is None:
            return jax.jit(start)(key)
        return jax.jit(jax.vmap(start, out_axes=_SEEDS))(jr.split(key, self._seeds))

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` updates; `progress` is consumed. Metrics are means over them."""
        return self._advance(progress, self._kept, jnp.int32(num))

    def _chunk(
        self, progress: Progress, kept: State, num: Int[Array, ""]
    ) -> tuple[Progress, Metrics]:
        def update(progress: Progress) -> tuple[Progress, Means]:
            key, key_learn = jr.split(progress.key)
            store = eqx.tree_at(lambda s: s.selector, kept, progress.store)
            state, store, metrics = self._rehearsal.learn(
                self.learner, progress.learner, store, jnp.int32(1), key=key_learn
            )
            after = Progress(state, None, None, key, progress.iteration + 1, store.selector)
            return after, metrics

        if self._seeds is None:
            return repeat(update, progress, num)
        now = progress.iteration

        def one(progress: Progress) -> tuple[Progress, Metrics]:
            progress, metrics = repeat(update, progress._replace(iteration=now), num)
            return progress._replace(iteration=cast(Any, None)), metrics

        progress, metrics = each(one, self._at_once)(progress._replace(iteration=cast(Any, None)))
        return progress._replace(iteration=now + num), metrics


_SEEDS = Progress(*cast(Any, (0, None, None, 0, None, 0)))  # along which axis the seeds lie


def filled(store: Replay, recorded: Recorded) -> State:
    """The store after a dataset was added to it, a row of all lives at a time.

    Raises:
        SpecError: the store has not room for all of it, or it holds no window.
    """
    lived = recorded.trajectory
    if store.capacity < recorded.steps:
        raise SpecError(
            f"The dataset has {recorded.steps:,} steps, and the store room for "
            f"{store.capacity:,}. Write `Replay({recorded.steps})`, or take `Recorded.part`."
        )
    if len(lived.trial_ended) < store.length + (store.ends is not None):
        raise SpecError(
            f"A dataset of {len(lived.trial_ended)} rows has no window of {store.length}. Make "
            "`length` smaller."
        )
    if missing := sorted(set(store.record) - set(lived.record)):
        raise SpecError(f"The dataset has no record of {missing}, only of {sorted(lived.record)}.")

    def row(lived: Trajectory) -> Trajectory:
        alone = jax.tree.map(lambda x: x[None], lived)
        return eqx.tree_at(lambda t: t.after, alone, lived.next, is_leaf=lambda x: x is None)

    @jax.jit
    def fill(rows: Trajectory) -> State:
        first = row(jax.tree.map(lambda x: x[0], rows))
        add = lambda state, lived: (store.add(state, row(lived)), None)  # noqa: E731
        return jax.lax.scan(add, store.init(first), rows)[0]

    return fill(eqx.tree_at(lambda t: t.after, lived, None))


def recorded(
    state: State, action_spec: ActionSpec, facts: dict[str, str] | None = None
) -> Recorded:
    """What a store keeps, as a dataset: `filled` of it hands out the same windows.

    Rows whose end is not known any more, where observations are kept once, are left out with all
    before them; and so is the newest row, where what came of it is not yet known.

    Raises:
        SpecError: nothing is kept.
    """
    num, added = state.rows.shape[0], int(state.added)
    order = np.arange(max(added - num, 0), added) % num
    rows = jax.tree.map(lambda x: np.asarray(x)[order], everything(state.rows))
    if (ends := jax.device_get(state.ends)) is not None:
        rows = _ended(rows, ends)
    if not len(rows.trial_ended):
        raise SpecError("Nothing is kept of which all is known: there is nothing to record.")
    trajectory = lifted(rows.timestep, rows.action, rows.next, rows.trial_ended, rows.record)
    return Recorded(trajectory, action_spec, facts or {})


def _ended(rows: Rows, ends: Ends) -> Rows:
    """Rows with what came of them; without those of which that is not known."""
    number, ended = rows.end, rows.end >= 0
    known = np.asarray(ends.known(jnp.asarray(number))).all(axis=1)
    start = np.flatnonzero(~known).max(initial=-1) + 1
    stop = len(number) - (not ended[-1:].all())
    last = jax.tree.map(lambda x: x[number[ended] % ends.num], ends.seen)
    observation = followed(rows.timestep.observation, ended, last)
    rows = rows._replace(next=rows.next.showing(observation), end=None)
    return jax.tree.map(lambda x: x[start:stop], rows)
