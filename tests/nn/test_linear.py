"""The linear recurrence against NumPy, step by step, and its way back against differentiation."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.nn.linear import Layer, Linear, _recur

TIME, BATCH, NUM_IN, WIDTH = 64, 3, 4, 6


def gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def follow(layer: Layer, memory, inputs, forget) -> tuple[np.ndarray, np.ndarray]:
    """One layer by the docstring's formulas, in float64 and one step at a time."""
    p = {name: np.asarray(x, float) for name, x in vars(layer).items() if name != "gate"}
    rates = -np.exp(p["log_decay"]) + 1j * p["frequency"]
    decay = np.exp(rates * np.exp(p["log_step"]))
    half = len(rates)
    b = p["inward"][:, :half] + 1j * p["inward"][:, half:]
    c = (p["outward"][:half] - 1j * p["outward"][half:]) / 2
    gate, bias = (np.asarray(x, float) for x in (layer.gate.weight, layer.gate.bias))
    outputs, states = [], []
    x = np.asarray(memory)[..., :half] + 1j * np.asarray(memory)[..., half:]
    for u, forgets in zip(inputs, forget, strict=True):
        x = decay * np.where(forgets[:, None], 0, x) + (decay - 1) / rates * (u @ b)
        y = gelu(2 * (x @ c).real + p["skip"] * u)
        y = u + y / (1 + np.exp(-(y @ gate + bias)))
        y = y - y.mean(-1, keepdims=True)
        y = y / np.sqrt((y**2).mean(-1, keepdims=True) + 1e-6)
        outputs.append(y * p["scale"] + p["shift"])
        states.append(np.concatenate([x.real, x.imag], -1))
    return np.array(outputs), np.array(states)


@pytest.fixture(scope="module")
def given():
    """Two layers with no parameter at 0, and what they live through, forgetting at random."""
    keys = iter(jr.split(jr.key(0), 40))
    linear = Linear(NUM_IN, WIDTH, key=next(keys))
    linear = jax.tree.map(lambda x: x + 0.1 * jr.normal(next(keys), x.shape), linear)
    memory = tuple(jr.normal(next(keys), (BATCH, *x.shape)) for x in linear.init())
    inputs = jr.normal(next(keys), (TIME, BATCH, NUM_IN))
    return linear, memory, inputs, jr.bernoulli(next(keys), 0.1, (TIME, BATCH))


def test_equals_the_formulas_step_by_step(given):
    linear, memory, inputs, forget = given
    assert 5 < forget.sum() < 40, "some of it is forgotten"
    x = np.asarray(inputs, float) @ np.asarray(linear.inward.weight, float)
    x, expected = x + np.asarray(linear.inward.bias), []
    for layer, before in zip(linear.layers, memory, strict=True):
        x, states = follow(layer, before, x, np.asarray(forget))
        expected.append(states)
    outputs, memories = jax.jit(lambda *args: linear(*args))(memory, inputs, forget)
    np.testing.assert_allclose(outputs, x, atol=1e-4, err_msg="what comes out")
    for i, (got, states) in enumerate(zip(memories, expected, strict=True)):
        np.testing.assert_allclose(got, states, atol=1e-4, err_msg=f"states of layer {i}")


def test_the_way_back_equals_that_of_the_plain_loop(given):
    _, _, _, forget = given
    keys = jr.split(jr.key(1), 4)

    def numbers(key, *shape):
        return jax.lax.complex(*jr.normal(key, (2, *shape)))

    decay = 0.9 * jnp.exp(1j * jr.uniform(keys[0], (4,)))
    given_in = decay, numbers(keys[1], BATCH, 4), numbers(keys[2], TIME, BATCH, 4)
    weights = numbers(keys[3], TIME, BATCH, 4)

    def plain(decay, memory, driven, keep):
        def step(x, row):
            x = jnp.where(row[1][:, None], decay * x, 0.0) + row[0]
            return x, x

        return jax.lax.scan(step, memory, (driven, keep))[1]

    @jax.jit
    def both(*args):
        def loss(form, *args):
            return (weights * form(*args, ~forget) ** 2).real.sum()

        return [jax.grad(lambda *a, f=f: loss(f, *a), (0, 1, 2))(*args) for f in (_recur, plain)]

    names = ("decay", "memory", "driven")
    for name, mine, other in zip(names, *both(*given_in), strict=True):
        assert np.abs(other).max() > 1e-3, f"gradient of {name} is not tested: it is 0"
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-3, err_msg=name)


def test_parameters_and_memory_are_real_numbers(given):
    linear, memory, inputs, forget = given
    shapes = jax.eval_shape(linear, memory, inputs, forget)
    for x in jax.tree.leaves((linear, linear.init(), shapes)):
        assert x.dtype == jnp.float32, "optimisers and files take real numbers"
