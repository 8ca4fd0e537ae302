"""The transformer: against attention written out in NumPy, how far it sees, and what it refuses."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.nn.transformer import Transformer

TIME, NUM_IN, WIDTH, WINDOW = 9, 3, 64, 4
INPUTS = jr.normal(jr.key(1), (TIME, NUM_IN))
NEVER = jnp.zeros(TIME, bool)


@pytest.fixture(scope="module")
def core() -> Transformer:
    return Transformer(NUM_IN, WIDTH, layers=2, window=WINDOW, key=jr.key(0))


@jax.jit
def live(core, memory, inputs, forget):
    return core(memory, inputs, forget)


def by_hand(core: Transformer, inputs: np.ndarray, forget: np.ndarray) -> np.ndarray:
    """Step by step and head by head, with two heads of 32 numbers."""

    def dense(layer, x):
        return x @ np.asarray(layer.weight, float) + np.asarray(layer.bias, float)

    def norm(x):
        return (x - x.mean()) / np.sqrt(x.var() + 1e-6)

    def turned(x, place):
        rate = 10_000.0 ** (-np.arange(16) / 16)
        turn = (x[:16] + 1j * x[16:]) * np.exp(1j * place * rate)
        return np.concatenate([turn.real, turn.imag])

    def gelu(x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    rows = [dense(core.inward, x) for x in inputs]
    for block in core.blocks:
        told = [np.split(dense(block.told, norm(x)), 3) for x in rows]
        for t, x in enumerate(rows):
            first = max([0, t - WINDOW, *np.flatnonzero(forget[: t + 1])])
            found = []
            for head in (slice(0, 32), slice(32, 64)):
                asked = turned(told[t][0][head], t)
                fits = [asked @ turned(told[s][1][head], s) for s in range(first, t + 1)]
                share = np.exp(np.array(fits) / np.sqrt(32))
                values = np.array([told[s][2][head] for s in range(first, t + 1)])
                found.append(share / share.sum() @ values)
            x = x + dense(block.out, np.concatenate(found))
            rows[t] = x + dense(block.narrow, gelu(dense(block.wide, norm(x))))
    return np.stack([norm(x) for x in rows])


def test_it_is_attention_to_a_window_since_the_last_forget(core):
    forget = NEVER.at[6].set(True)
    got, _ = live(core, core.init(), INPUTS, forget)
    expected = by_hand(core, np.asarray(INPUTS, float), np.asarray(forget))
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_it_sees_so_far_and_no_farther(core):
    """Through two blocks, a step may know of what was twice the window ago."""
    base, _ = live(core, core.init(), INPUTS, NEVER)
    other, _ = live(core, core.init(), INPUTS.at[0].add(1.0), NEVER)
    moved = np.abs(other - base).max(axis=-1) > 1e-6
    assert moved.tolist() == [t <= 2 * WINDOW for t in range(TIME)]
    other, _ = live(core, core.init(), INPUTS.at[-1].add(1.0), NEVER)
    assert np.array_equal(other[:-1], base[:-1]), "nothing is known of what is ahead"


def test_it_knows_distances_and_not_places(core):
    """What was lived before a full window leaves no trace in what the rest says of itself."""
    late, _ = live(core, core.init(), jnp.concatenate([INPUTS, INPUTS]), NEVER.repeat(2))
    early, _ = live(core, core.init(), INPUTS, NEVER)
    forgot = NEVER.repeat(2).at[TIME].set(True)
    anew, _ = live(core, core.init(), jnp.concatenate([INPUTS, INPUTS]), forgot)
    np.testing.assert_allclose(anew[TIME:], early, atol=2e-5)
    assert np.abs(late[TIME:] - early).max() > 1e-2, "and without a forget it is another story"


@pytest.mark.parametrize("wrong", [{"width": 5}, {"width": 4, "window": 0}])
def test_what_it_cannot_be_it_refuses(wrong):
    with pytest.raises(SpecError, match="even width and a window"):
        Transformer(NUM_IN, key=jr.key(0), **wrong)
