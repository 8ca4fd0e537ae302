"""Conditions: what goals and failures of levels say beyond those of XLand.

They are about what was done, so they are told from the state before a step and the one after it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt8

from meadow.envs.xland.advance import State
from meadow.envs.xland.board import Board
from meadow.envs.xland.near import PICK_UP, PUT_DOWN, TOGGLE
from meadow.tasks import kinds
from meadow.tasks.tiles import EMPTY

DONE = 6  # the action that does nothing but say so


def met(
    board: Board,
    before: State,
    after: State,
    action: Int[Array, "*batch"],
    asked: UInt8[Array, "*conditions 5"],
) -> Bool[Array, "*conditions"]:
    """Whether each condition holds after `action`; other kinds of condition never do.

    Args:
        asked: the conditions, `[*batch, 5]` or with more axes in front.
    """
    kind, a, _, y, x = jnp.moveaxis(asked, -1, 0)
    place = (y.astype(jnp.int32) + board.margin) * board.stride + x + board.margin
    held, holds = before.pocket != EMPTY, after.pocket != EMPTY
    front = after.position + jnp.asarray(board.ahead)[after.direction]

    put = (action == PUT_DOWN) & (before.pocket == a) & held & ~holds
    wrong = (action == PICK_UP) & holds & (after.pocket != a)
    said = action == DONE
    away = jnp.abs(after.position - place)
    return (
        ((kind == kinds.PUT_NEAR) & put & _touch(board, front - place))
        | ((kind == kinds.MISHANDLED) & (wrong | ((action == PUT_DOWN) & held)))
        | ((kind == kinds.DONE_NEAR) & said & ((away == 1) | (away == board.stride)))
        | ((kind == kinds.DONE) & (said | (action == TOGGLE)))
    )


def told(goal: UInt8[Array, "*batch 5"]) -> UInt8[Array, "*batch 5"]:
    """A goal as an agent is told it, where words name a thing and not the place it stands on."""
    kind = goal[..., :1]
    placed = (kind == kinds.PUT_NEAR) | (kind == kinds.DONE_NEAR)
    return jnp.where(placed & (jnp.arange(5) >= 3), jnp.uint8(0), goal)


def _touch(board: Board, offset: Int[Array, "*batch"]) -> Bool[Array, "*batch"]:
    """Whether so far apart on the flat board means within one row and one column."""
    away = jnp.abs(offset)
    return (away <= 1) | (jnp.abs(away - board.stride) <= 1)
