"""Serial: Python environments stepped one after the other, in this process.

The best there is for environments that step in microseconds. One that hangs hangs the run; workers
can be given a timeout.
"""

import warnings
from typing import Any, cast

import jax
import numpy as np
from jaxtyping import Bool, PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.rollout.host import AbstractHost, Elsewhere, Luck, Outcome
from meadow.rollout.host_program import Board, Make, OnError, Program, Watched
from meadow.rollout.life import Life


class Serial(AbstractHost):
    """`num` programs.

    Args:
        make: makes a program from a seed.
        num: how many.
        seed: of their luck, together with the run's own.
        name: what messages call them.
        on_error: whether one that fails ends the run, or is begun anew.
    """

    def __init__(
        self,
        make: Make,
        num: int,
        *,
        seed: int = 0,
        name: str = "the host",
        on_error: OnError = "raise",
    ):
        self.num, self._seed = num, seed
        program = make(seed)
        self.environment = environment = announced(program)
        program.close()
        shapes, self._structure = layout(environment, num)
        self._board = Board.of([np.zeros(*shape) for shape in shapes])
        self._shown = jax.tree.unflatten(self._structure, self._board.observation)
        restarts = on_error == "restart"
        self._lives = [Watched(make, name, i, self._board, restarts) for i in range(num)]

    def start(self, life: Life, seed: int) -> bool:
        """Every life is to begin, in a program made anew."""
        for each in self._lives:
            each.start([self._seed, seed])
        return False

    def begin(
        self, who: Bool[np.ndarray, "lives"], over: Bool[np.ndarray, "lives"], luck: Luck
    ) -> tuple[PyTree, Bool[np.ndarray, "lives"]]:
        """Reset their programs; nobody is lost by it.

        Raises:
            MeadowError: one fails, for ever or at all, as configured.
        """
        for i in np.flatnonzero(who):
            self._lives[i].reset()
            self._warn(self._lives[i])
        return self._shown, np.zeros(self.num, bool)

    def step(
        self, action: PyTree, luck: Luck, who: Bool[np.ndarray, "lives"] | None = None
    ) -> Outcome:
        """Step all, or some.

        Raises:
            MeadowError: one fails, for ever or at all, as configured.
        """
        board = self._board
        board.action[...] = action
        board.lost[...] = False
        for i, life in enumerate(self._lives):
            if who is None or who[i]:
                life.step()
                if life.notes:
                    self._warn(life)
        return Outcome(self._shown, board.reward, board.discount, board.last, board.lost.copy())

    def close(self) -> None:
        """Close the programs."""
        for life in self._lives:
            life.close()

    def _warn(self, life: Watched) -> None:
        while life.notes:
            warnings.warn(life.notes.pop(0), RuntimeWarning, stacklevel=3)


def announced(program: Program) -> Elsewhere:
    """What stands for such programs in an experiment.

    Raises:
        SpecError: it announces something else than arrays of NumPy.
    """
    for x in jax.tree.leaves(program.observation):
        if not isinstance(x, np.ndarray) or x.dtype.kind not in "biuf":
            raise SpecError(f"Expected observations that are NumPy arrays of numbers, got {x!r}.")
    shown = jax.tree.map(lambda x: np.zeros(x.shape, jax.dtypes.canonicalize_dtype(x.dtype)),
                         program.observation)  # fmt: skip
    return Elsewhere(program.action_spec, shown)


Shape = tuple[tuple[int, ...], Any]


def layout(environment: Elsewhere, num: int) -> tuple[list[Shape], Any]:
    """Shapes and types of a board's arrays, in its order, and the observation's structure."""
    spec = environment.spec
    action = ((num,), np.int32) if isinstance(spec, Discrete) else ((num, *spec.shape), np.float32)
    one, flag = ((num,), np.float32), ((num,), np.bool_)
    shown, structure = jax.tree.flatten(environment.observation)
    seen = [((num, *x.shape), x.dtype) for x in shown]
    return [cast(Shape, action), one, one, flag, flag, *seen], structure
