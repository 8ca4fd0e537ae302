"""Retry: the first of many attempts that comes off; in a batch, nobody waits for the unluckiest."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Key, UInt32

Result = TypeVar("Result")

_FEW = 32  # attempts at a time, in a small batch


def retry(
    attempt: Callable[[Key[Array, ""]], tuple[Result, Bool[Array, ""]]], *, key: Key[Array, ""]
) -> Result:
    """The first of `attempt(fold_in(key, i))`, i = 0, 1, ..., that comes off.

    Under `vmap` a plain loop would go on for all as long as for one. Here only those that have
    nothing yet try again, an eighth of the batch at a time. The result is the same.

    Args:
        attempt: what it makes, and whether it came off; it must be likely enough to, for this
            does not end before.
    """
    impl = jr.key_impl(key)

    @custom_vmap
    def one(data: UInt32[Array, "..."]) -> Result:
        return jax.tree.map(lambda x: x[0], many(data[None]))

    @one.def_vmap
    def _(num: int, _: list, data: UInt32[Array, "num ..."]) -> tuple:
        result = many(data)
        return result, jax.tree.map(lambda _: True, result)

    def many(data: UInt32[Array, "num ..."]) -> Result:
        num = len(data)
        chunk = max(num // 8, min(num, _FEW))

        def go_on(carry: tuple) -> tuple:
            results, tried, waiting = carry
            (who,) = jnp.nonzero(waiting, size=chunk, fill_value=num)
            keys = jr.wrap_key_data(data.at[who].get(mode="clip"), impl=impl)
            keys = jax.vmap(jr.fold_in)(keys, tried.at[who].get(mode="clip"))
            new, came_off = jax.vmap(attempt)(keys)
            results = jax.tree.map(lambda x, y: x.at[who].set(y, mode="drop"), results, new)
            waiting = waiting.at[who].set(~came_off, mode="drop")
            return results, tried.at[who].add(1, mode="drop"), waiting

        shapes = jax.eval_shape(attempt, key)[0]
        blank = jax.tree.map(lambda x: jnp.zeros((num, *x.shape), x.dtype), shapes)
        carry = (blank, jnp.zeros(num, jnp.int32), jnp.ones(num, bool))
        return jax.lax.while_loop(lambda carry: carry[2].any(), go_on, carry)[0]

    return one(jr.key_data(key))
