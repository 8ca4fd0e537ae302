"""Catch: a ball falls, and a paddle must be below it when it lands.

**observation** a vector of the board's cells, row by row from the top: 1 for the ball and for the
  paddle, else 0.
**actions** go left, stay, go right (0, 1, 2); the paddle stops at the walls.
**reward** 1 for a ball that is caught, -1 for one that is not; 0 before it lands.
**ends** terminates when the ball is in the paddle's row, after `rows - 1` steps.
**hidden** nothing.
**task** the column in which the ball falls; -1, `ANY`, for one that a reset draws. The paddle
  begins in the middle.
**reference** Mnih et al., Recurrent Models of Visual Attention, 2014, for the game; Osband et al.,
  Behaviour Suite for Reinforcement Learning, 2020, for this board.
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition

ANY = -1

Column = Int[Array, ""]


class CatchState(eqx.Module):
    """Where ball and paddle are; the paddle's row is the last."""

    row: Int[Array, ""]
    column: Int[Array, ""]
    paddle: Int[Array, ""]


class Catch(AbstractEnvironment[Column, CatchState]):
    """Be below the ball when it lands (see the top of this file).

    Attributes:
        rows, columns: of the board.
    """

    rows: int = eqx.field(static=True, default=10)
    columns: int = eqx.field(static=True, default=5)

    def __check_init__(self) -> None:
        if self.rows < 2 or self.columns < 1:
            raise SpecError(
                f"`Catch` needs two rows and a column, got {self.rows} and {self.columns}."
            )

    @property
    def action_spec(self) -> Discrete:
        """Left, stay, right."""
        return Discrete(3)

    def reset(self, task: Column, *, key: Key[Array, ""]) -> tuple[CatchState, TimeStep]:
        """A ball at the top."""
        column = jnp.where(task == ANY, jr.randint(key, (), 0, self.columns), task)
        state = CatchState(jnp.int32(0), column, jnp.int32(self.columns // 2))
        return state, restart(self._board(state))

    def step(
        self, state: CatchState, task: Column, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[CatchState, TimeStep]:
        """Move the paddle; the ball falls by a row."""
        paddle = jnp.clip(state.paddle + action - 1, 0, self.columns - 1)
        state = CatchState(state.row + 1, state.column, paddle)
        landed = state.row == self.rows - 1
        paid = jnp.where(state.column == paddle, 1.0, -1.0)
        reward = jnp.where(landed, paid, 0.0)
        return state, transition(reward, self._board(state), terminated=landed)

    def _board(self, state: CatchState) -> Float[Array, "cells"]:
        ball = state.row * self.columns + state.column
        paddle = (self.rows - 1) * self.columns + state.paddle
        cells = jnp.arange(self.rows * self.columns)
        return ((cells == ball) | (cells == paddle)).astype(jnp.float32)
