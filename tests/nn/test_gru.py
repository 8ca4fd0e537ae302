"""The GRU against NumPy, and its hand-written way back against differentiation."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.nn.gru import GRU

TIME, BATCH, NUM_IN, WIDTH = 5, 3, 4, 6


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def transcription(gru: GRU, memory, inputs, forget) -> np.ndarray:
    """The docstring's formulas, gate by gate, one life at a time."""
    in_r, in_z, in_n = np.split(np.asarray(gru.inward), 3, axis=1)
    b_r, b_z, b_n = np.split(np.asarray(gru.bias), 3)
    u_r, u_z, u_n = np.split(np.asarray(gru.recurrent), 3, axis=1)
    out = np.zeros((*forget.shape, gru.width))
    for life, h in enumerate(np.asarray(memory)):
        for t, x in enumerate(inputs[:, life]):
            h = h * (not forget[t, life])
            r = sigmoid(x @ in_r + b_r + h @ u_r)
            z = sigmoid(x @ in_z + b_z + h @ u_z)
            n = np.tanh(x @ in_n + b_n + r * (h @ u_n + gru.candidate_bias))
            h = (1 - z) * n + z * h
            out[t, life] = h
    return out


def plain(gru: GRU, memory, inputs, forget):
    """The same loop without a way back of its own."""

    def step(h, row):
        x, forget = row
        h = jnp.where(forget[:, None], 0.0, h)
        x_r, x_z, x_n = jnp.split(x @ gru.inward + gru.bias, 3, axis=-1)
        h_r, h_z, h_n = jnp.split(h @ gru.recurrent, 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        h = (1 - z) * jnp.tanh(x_n + r * (h_n + gru.candidate_bias)) + z * h
        return h, h

    return jax.lax.scan(step, memory, (inputs, forget))[1]


def over_lives(gru: GRU, memory, inputs, forget):
    return jax.vmap(gru, in_axes=(0, 1, 1), out_axes=1)(memory, inputs, forget)[0]


def together(gru: GRU, memory, inputs, forget):
    return gru(memory, inputs, forget)[0]


@pytest.fixture(scope="module")
def given():
    """A GRU with no parameter at 0, and what it lives through, some of it forgotten."""
    keys = iter(jr.split(jr.key(0), 8))
    gru = GRU(NUM_IN, WIDTH, key=next(keys))
    gru = jax.tree.map(lambda x: x + 0.3 * jr.normal(next(keys), x.shape), gru)
    memory = jr.normal(next(keys), (BATCH, WIDTH))
    inputs = jr.normal(next(keys), (TIME, BATCH, NUM_IN))
    forget = np.zeros((TIME, BATCH), bool)
    forget[0, 1] = forget[2, 0] = forget[4, 2] = True
    return gru, memory, inputs, jnp.asarray(forget)


def test_equals_the_formulas(given):
    gru, memory, inputs, forget = given
    expected = transcription(gru, memory, np.asarray(inputs), np.asarray(forget))
    np.testing.assert_allclose(gru(memory, inputs, forget)[0], expected, rtol=1e-5, atol=1e-6)


def test_forget_clears_before_the_step(given):
    gru, memory, inputs, forget = given
    lived, _ = gru(memory, inputs, forget)
    anew, _ = gru(jnp.zeros((BATCH, WIDTH)), inputs[2:], forget[2:])
    np.testing.assert_allclose(
        lived[2:, 0], anew[:, 0], rtol=1e-6, err_msg="what came before a forget shows through"
    )
    assert not np.allclose(lived[2:, 1], anew[:, 1]), "memory is lost without a forget"


def test_one_life_is_a_batch_without_axes(given):
    gru, memory, inputs, forget = given
    alone, _ = gru(memory[1], inputs[:, 1], forget[:, 1])
    np.testing.assert_allclose(alone, gru(memory, inputs, forget)[0][:, 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", [together, over_lives], ids=["batch", "vmap"])
def test_gradients_equal_those_of_the_plain_loop(given, form):
    gru, memory, inputs, forget = given
    weights = jr.normal(jr.key(7), (TIME, BATCH, WIDTH))

    def loss(form, gru, memory, inputs):
        return (weights * form(gru, memory, inputs, forget) ** 2).sum()

    ours = jax.grad(lambda *args: loss(form, *args), (0, 1, 2))(gru, memory, inputs)
    theirs = jax.grad(lambda *args: loss(plain, *args), (0, 1, 2))(gru, memory, inputs)
    for (path, mine), other in zip(
        jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True
    ):
        where = f"gradient of {jax.tree_util.keystr(path)}"
        assert np.abs(other).max() > 1e-3, f"{where} is not tested: it is 0"
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5, err_msg=where)
