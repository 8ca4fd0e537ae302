"""Every memory: at once is step by step, forgetting is starting anew, in either precision."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.nn.feedforward import Feedforward
from meadow.nn.gru import GRU
from meadow.nn.linear import Linear
from meadow.nn.lstm import LSTM
from meadow.nn.transformer import Transformer

TIME, BATCH, NUM_IN, WIDTH = 7, 3, 4, 6
KINDS = {
    "gru": GRU,
    "lstm": LSTM,
    "linear": Linear,
    "transformer": functools.partial(Transformer, window=3),
    "none": Feedforward,
}
REMEMBERS = [kind for kind in KINDS if kind != "none"]


def noisy(kind: str):
    """A memory with no parameter at 0."""
    memory = KINDS[kind](NUM_IN, WIDTH, key=jr.key(0))
    leaves, treedef = jax.tree.flatten(memory)
    keys = jr.split(jr.key(1), len(leaves))
    return treedef.unflatten(
        [x + 0.3 * jr.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    )


@jax.jit
def live(core, memory, inputs, forget):
    return core(memory, inputs, forget)


def given(core) -> tuple:
    """A memory that is not blank, what is lived through, and some of it forgotten."""
    memory = jax.tree.map(lambda x: jr.normal(jr.key(x.size), (BATCH, *x.shape)), core.init())
    forget = np.zeros((TIME, BATCH), bool)
    forget[0, 1] = forget[3, 0] = forget[4, 0] = forget[6, 2] = True
    return memory, jr.normal(jr.key(2), (TIME, BATCH, NUM_IN)), jnp.asarray(forget)


def close(got, expected, message: str, atol: float = 1e-5):
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=atol, err_msg=message)


@pytest.mark.parametrize("kind", KINDS)
def test_at_once_is_step_by_step_and_life_by_life(kind):
    core = noisy(kind)
    memory, inputs, forget = given(core)
    lived = live(core, memory, inputs, forget)
    assert lived[0].shape == (TIME, BATCH, WIDTH) and core.width == WIDTH, "the width it says"
    assert all(x.shape[:2] == (TIME, BATCH) for x in jax.tree.leaves(lived[1])), "time, batch"
    for life in range(BATCH):
        own = jax.tree.map(lambda x, life=life: x[life], memory)
        for t in range(TIME):
            row = slice(t, t + 1)
            alone = live(core, own, inputs[row, life], forget[row, life])
            output, own = jax.tree.map(lambda x: x[0], alone)
            here = jax.tree.map(lambda x, at=(t, life): x[at], lived)
            close((output, own), here, f"life {life}, step {t}")


@pytest.mark.parametrize("kind", KINDS)
def test_forgetting_is_starting_anew(kind):
    core = noisy(kind)
    memory, inputs, forget = given(core)
    lived = live(core, memory, inputs, forget)
    blank = jax.tree.map(jnp.zeros_like, memory)
    # The same from the fourth step on; what was rolled to the end is not looked at.
    anew = live(core, blank, jnp.roll(inputs, -4, 0), jnp.roll(forget, -4, 0).at[0].set(False))
    late, early = (jax.tree.map(lambda x, t=t: x[t : t + 3], y) for t, y in ((4, lived), (0, anew)))
    own = jax.tree.map(lambda x: x[:, 0], (late, early))
    close(*own, "what came before a forget shows through")
    if kind in REMEMBERS:
        other = np.abs(late[0][:, 1] - early[0][:, 1])
        assert other.max() > 1e-3, "memory is lost without a forget"


@pytest.mark.parametrize("kind", ["lstm", "linear", "transformer"])
def test_half_precision_is_close_and_kept_in_full(kind):
    core = noisy(kind)
    memory, inputs, forget = given(core)

    @jax.jit
    def look(core, inputs):
        def loss(core):
            outputs, memories = core(memory, inputs, forget)
            return (outputs**2).sum(), (outputs, memories)

        return jax.grad(loss, has_aux=True)(core)

    exact, half = look(core, inputs), look(core, inputs.astype(jnp.bfloat16))
    for x, y in zip(jax.tree.leaves(half), jax.tree.leaves(exact), strict=True):
        assert x.dtype == y.dtype == jnp.float32, "memory, output and gradients are float32"
        error = np.linalg.norm(x - y) / (np.linalg.norm(y) + 1e-3)
        assert error < 0.1, f"half precision is close, got {error:.3f} for {x.shape}"
    assert not np.array_equal(exact[1][0], half[1][0]), "and is not exact"
