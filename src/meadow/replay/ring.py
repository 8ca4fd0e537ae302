"""Ring: rows of any form, the newest written over the oldest.

What is not large lies side by side in a row of words, a word for each number. A row that is looked
up somewhere in a large memory is then waited for once, and not once for each of its parts, which is
what looking up costs. What is large lies by itself, as it is.
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree, UInt32

from meadow.core import places
from meadow.core.errors import SpecError

_SMALL = 1024  # numbers; a page of words
_WASTE = 64  # bytes that a part may take beyond its own: numbers may be narrower than words
_WIDTHS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}


class Form(NamedTuple):
    """What one row of one life is: a tree, and of each leaf its shape and type."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], Any], ...]

    def small(self) -> list[bool]:
        """Which leaves lie side by side."""

        def fits(shape: tuple[int, ...], dtype: Any) -> bool:
            num, width = math.prod(shape), dtype.itemsize
            return width in _WIDTHS and num <= _SMALL and num * (4 - width) <= _WASTE

        return [fits(*leaf) for leaf in self.leaves]


class Ring(eqx.Module):
    """Attributes:
    words: the small parts.
    large: the others, `[rows, lives, ...]`.
    form: of a row.
    """

    words: UInt32[Array, "rows lives words"]
    large: tuple[Array, ...]
    form: Form = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and lives."""
        rows, lives, _ = self.words.shape
        return rows, lives


def form_of(chunk: PyTree) -> Form:
    """That of a chunk's rows, `[time, lives, ...]`."""
    leaves, structure = jax.tree.flatten(chunk)
    return Form(structure, tuple((x.shape[2:], jnp.dtype(x.dtype)) for x in leaves))


def empty(form: Form, rows: int, lives: int) -> Ring:
    """Zeros."""
    words, large = 0, []
    for small, (shape, dtype) in zip(form.small(), form.leaves, strict=True):
        words += small * math.prod(shape)
        large += [] if small else [jnp.zeros((rows, lives, *shape), dtype)]
    return Ring(jnp.zeros((rows, lives, words), jnp.uint32), tuple(large), form)


def check(ring: Ring, chunk: PyTree, size: tuple[int, int], where: str) -> None:
    """That a chunk is of the ring's form and of some size, rows and lives.

    Raises:
        SpecError: it is not.
    """
    form, shapes = form_of(chunk), {x.shape[:2] for x in jax.tree.leaves(chunk)}
    if form.structure != ring.form.structure:
        raise SpecError(
            f"Expected rows of {ring.form.structure} for {where}, got {form.structure}. Add chunks "
            "of the form that `init` was shown."
        )
    for (shape, dtype), (wanted, type_wanted) in zip(form.leaves, ring.form.leaves, strict=True):
        if (shape, dtype) != (wanted, type_wanted) or shapes != {size}:
            raise SpecError(
                f"Expected a chunk {type_wanted}{[*size, *wanted]} for {where}, got "
                f"{dtype}{[*min(shapes), *shape]}. Chunks are as long, and of as many lives, as "
                "the one `init` was shown."
            )


def write(ring: Ring, chunk: PyTree, at: Int[Array, ""]) -> Ring:
    """Put a chunk of the ring's form, `[time, lives, ...]`, where row `at` is."""
    leaves, small = jax.tree.leaves(chunk), ring.form.small()
    words = [_to_words(x) for x, is_small in zip(leaves, small, strict=True) if is_small]
    large = [x for x, is_small in zip(leaves, small, strict=True) if not is_small]

    def put(old: Array, new: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(old, new, at, axis=0)

    kept = tuple(put(old, new) for old, new in zip(ring.large, large, strict=True))
    held = put(ring.words, jnp.concatenate(words, axis=-1)) if words else ring.words
    return Ring(held, kept, ring.form)


def read(ring: Ring, where: Int[Array, "*some"]) -> PyTree:
    """Rows in the ring's form, `[*some, ...]`; `where` is `row * lives + life`, never beyond."""

    def get(x: Array) -> Array:
        return places.read(x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), where)

    words, large = jax.lax.optimization_barrier(get(ring.words)), map(get, ring.large)
    at, leaves = 0, []
    for small, (shape, dtype) in zip(ring.form.small(), ring.form.leaves, strict=True):
        if small:
            num = math.prod(shape)
            leaves.append(_from_words(words[..., at : at + num], shape, dtype))
            at += num
        else:
            leaves.append(next(large))
    return jax.tree.unflatten(ring.form.structure, leaves)


def _to_words(x: Array) -> UInt32[Array, "time lives words"]:
    if not jnp.issubdtype(x.dtype, jnp.bool_):
        x = jax.lax.bitcast_convert_type(x, _WIDTHS[x.dtype.itemsize])
    return x.astype(jnp.uint32).reshape(*x.shape[:2], -1)


def _from_words(words: UInt32[Array, "*some words"], shape: tuple[int, ...], dtype: Any) -> Array:
    words = words.reshape(*words.shape[:-1], *shape)
    if jnp.issubdtype(dtype, jnp.bool_):
        return words != 0
    return jax.lax.bitcast_convert_type(words.astype(_WIDTHS[dtype.itemsize]), dtype)


def everything(ring: Ring) -> PyTree:
    """All rows in the ring's form, `[rows, lives, ...]`, as they lie."""
    rows, lives = ring.shape
    return read(ring, jnp.arange(rows * lives).reshape(rows, lives))
