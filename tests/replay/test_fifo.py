"""Fifo: the oldest first, each once; what is overwritten is lost, what is missing weighs 0."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meadow.replay.fifo import Fifo
from meadow.replay.replay import Replay
from meadow.replay.selector import Span

LIVES, PLACES, NUM = 3, 8, 5
QUEUE = Fifo()
add, update = jax.jit(QUEUE.add, static_argnums=3), jax.jit(QUEUE.update)
sample = jax.jit(lambda state, span: QUEUE.sample(state, span, NUM, key=jr.key(0)))


def _span(added: int) -> Span:
    return Span(np.int32(max(added - PLACES, 0)), np.int32(added), PLACES, LIVES)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12))
def test_acme_6_a_queue_keeps_its_order(steps):
    """Against a list: so many numbers are added, then windows drawn or not."""
    state, added, waiting = QUEUE.init(PLACES, LIVES), 0, []
    for more, draws in steps:
        before, added = added, added + more
        state = add(state, _span(before), _span(added), 4)
        waiting += [(n, life) for n in range(before, added) for life in range(LIVES)]
        waiting = [window for window in waiting if window[0] >= added - PLACES]
        if not draws:
            continue
        chosen = jax.device_get(sample(state, _span(added)))
        got = [(int(n), int(b)) for n, b, w in zip(*chosen, strict=True) if w > 0]
        assert got == waiting[:NUM], "in the order in which they came, each once"
        assert chosen.weight.sum() == min(NUM, len(waiting)), "the missing weigh nothing"
        state, waiting = update(state, _span(added), chosen, None), waiting[NUM:]


def test_a_draw_that_is_not_brought_back_comes_again():
    once, twice = (sample(jnp.int32(4), _span(5)) for _ in range(2))
    np.testing.assert_array_equal(once.number, twice.number, "sampling only reads")


def test_a_window_whose_end_is_lost_is_passed_over(lived, key):
    """Its weight is 0, and the queue goes on behind it."""
    numbers, store = lived(24, 1, ends=1.0), Replay(24, ends=2, selector=Fifo())
    state, more = store.init(numbers.chunk(0, 2)), jax.jit(store.add)
    for start in range(0, 24, 2):
        state = more(state, numbers.chunk(start, 2))
    draw = store.sample(state, 23, key=key)
    np.testing.assert_array_equal(draw.trajectory.weight, [0.0] * 22 + [1.0], "one end is known")
    state = store.update(state, draw, None)
    assert not store.sample(state, 4, key=key).trajectory.weight.any(), "all were taken"
