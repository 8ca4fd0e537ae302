"""Product is a matrix product, and learns like one, however narrow what comes in or out."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Key

from meadow.nn.product import product


@pytest.mark.parametrize(("num_in", "num_out"), [(7, 1), (7, 2), (7, 8), (7, 9), (1, 9), (4, 9)])
def test_it_and_its_derivatives_are_those_of_a_matrix_product(
    num_in: int, num_out: int, key: Key[Array, ""]
) -> None:
    keys = jr.split(key, 3)
    x, weight = jr.normal(keys[0], (3, 5, num_in)), jr.normal(keys[1], (4, num_in, num_out))
    pull = jr.normal(keys[2], (3, 5, num_out))

    def pulled(multiply):
        both = jax.value_and_grad(lambda x, w: jnp.sum(pull * multiply(x, w)), (0, 1))
        return jax.jit(jax.vmap(both, (None, 0)))(x, weight)  # several networks side by side

    ours, plain = pulled(product), pulled(jnp.matmul)
    names = ("value", "of what comes in", "of the weight")
    for name, mine, other in zip(names, *map(jax.tree.leaves, (ours, plain)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5, err_msg=name)


def test_halves_are_summed_in_full_precision(key: Key[Array, ""]) -> None:
    x, weight = jr.normal(key, (5, 7)), jnp.ones((7, 2), jnp.bfloat16)
    assert product(x, weight).dtype == jnp.float32
    assert product(x.astype(jnp.bfloat16), weight, jnp.bfloat16).dtype == jnp.bfloat16
    learnt = jax.grad(lambda w: product(x, w).sum())(weight)
    assert learnt.dtype == jnp.bfloat16, "learnt in the precision of the weight"
