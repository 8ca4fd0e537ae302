"""Replay holds what flashbax holds: the same windows can be drawn, and with the same chances."""

import warnings

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay

pytestmark = pytest.mark.parity

DRAWN, ALPHA = 512, 0.7


@pytest.fixture(scope="module")
def flashbax():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "flashbax", reason='the peer is not installed: pip install ".[peers]"'
        )


def chunk(start: int, length: int, lives: int) -> Trajectory:
    """Rows numbered life by life; no episode ends."""
    number = start + jnp.arange(length)[:, None] + 1000 * jnp.arange(lives)
    shape = number.shape

    def moment(number):
        one = jnp.ones(shape)
        observation = jnp.repeat(number[..., None], 3, -1).astype(jnp.float32)
        return TimeStep(
            jnp.ones(shape, jnp.uint8), one, one, observation, jnp.zeros(shape, jnp.int32)
        )

    after = moment(number + 1)
    ending = jax.tree.map(lambda x: x[-1], after)
    return Trajectory(*(moment(number), number, after, jnp.zeros(shape, bool), {}, (), ending, ()))


def both(buffer, store, shape):
    """Our store and the peer's buffer after the same chunks."""
    length, lives, rows, chunks = shape
    state, other = store.init(chunk(0, length, lives)), buffer.init({"number": jnp.int32(0)})
    assert state.rows.shape == (rows, lives), "both hold as much"
    add, put = jax.jit(store.add), jax.jit(buffer.add)
    for n in range(chunks):
        lived = chunk(n * length, length, lives)
        state, other = add(state, lived), put(other, {"number": lived.action.T})
    return state, other


def seen(rows) -> set[tuple[int, ...]]:
    """Windows `[num, length]` as they come."""
    return {tuple(map(int, row)) for row in np.asarray(rows)}


SHAPES = [  # chunk, lives, window, period, rows of the ring, chunks added
    *((4, 2, 3, 1, 24, 3), (4, 2, 3, 1, 24, 14), (6, 3, 6, 3, 24, 9), (1, 2, 1, 1, 12, 40)),
    (5, 2, 10, 5, 40, 13),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_same_windows_can_be_drawn(flashbax, shape):
    length, lives, window, period, rows, chunks = shape
    store = Replay(rows * lives, length=window, period=period)
    buffer = flashbax.make_trajectory_buffer(
        add_batch_size=lives,
        sample_batch_size=DRAWN,
        sample_sequence_length=window,
        period=period,
        min_length_time_axis=window,
        max_length_time_axis=rows,
    )
    state, other = both(buffer, store, (length, lives, rows, chunks))
    draw = jax.jit(lambda key: store.sample(state, DRAWN, key=key).trajectory.action.T)
    other_draw = jax.jit(lambda key: buffer.sample(other, key).experience["number"])
    got, wanted = (
        set().union(*(seen(f(key)) for key in jr.split(jr.key(0), 4))) for f in (draw, other_draw)
    )
    assert got == wanted, "windows that can be drawn"


def test_transitions_are_those_of_a_flat_buffer(flashbax):
    """There a pair of neighbours, here a row and what followed it; the newest row waits there."""
    lives, rows, chunks, num = 2, 300, 201, 512
    store = Replay(rows * lives)
    buffer = flashbax.make_flat_buffer(
        *(rows * lives, num, num), add_sequences=True, add_batch_size=lives
    )
    state, other = both(buffer, store, (2, lives, rows, chunks))
    draw = jax.jit(lambda key: store.sample(state, num, key=key).trajectory)
    other_draw = jax.jit(lambda key: buffer.sample(other, key).experience)
    got, wanted = set(), set()
    for key in jr.split(jr.key(0), 24):
        one, pair = draw(key), other_draw(key)
        got |= seen(jnp.stack([one.action[0], one.next.observation[0, :, 0].astype(int)], -1))
        wanted |= seen(jnp.stack([pair.first["number"], pair.second["number"]], -1))
    newest = {pair for pair in got if pair[0] % 1000 == chunks * 2 - 1}
    assert got - newest == wanted and len(newest) == lives


def test_chances_are_the_same_for_the_same_priorities(flashbax):
    length, lives, window, period, rows, chunks = 4, 3, 3, 2, 24, 9
    selector = Prioritised(alpha=ALPHA, beta=1.0)
    store = Replay(rows * lives, length=window, period=period, selector=selector)
    buffer = flashbax.make_prioritised_trajectory_buffer(
        add_batch_size=lives,
        sample_batch_size=DRAWN,
        sample_sequence_length=window,
        period=period,
        min_length_time_axis=window,
        max_length_time_axis=rows,
        priority_exponent=ALPHA,
        device="cpu",
    )
    state, other = both(buffer, store, (length, lives, rows, chunks))

    def surprise(number):
        return 1.0 + jnp.asarray(number % 7, jnp.float32)

    draw, other_draw = store.sample(state, DRAWN, key=jr.key(0)), buffer.sample(other, jr.key(0))
    state = store.update(state, draw, surprise(draw.trajectory.action[0]))
    first = other_draw.experience["number"][:, 0]
    # We keep the least priority from 0, the peer leaves that to its caller.
    other = buffer.set_priorities(other, other_draw.indices, surprise(first) + 1e-6)
    draw, other_draw = store.sample(state, DRAWN, key=jr.key(1)), buffer.sample(other, jr.key(1))
    theirs = {}
    for number, chance in zip(
        other_draw.experience["number"][:, 0].tolist(), other_draw.probabilities, strict=True
    ):
        theirs[number] = float(chance)
    ours = {}
    for number, weight in zip(
        draw.trajectory.action[0].tolist(), draw.trajectory.weight, strict=True
    ):
        ours[number] = 1 / float(weight)  # with beta = 1 the chance, but for a factor
    assert ours.keys() == theirs.keys() and len(ours) > 20, "the same windows have a chance"
    got, wanted = (np.array([side[name] for name in sorted(ours)]) for side in (ours, theirs))
    np.testing.assert_allclose(got / got.sum(), wanted / wanted.sum(), rtol=1e-4)
