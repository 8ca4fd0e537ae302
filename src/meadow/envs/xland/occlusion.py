"""Occlusion: what of a view lies behind walls and closed doors.

MiniGrid lights a view row by row, beginning at the agent. A lit cell that does not block sight
lights its neighbours left, right, above and diagonally above, in one pass to the right and one to
the left. Together the two passes do something simple: of every unbroken run of clear cells with a
lit one among them, all are lit, and so are the cells beside them and those of the row above.

    row above   . # # # .        lit: what lies above a lit run or diagonally above its ends
    row         # . . . #        one cell of the run is lit, so all three are, and both walls

So a row is the bits of one integer, and a run is filled by shifting.

References: Chevalier-Boisvert et al., MiniGrid, 2023 (`Grid.process_vis`); Nikulin et al.,
XLand-MiniGrid, 2023, who port it. Same cells as both. They differ in what lies outside the map:
wall for MiniGrid, EMPTY and clear for XLand-MiniGrid and here. That can be told only where the
outermost wall has a hole.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, UInt8, UInt32

from meadow.core.errors import TaskError
from meadow.tasks.tiles import EMPTY, OPAQUE

LARGEST = 31  # cells across: a row is one integer of 32 bits
_TOGETHER = 8  # rows in one piece: more would compile slowly, fewer wait for each other on a GPU


def occlude(
    view: UInt8[Array, "*batch size size"], inside: Bool[Array, "*batch size size"] | None = None
) -> UInt8[Array, "*batch size size"]:
    """The view with EMPTY where the agent, at the bottom centre, cannot see.

    Args:
        inside: cells of a smaller view that this one holds; none of the others lets light through.
    """
    return jnp.where(visible(view, inside), view, jnp.uint8(EMPTY))


def visible(
    view: UInt8[Array, "*batch size size"], inside: Bool[Array, "*batch size size"] | None = None
) -> Bool[Array, "*batch size size"]:
    """Which cells the agent sees; arguments as for `occlude`.

    Raises:
        TaskError: a view too large (while tracing).

    >>> walled = jnp.full((3, 3), 30, jnp.uint8).at[2].set(19)  # a wall across, floor at its foot
    >>> jax.jit(visible)(walled).astype(int).tolist()
    [[0, 0, 0], [1, 1, 1], [1, 1, 1]]
    """
    size = view.shape[-1]
    check_size(size)
    clear = ~_opaque(view) if inside is None else ~_opaque(view) & inside
    columns = np.arange(size, dtype=np.uint32)
    rows = jnp.sum(jnp.where(clear, np.uint32(1) << columns, 0), -1, dtype=jnp.uint32)
    begin = jnp.full(rows.shape[:-1], 1 << size // 2, jnp.uint32)

    def row(lit: Array, clear: Array) -> tuple[Array, Array]:
        runs = _filled(clear, lit, size)
        around = runs | (runs << 1) | (runs >> 1)
        return around, lit | around

    _, seen = jax.lax.scan(
        row, begin, jnp.moveaxis(rows, -1, 0), reverse=True, unroll=min(size, _TOGETHER)
    )
    return (jnp.moveaxis(seen, 0, -1)[..., None] >> columns & 1) != 0


def check_size(size: int) -> None:
    """Refuse views whose rows do not fit an integer."""
    if size > LARGEST:
        raise TaskError(
            f"Occlusion works for views of at most {LARGEST} cells across, got {size}. Use a "
            "smaller `view_size`, or `occlude=False`."
        )


def _filled(
    clear: UInt32[Array, "*batch"], lit: UInt32[Array, "*batch"], size: int
) -> UInt32[Array, "*batch"]:
    """The runs of `clear`, a row of `size` bits, that hold a bit of `lit`: every bit of them."""
    lit = clear & lit
    # Upwards in one addition: a lit bit carries through all clear ones above it.
    filled = clear & (lit | ((clear + lit) ^ clear ^ lit))
    for shift in (1, 2, 4, 8, 16):  # downwards by doubling
        if shift < size:
            filled |= clear & (filled >> shift)
            clear &= clear >> shift
    return filled


def _opaque(view: UInt8[Array, "..."]) -> Bool[Array, "..."]:
    """`OPAQUE[view]` without a look-up: opaque bytes are a few unbroken ranges."""
    edges = np.flatnonzero(np.diff(OPAQUE, prepend=False, append=False)).reshape(-1, 2)
    found = jnp.zeros(view.shape, bool)
    for start, stop in edges:
        found |= (view - np.uint8(start)) < np.uint8(stop - start)
    return found
