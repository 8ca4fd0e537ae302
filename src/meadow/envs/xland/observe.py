"""Observe: what an agent sees of a flat board; for one environment or for a batch."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, UInt8

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.places import read
from meadow.envs.xland.advance import State, end_to_end
from meadow.envs.xland.board import Board
from meadow.envs.xland.occlusion import check_size, occlude

EXTRAS = ("direction", "pocket", "step", "goal", "rules")


def check_senses(view_size: int, extras: tuple[str, ...], occluded: bool = False) -> None:
    """Refuse a view that has no middle, and extras that nobody knows.

    Raises:
        TaskError: an even view, or one too large to be occluded.
        UnknownNameError: no such extra.
    """
    if view_size < 1 or view_size % 2 == 0:
        raise TaskError(
            f"`view_size` must be odd, so that the agent stands in the middle of the bottom "
            f"row; got {view_size}."
        )
    if occluded:
        check_size(view_size)
    for name in extras:
        if name not in EXTRAS:
            raise UnknownNameError("observation", name, EXTRAS)


def observe(
    board: Board,
    state: State,
    task: PyTree,
    view_size: int,
    extras: tuple[str, ...],
    occluded: bool = False,
) -> dict[str, Array]:
    """The view, and what else was asked for.

    Args:
        occluded: whether walls and closed doors hide what lies behind them.
        task: what has a `goal` and `rules`, should they be asked for.
    """
    every = {
        "direction": lambda: jax.nn.one_hot(state.direction, 4),
        "pocket": lambda: state.pocket,
        "step": lambda: state.step,
        "goal": lambda: task.goal,
        "rules": lambda: task.rules,
    }
    window = view(board, state, view_size)
    seen = {"view": occlude(window) if occluded else window}
    return seen | {name: every[name]() for name in extras}


def view(board: Board, state: State, size: int) -> UInt8[Array, "*batch size size"]:
    """The cells ahead of the agent, who stands at the bottom centre and looks up: one gather.

    View cell (i, j) is `forward * (size - 1 - i) + right * (j - size // 2)` from the agent; that is
    computed rather than looked up, for a multiplication costs less than a gather from a table.
    """
    flat, origin = end_to_end(state.grid)
    steps = jnp.asarray(np.stack([board.ahead, np.roll(board.ahead, -1)], axis=1), jnp.int32)
    forward, right = jnp.moveaxis(read(steps, state.direction), -1, 0)[..., None, None]
    here = (origin + state.position)[..., None, None]
    ahead, across = np.arange(size - 1, -1, -1)[:, None], np.arange(size) - size // 2
    cells = here + forward * jnp.asarray(ahead, jnp.int32) + right * jnp.asarray(across, jnp.int32)
    return read(flat, cells)
