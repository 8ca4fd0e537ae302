"""The LSTM against NumPy, and its hand-written way back against differentiation."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.nn.lstm import LSTM, Kept

TIME, BATCH, NUM_IN, WIDTH = 5, 3, 4, 6


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def transcription(lstm: LSTM, memory: Kept, inputs, forget) -> tuple[np.ndarray, np.ndarray]:
    """The docstring's formulas, gate by gate, one life at a time."""
    inward, recurrent, bias = (
        np.split(np.asarray(x), 4, axis=-1) for x in (lstm.inward, lstm.recurrent, lstm.bias)
    )
    shown, cells = np.zeros((2, *forget.shape, lstm.width))
    for life in range(BATCH):
        h, c = np.asarray(memory.shown)[life], np.asarray(memory.cell)[life]
        for t, x in enumerate(inputs[:, life]):
            h, c = (part * (not forget[t, life]) for part in (h, c))
            i, f, o, g = (
                x @ w + h @ u + b for w, u, b in zip(inward, recurrent, bias, strict=True)
            )
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            shown[t, life], cells[t, life] = h, c
    return shown, cells


def plain(lstm: LSTM, memory: Kept, inputs, forget) -> Kept:
    """The same loop without a way back of its own."""

    def step(memory, row):
        x, forget = row
        h, c = (jnp.where(forget[:, None], 0.0, part) for part in memory)
        i, f, o, g = jnp.split(x @ lstm.inward + lstm.bias + h @ lstm.recurrent, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        memory = Kept(jax.nn.sigmoid(o) * jnp.tanh(c), c)
        return memory, memory

    return jax.lax.scan(step, memory, (inputs, forget))[1]


def ours(lstm: LSTM, memory: Kept, inputs, forget) -> Kept:
    return lstm(memory, inputs, forget)[1]


@pytest.fixture(scope="module")
def given():
    """An LSTM with no parameter at 0, and what it lives through, some of it forgotten."""
    keys = iter(jr.split(jr.key(0), 8))
    lstm = LSTM(NUM_IN, WIDTH, key=next(keys))
    lstm = jax.tree.map(lambda x: x + 0.3 * jr.normal(next(keys), x.shape), lstm)
    memory = Kept(*jr.normal(next(keys), (2, BATCH, WIDTH)))
    inputs = jr.normal(next(keys), (TIME, BATCH, NUM_IN))
    forget = np.zeros((TIME, BATCH), bool)
    forget[0, 1] = forget[2, 0] = forget[4, 2] = True
    return lstm, memory, inputs, jnp.asarray(forget)


def test_equals_the_formulas(given):
    lstm, memory, inputs, forget = given
    shown, cells = transcription(lstm, memory, np.asarray(inputs), np.asarray(forget))
    outputs, memories = lstm(memory, inputs, forget)
    np.testing.assert_allclose(outputs, shown, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs, memories.shown, "what is shown is the output")
    np.testing.assert_allclose(memories.cell, cells, rtol=1e-5, atol=1e-6)


def test_gradients_equal_those_of_the_plain_loop(given):
    lstm, memory, inputs, forget = given
    weights = jr.normal(jr.key(7), (2, TIME, BATCH, WIDTH))

    @jax.jit
    def both(*args):
        def loss(form, *args):
            return sum((w * x**2).sum() for w, x in zip(weights, form(*args, forget), strict=True))

        return [jax.grad(lambda *a, f=f: loss(f, *a), (0, 1, 2))(*args) for f in (ours, plain)]

    by_hand, derived = both(lstm, memory, inputs)
    for (path, mine), other in zip(
        jax.tree.leaves_with_path(by_hand), jax.tree.leaves(derived), strict=True
    ):
        where = f"gradient of {jax.tree_util.keystr(path)}"
        assert np.abs(other).max() > 1e-3, f"{where} is not tested: it is 0"
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5, err_msg=where)


def test_it_starts_orthogonal():
    recurrent = np.asarray(LSTM(NUM_IN, WIDTH, key=jr.key(0)).recurrent)
    for gate in np.split(recurrent, 4, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(WIDTH), atol=1e-5, err_msg="each gate's")
