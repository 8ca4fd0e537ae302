"""Replay: windows against a list of everything lived; what is kept, and for how many bytes."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meadow.core.errors import SpecError, UnknownNameError
from meadow.replay import ring
from meadow.replay.fifo import Fifo
from meadow.replay.replay import Replay
from meadow.replay.selector import AbstractSelector, Chosen

CHUNKS = 9


class Every(AbstractSelector[tuple[()]]):
    """Window 0, 1, 2, ... of those that are kept, and weight 0 behind the last."""

    def init(self, places, lives):
        return ()

    def add(self, state, before, after, most):
        return ()

    def sample(self, state, span, num, *, key):
        number, life = jnp.divmod(jnp.arange(num), span.lives)
        kept = span.oldest + number < span.end
        number = jnp.where(kept, span.oldest + number, span.oldest)
        return Chosen(number, life, kept.astype(jnp.float32))

    def update(self, state, span, chosen, surprise):
        return ()


@functools.cache
def compiled(store: Replay, num: int):
    return jax.jit(store.add), jax.jit(lambda state: store.sample(state, num, key=jr.key(0)))


def filled(store, lived, chunk, chunks=CHUNKS, num=64):
    """The store after so many chunks, and what it hands out."""
    state, (add, sample) = store.init(lived.chunk(0, chunk)), compiled(store, num)
    for n in range(chunks):
        state = add(state, lived.chunk(n * chunk, chunk))
    return state, jax.device_get(sample(state).trajectory)


def rows_of(store, chunk, lives):
    """Rows of the ring: whole chunks and windows, room for a window beside what is overwritten."""
    least = store.length + 2 * max(chunk, store.period)
    whole = math.lcm(chunk, store.period)
    return math.ceil(max(math.ceil(store.capacity / lives), least) / whole) * whole


def windows(store, lived, chunk, chunks=CHUNKS):
    """First rows and lives that can be drawn, by brute force; and those whose end is lost."""
    lives, added = lived.last.shape[1], chunk * chunks
    rows, once = rows_of(store, chunk, lives), store.ends is not None
    ended = np.cumsum(lived.last[:added]).reshape(added, lives) - 1
    lost = np.zeros((added, lives), bool)
    if once:
        lost = lived.last[:added] & (ended.max(initial=-1) + 1 - ended > store.ends)
    kept, unknown = [], []
    for first in range(0, added, store.period):
        last = first + store.length
        if first < added - rows or last + once > added:
            continue
        for life in range(lives):
            (unknown if lost[first:last, life].any() else kept).append((first, life))
    return kept, unknown


def check(trajectory, lived, expected, length):
    """What was handed out is these windows, and every part of them as it was lived."""
    seen = trajectory.weight > 0
    shown = trajectory.action[:, seen]
    got = [(int(n) % 1000, int(n) // 1000) for n in shown[0]]
    assert sorted(got) == sorted(expected), "all windows that are there, and no other"
    for column, (first, life) in zip(np.flatnonzero(seen), got, strict=True):
        rows = slice(first, first + length)
        for name in ("timestep", "next"):
            part, wanted = getattr(trajectory, name), getattr(lived, name)
            for x, y in zip(*map(jax.tree.leaves, (part, wanted)), strict=True):
                np.testing.assert_array_equal(x[:, column], y[rows, life], f"{name} of a window")
        np.testing.assert_array_equal(trajectory.trial_ended[:, column], lived.last[rows, life])
        np.testing.assert_array_equal(
            trajectory.after.observation[column], trajectory.next.observation[-1, column]
        )


SHAPES = [  # chunk, lives, period, length, capacity: each is a program of its own
    *((1, 3, 1, 1, 20), (4, 2, 1, 3, 17), (4, 2, 3, 5, 30)),
    *((3, 1, 5, 2, 16), (2, 2, 2, 7, 1), (6, 2, 4, 4, 60)),
]


@settings(max_examples=60)
@given(st.sampled_from(SHAPES), st.integers(0, CHUNKS * 2), st.integers(0, 99), st.booleans())
def test_windows_are_those_of_a_list_of_everything_lived(lived, shape, chunks, seed, once):
    chunk, lives, period, length, capacity = shape
    ends = max(3, chunk * lives) if once else None
    store = Replay(capacity, length=length, period=period, selector=Every(), ends=ends)
    numbers = lived(chunk * (chunks + 1), lives, seed=seed)
    kept, _ = windows(store, numbers, chunk, chunks)
    _, trajectory = filled(store, numbers, chunk, chunks)
    check(trajectory, numbers, kept, length)


def test_a_window_whose_end_is_lost_weighs_nothing(lived):
    numbers = lived(40, 2, ends=0.5)
    store = Replay(60, length=2, selector=Every(), ends=8)
    kept, unknown = windows(store, numbers, 4)
    assert len(unknown) > 5 and len(kept) > 5, "there are windows of either kind"
    _, trajectory = filled(store, numbers, 4)
    check(trajectory, numbers, kept, 2)


def _bytes(state) -> int:
    return sum(x.nbytes for x in jax.tree.leaves(state))


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.float32])
def test_acme_7_an_observation_is_kept_once(lived, dtype):
    """One a row and one an end, not two a row; the rest of a row is a few words."""
    size, rows, ends = 800, 200, 20
    chunk = lived(10, 2, size=size).chunk(0, 10)

    def seen(timestep):
        return dataclasses.replace(timestep, observation=timestep.observation.astype(dtype))

    chunk = dataclasses.replace(chunk, timestep=seen(chunk.timestep), next=seen(chunk.next))
    one, other = size * jnp.dtype(dtype).itemsize, 4 * 11 * rows * 2 + 8
    twice, once = (Replay(2 * rows, ends=n).init(chunk) for n in (None, ends))
    assert 0 <= _bytes(twice) - 2 * one * rows * 2 <= other, "two observations a row"
    assert 0 <= _bytes(once) - one * (rows * 2 + ends) <= other, "one a row, and one an end"


@pytest.mark.parametrize("period", [4, 8])
def test_memories_are_those_before_the_windows(lived, period):
    """However long the run is: they are found by the row, not by the count of rows."""
    numbers = lived(120, 2)
    store = Replay(40, length=6, period=period, memory=True, selector=Every())
    state, trajectory = filled(store, numbers, 4, 30)
    seen = trajectory.weight > 0
    assert seen.sum() >= 4, "windows are there"
    np.testing.assert_array_equal(trajectory.memory[seen], trajectory.action[0, seen])
    rows = state.rows.shape[0]
    later = dataclasses.replace(state, added=state.added + 2**30 // rows // period * rows * period)
    _, sample = compiled(store, 64)
    np.testing.assert_array_equal(sample(later).trajectory.memory, trajectory.memory, "much later")


def test_only_what_is_asked_for_is_kept_of_the_record(lived):
    numbers = lived(8, 2)
    asked, bare = Replay(16, record=("number",)), Replay(16)
    state, trajectory = filled(asked, numbers, 2, 4)
    assert set(trajectory.record) == {"number"}
    np.testing.assert_array_equal(trajectory.record["number"], trajectory.action)
    assert _bytes(state) - _bytes(bare.init(numbers.chunk(0, 2))) == 4 * math.prod(state.rows.shape)
    assert trajectory.memory is None and trajectory.final_memory is None, "nor the memory"


def test_parts_of_every_type_come_back_as_they_were():
    """Large ones and small ones, whatever a word holds of them."""
    luck, shape = np.random.default_rng(0), (2, 3)
    floats = luck.normal(size=(*shape, 5)).astype(np.float32)
    floats[0, 0, :3] = np.nan, -0.0, np.inf
    parts = {
        "float": floats,
        "half": jnp.asarray(luck.normal(size=shape), jnp.bfloat16),
        "byte": luck.integers(0, 256, (*shape, 3), np.uint8),
        "signed": luck.integers(-128, 128, shape, np.int8),
        "short": luck.integers(-(2**15), 2**15, shape, np.int16),
        "flag": luck.random(shape) < 0.5,
        "picture": luck.integers(0, 256, (*shape, 9, 9), np.uint8),
        "scalar": luck.integers(-(2**31), 2**31, shape, np.int32),
        "nothing": np.zeros((*shape, 0), np.float32),
    }
    chunk = jax.tree.map(jnp.asarray, parts)

    def there_and_back(chunk):
        held = ring.empty(ring.form_of(chunk), 4, 3)
        return ring.everything(ring.write(held, chunk, jnp.int32(2)))

    back = jax.jit(there_and_back)(chunk)
    for name, x in chunk.items():
        assert back[name].dtype == x.dtype, name
        assert np.asarray(back[name][2:]).tobytes() == np.asarray(x).tobytes(), name
        assert not np.asarray(back[name][:2]).any(), f"{name}: other rows are as they were"


def test_draws_of_a_queue_are_whole_chunks_in_order(lived):
    """What an on-policy learner is fed with."""
    numbers = lived(12, 2)
    store = Replay(48, length=4, period=4, selector=Fifo())
    _, trajectory = filled(store, numbers, 4, 3, num=6)
    np.testing.assert_array_equal(trajectory.action[0] % 1000, [0, 0, 4, 4, 8, 8])
    np.testing.assert_array_equal(trajectory.action[0] // 1000, [0, 1] * 3)


@pytest.mark.parametrize(
    "rule", [{"capacity": 0}, {"length": 0}, {"period": 0}, {"ends": 0}], ids=str
)
def test_sizes_below_one_are_errors(rule):
    with pytest.raises(SpecError, match="of at least 1, got"):
        Replay(**{"capacity": 10} | rule)


def test_errors_teach(lived):
    chunk, long = lived(8, 2).chunk(0, 4), lived(8, 2).chunk(0, 8)
    with pytest.raises(SpecError, match="Make `period` a multiple of the chunk's length"):
        Replay(16, period=2, memory=True).init(chunk)
    with pytest.raises(SpecError, match="Write ends=8 or more"):
        Replay(16, ends=7).init(chunk)
    with pytest.raises(UnknownNameError, match="Did you mean 'number'"):
        Replay(16, record=("numbr",)).init(chunk)
    store = Replay(16)
    state = store.init(chunk)
    with pytest.raises(SpecError, match=r"Expected a chunk .*\[4, 2.*got .*\[8, 2.*as long"):
        store.add(state, long)
    with pytest.raises(
        SpecError, match=r"Expected a chunk float32\[4, 2, 3\].* float16\[4, 2, 3\]"
    ):
        half = chunk.timestep.observation.astype(jnp.float16)
        timestep = dataclasses.replace(chunk.timestep, observation=half)
        store.add(state, dataclasses.replace(chunk, timestep=timestep))
    with pytest.raises(SpecError, match="of the form that `init` was shown"):
        store.add(state, dataclasses.replace(chunk, action=(chunk.action, chunk.action)))
