"""Rehearsal: learning from a store, as often as what was lived makes due."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE, AbstractLearner
from meadow.core.store import AbstractStore
from meadow.core.trajectory import Trajectory
from meadow.loops.divided import Divided
from meadow.replay.limiter import Limiter
from meadow.replay.replay import Replay


class Mean(NamedTuple):
    """A mean of some numbers that may be none: their sum, and how many they are."""

    total: Float[Array, "..."]
    num: Float[Array, "..."]

    @property
    def value(self) -> Float[Array, "..."]:
        """NaN of none."""
        return jnp.where(self.num > 0, self.total / self.num, jnp.nan)


Means = dict[str, Mean]


class Rehearsal(eqx.Module):
    """What is kept, and how it is learnt from.

    Attributes:
        store: of all that is lived.
        num: windows of a draw; the learner learns once from each draw.
        limiter: how many windows are drawn for each step lived, and after how many steps.
    """

    store: AbstractStore
    num: int = eqx.field(static=True)
    limiter: Limiter

    def begin(self, chunk: Trajectory) -> PyTree:
        """The store before the first of such chunks.

        Raises:
            SpecError: draws are due before there is a window.
        """
        (rows, lives), needed = chunk.trial_ended.shape, _needed(self.store)
        before = (-(-needed // rows) - 1) * rows * lives  # steps of the chunks that make none
        if self.updates(before):
            raise SpecError(
                f"Expected a window in the store before the first draw, {needed} steps of each of "
                f"{lives} lives, got draws that are due after {before} steps in all. Write "
                f"`Limiter(..., least={needed * lives})`, or more."
            )
        return self.store.init(chunk)

    def due(self, iteration: Int[Array, ""], steps: int) -> Int[Array, ""]:
        """How often the learner learns in an iteration, the first being 1, of so many steps."""
        return self.limiter.due_in(iteration, steps, self.num)

    def updates(self, steps: int) -> int:
        """How often it has learnt after so many steps."""
        return self.limiter.due(steps, self.num)

    def learn(
        self,
        learner: AbstractLearner,
        state: PyTree,
        kept: PyTree,
        times: Int[Array, ""],
        *,
        key: Key[Array, ""],
    ) -> tuple[PyTree, PyTree, Means]:
        """Draw and learn so many times: the learner, the store, and the metrics."""

        def once(now: tuple[PyTree, PyTree], key: Key[Array, ""]) -> tuple:
            state, kept = now
            key_draw, key_learn = jr.split(key)
            draw = self.store.sample(kept, self.num, key=key_draw)
            state, metrics = learner.update(state, draw.trajectory, key=key_learn)
            kept = self.store.update(kept, draw, metrics.pop(SURPRISE, None))
            return (state, kept), metrics

        shapes = jax.eval_shape(lambda: once((state, kept), key)[1])
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        def body(i: Int[Array, ""], carry: tuple) -> tuple:
            now, metrics = once(carry[0], jr.fold_in(key, i))
            return now, jax.tree.map(jnp.add, carry[1], metrics)

        (state, kept), sums = jax.lax.fori_loop(0, times, body, ((state, kept), nothing))
        num = times.astype(jnp.float32)
        return state, kept, {name: Mean(total, num) for name, total in sums.items()}


def _needed(store: AbstractStore) -> int:
    """Steps of a life after which a store holds a window, as far as is known."""
    store = store.share if isinstance(store, Divided) else store
    return store.length + (store.ends is not None) if isinstance(store, Replay) else 0


def learnt(
    learner: AbstractLearner, state: PyTree, trajectory: Trajectory, *, key: Key[Array, ""]
) -> tuple[PyTree, Means]:
    """Learn from a chunk as it was lived."""
    state, metrics = learner.update(state, trajectory, key=key)
    metrics = {name: x for name, x in metrics.items() if name != SURPRISE}
    return state, means(metrics)


def means(metrics: dict[str, Float[Array, "..."]]) -> Means:
    """Of one number each."""
    return {name: Mean(x, jnp.ones_like(x)) for name, x in metrics.items()}
