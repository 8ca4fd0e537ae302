"""Product: of a weight with everything that comes in, whatever the leading axes."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

_FEW, _NARROW = 4, 8  # numbers that come in, and that come out
_SMALL, _THIN = 2**17, 64  # numbers that come in: in all, and to a row


def product(
    x: Float[Array, "*batch num_in"],
    weight: Float[Array, "num_in num_out"],
    dtype: DTypeLike = jnp.float32,
) -> Float[Array, "*batch num_out"]:
    """`x @ weight`, multiplied in the precision of `weight` and summed in `dtype`.

    Leading axes are made one. With several, XLA turns what the weight's gradient is the product of
    around before it multiplies, which takes four times as long on a CPU (8,192 rows of 149 by
    1,024: 95 ms against 24).

    On a CPU weights of small products learn in other ways, where XLA's own takes longer: of what
    comes out narrow, such as a policy's or a worth's last layer, column by column (256 rows of 64
    by 2: 29 us against 4); of others from what came in, turned around at first (256 rows of 64 by
    64: 37 us against 29; 256 rows of 256 by 256 would lose by it). Such derivatives are taken
    backwards alone: `jax.jvp` is refused. What few numbers become is added up one by one, in one
    loop with the bias and the ReLU that follow (256 rows of 3 by 256: 26 us against 15).
    """
    rows = x.astype(weight.dtype)
    if x.ndim > 2:
        rows = rows.reshape(-1, x.shape[-1])
    narrow = weight.shape[-1] <= _NARROW
    small = rows.size <= _SMALL and rows.shape[-1] <= _THIN
    if rows.ndim == 2 and weight.shape[-1] > 1 and weight.dtype == dtype and (narrow or small):
        y = _learning(rows, weight)
    else:
        y = jnp.matmul(rows, weight, preferred_element_type=dtype)
    return y.reshape(*x.shape[:-1], weight.shape[-1])


@jax.custom_vjp
def _learning(rows: Array, weight: Array) -> Array:
    if rows.shape[1] > _FEW or weight.shape[1] <= _NARROW:
        return rows @ weight
    return functools.reduce(jnp.add, [rows[:, i, None] * weight[i] for i in range(rows.shape[1])])


def _forwards(rows: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return _learning(rows, weight), (rows, weight)


def _backwards(seen: tuple[Array, Array], pull: Array) -> tuple[Array, Array]:
    def columns(rows: Array, pull: Array) -> Array:
        return jnp.stack([pull[:, i] @ rows for i in range(pull.shape[1])], axis=1)

    def turned(rows: Array, pull: Array) -> Array:
        return jax.lax.optimization_barrier(rows.T) @ pull

    def at_once(rows: Array, pull: Array) -> Array:
        return rows.T @ pull

    rows, weight = seen
    way = columns if weight.shape[-1] <= _NARROW else turned
    learnt = jax.lax.platform_dependent(rows, pull, cpu=way, default=at_once)
    return pull @ weight.T, learnt


_learning.defvjp(_forwards, _backwards)
