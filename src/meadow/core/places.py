"""Places: reading and writing where indices never count from the end.

`x[i]` takes -1 for the last entry, so every index is asked whether it is negative: a kernel more to
compile at each, and a pass over the indices in every step. Nobody's place is negative here.
"""

from typing import Any

from jaxtyping import Array, ArrayLike


def read(x: Array, where: Any) -> Array:
    """`x[where]`, every index sure to lie in it."""
    return x.at[where].get(mode="promise_in_bounds", wrap_negative_indices=False)


def write(x: Array, where: Any, new: ArrayLike) -> Array:
    """`x` with `new` there; beyond its end nothing is written."""
    return x.at[where].set(new, mode="drop", wrap_negative_indices=False)
