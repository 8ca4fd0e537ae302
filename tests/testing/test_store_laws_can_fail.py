"""Every law of stores can fail: for each there is a store that breaks it and nothing before it."""

import dataclasses
import itertools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from meadow.core.errors import SpecError
from meadow.core.store import AbstractStore
from meadow.core.timestep import TimeStep
from meadow.replay.replay import Replay
from meadow.testing import check_store
from meadow.testing.laws import store

CAPACITY, COUNTER = 12, itertools.count(1)
SOUND = Replay(CAPACITY, length=2)


class Altered(AbstractStore):
    """A sound store, altered at one place."""

    on_add: Callable = eqx.field(static=True, default=lambda state, *_: state)
    on_sample: Callable = eqx.field(static=True, default=lambda draw, *_: draw)
    inner: Replay = SOUND

    def init(self, trajectory):
        return self.inner.init(trajectory)

    def add(self, state, trajectory):
        return self.on_add(self.inner.add(state, trajectory), state, trajectory)

    def sample(self, state, num, *, key):
        return self.on_sample(self.inner.sample(state, num, key=key), state, num)

    def update(self, state, draw, surprise):
        return self.inner.update(state, draw, surprise)


def lived(change: Callable) -> Altered:
    """The windows drawn are others."""
    return Altered(
        on_sample=lambda draw, *_: eqx.tree_at(
            lambda d: d.trajectory, draw, change(draw.trajectory)
        )
    )


def changed(where: Callable, change: Callable) -> Altered:
    """One leaf of the windows drawn is another."""
    return lived(lambda trajectory: eqx.tree_at(where, trajectory, replace_fn=change))


def _foretold(trajectory):
    """Windows like those that were lived, of a time to come."""
    ahead = 6_000  # whole episodes

    def later(timestep):
        number = timestep.observation["number"] + ahead
        observation = {"number": number, "picture": store._picture(number)}
        fields = (timestep.step_type, timestep.reward + ahead, timestep.discount)
        return TimeStep(*fields, observation, timestep.episode)

    return dataclasses.replace(
        trajectory,
        timestep=later(trajectory.timestep),
        action=trajectory.action + ahead,
        next=later(trajectory.next),
    )


def _kept_for_ever(state, before, trajectory):
    """Nothing comes in any more, once there is something."""
    return jax.tree.map(lambda x, y: jnp.where(before.added >= 12, y, x), state, before)


def _turned_each_time(draw, *_):
    turn = next(COUNTER)
    return jax.tree.map(lambda x: jnp.roll(x, turn % 3 + 1, -1) if x.ndim == 1 else x, draw)


def _always_the_same(draw, state, num):
    one = SOUND.sample(state, 1, key=jr.key(0))
    return jax.tree.map(lambda x: jnp.repeat(x, num, -1 if x.ndim == 1 else 1), one)


BROKEN = {
    "add works under jit": [Altered(lambda state, *_: state if state.added > 0 else state)],
    "add and update keep the state's structure": [Altered(lambda state, *_: (state, state))],
    "a draw holds num windows": [lived(lambda t: jax.tree.map(lambda x: x[..., :2], t))],
    "windows come back whole": [
        changed(lambda t: t.action, lambda x: x[:, ::-1]),
        changed(lambda t: t.next.observation["number"], lambda x: x // 2 * 2),
        changed(lambda t: t.timestep.observation["picture"], lambda x: x + 1),
        changed(lambda t: t.trial_ended, lambda x: ~x),
        changed(lambda t: t.weight, jnp.zeros_like),
    ],
    "only what was lived comes back": [lived(_foretold)],
    "the oldest make room": [Altered(_kept_for_ever)],
    "all that is kept is drawn": [Altered(on_sample=_always_the_same)],
    "weights lie between 0 and 1": [changed(lambda t: t.weight, lambda x: x * 3)],
    "sample only reads": [Altered(on_sample=_turned_each_time)],
}


@pytest.mark.parametrize("law", store.LAWS)
def test_store(law, key, all_fail):
    all_fail(
        store.LAWS, BROKEN, law, lambda broken: check_store(broken, capacity=CAPACITY, key=key)
    )


@pytest.mark.parametrize("capacity", [1, 101])
def test_stores_are_examined_small(capacity, key):
    with pytest.raises(SpecError, match="Expected capacity"):
        check_store(SOUND, capacity=capacity, key=key)
