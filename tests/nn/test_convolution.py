"""Convolution is XLA's own, and so are its derivatives, wherever it stands."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Key

from meadow.nn.convolution import convolution


def _plain(x: Array, weight: Array, stride: int) -> Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, weight, (stride, stride), "VALID", None, None, numbers)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(12, 8, 4), (9, 4, 2), (7, 3, 1), (8, 3, 2), (10, 3, 2)]
)
def test_it_and_its_derivatives_are_those_of_a_convolution(
    size: int, kernel: int, stride: int, key: Key[Array, ""]
) -> None:
    keys = jr.split(key, 3)
    x = jr.normal(keys[0], (2, size, size + 1, 3))
    weight = jr.normal(keys[1], (kernel, kernel, 3, 5))
    pull = jr.normal(keys[2], _plain(x, weight, stride).shape)

    @jax.jit
    def both(x: Array, weight: Array) -> list:
        def looped(function, x: Array, weight: Array) -> Array:
            def step(total: Array, _: None) -> tuple[Array, None]:
                return total + jnp.sum(pull * function(x, weight, stride)), None

            return jax.lax.scan(step, jnp.float32(0), length=2)[0]

        ways = (convolution, _plain)
        return [jax.value_and_grad(looped, (1, 2))(way, x, weight) for way in ways]

    ours, theirs = jax.tree.map(np.asarray, both(x, weight))
    names, leaves = ("value", "of pictures", "of filters"), map(jax.tree.leaves, (ours, theirs))
    for name, mine, other in zip(names, *leaves, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4, err_msg=name)


def test_many_filters_side_by_side_and_half_precision(key: Key[Array, ""]) -> None:
    x = jr.normal(key, (2, 6, 6, 3)).astype(jnp.bfloat16)
    weight = jr.normal(key, (4, 3, 3, 3, 5)).astype(jnp.bfloat16)
    grad = jax.jit(jax.vmap(jax.grad(lambda w: convolution(x, w, 1).sum())))(weight)
    assert grad.dtype == jnp.bfloat16, "learnt in the precision of the filters"
    alone = jax.jit(jax.grad(lambda w: _plain(x, w, 1).sum()))(weight[1])
    np.testing.assert_allclose(
        *(np.asarray(g, np.float32) for g in (grad[1], alone)), rtol=2e-2, atol=0.1
    )
