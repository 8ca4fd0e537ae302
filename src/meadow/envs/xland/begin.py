"""Begin: the first moment of a drawn level."""

import jax.numpy as jnp

from meadow.envs.xland.advance import State
from meadow.envs.xland.board import Board
from meadow.tasks.level import Level


def begin(board: Board, level: Level) -> State:
    """The level laid on its board, the agent where it says."""
    y, x = level.position
    return State(
        grid=board.lay(level.map),
        position=(y + board.margin) * board.stride + x + board.margin,
        direction=level.direction,
        pocket=level.pocket,
        step=jnp.int32(0),
    )
