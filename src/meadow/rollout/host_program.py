"""Program: one environment that is a Python program, and one who watches it.

What it shows must be what it announced. One that raises, pays what is no number, or shows something
else is an error that says where; or, if so configured, is begun anew with other luck while its
episode is given up.
"""

import traceback
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jax import tree
from jax.tree_util import keystr, tree_leaves_with_path
from jaxtyping import PyTree

from meadow.core.errors import MeadowError, SpecError
from meadow.core.spec import ActionSpec

OnError = Literal["raise", "restart"]
PATIENCE = 3  # failures in a row that are not put down to chance


class Told(NamedTuple):
    """What a program answers to an action.

    Attributes:
        last: the episode ended; with discount 0 where it terminated.
    """

    observation: PyTree
    reward: float
    discount: float
    last: bool


@runtime_checkable
class Program(Protocol):
    """One environment; whoever asks begins an episode before the first step and after a last.

    Attributes:
        action_spec: what an action may be.
        observation: an example, a pytree of NumPy arrays. What is shown may be of another type that
            is cast without loss of kind, float64 for float32.
    """

    action_spec: ActionSpec
    observation: PyTree

    def reset(self) -> PyTree:
        """Begin an episode; its first observation."""
        ...

    def step(self, action: Any) -> Told:
        """What comes of an action, a NumPy scalar or array."""
        ...

    def close(self) -> None:
        """End it."""
        ...


Make = Callable[[int], Program]
"""A program whose luck follows from a seed; for workers, one that can be pickled."""


class Board(NamedTuple):
    """What is told of all lives: arrays `[lives, ...]`, here or in shared memory."""

    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray
    last: np.ndarray
    lost: np.ndarray
    observation: list[np.ndarray]

    @classmethod
    def of(cls, arrays: list[np.ndarray]) -> "Board":
        """Of these arrays, the observation's leaves last."""
        return cls._make([*arrays[:5], arrays[5:]])


class Watched:
    """The program of one life; what it tells is written on its row of the board.

    Args:
        make: makes it.
        name: what messages call it.
        place: which row; `board.observation` are leaves of what is shown.
        restarts: one that fails is begun anew.
    """

    def __init__(self, make: Make, name: str, place: int, board: Board, restarts: bool):
        self._make, self._place, self._restarts = make, place, restarts
        self._what = f"Environment {place} of {name}"
        self._board = board
        self._rows = [leaf[place, ...] for leaf in board.observation]
        self._floats = [leaf.dtype.kind == "f" for leaf in board.observation]
        self._program: Program | None = None
        self._luck: list[int] = []
        self._births = self._steps = self._failures = 0
        self.notes: list[str] = []  # on what went wrong and was mended, until somebody reads them

    def start(self, luck: list[int]) -> None:
        """Forget the program; the next is made with this luck."""
        self.close()
        self._luck, self._births, self._failures = luck, 0, 0

    def reset(self) -> None:
        """Begin an episode, of a new program if there is none.

        Raises:
            MeadowError: it fails, for ever or at all, as configured.
        """
        while True:
            self._steps = 0
            try:
                if self._program is None:
                    seed = np.random.SeedSequence([*self._luck, self._place, self._births])
                    self._births += 1
                    self._program = self._make(int(seed.generate_state(1)[0]))
                self._show(self._program.reset())
                return
            except Exception as error:
                self._failed(error)

    def step(self) -> None:
        """Do what is written on the board; `lost` says whether it is known what came of it.

        Raises:
            MeadowError: it fails, for ever or at all, as configured.
        """
        board, place = self._board, self._place
        assert self._program is not None, "an episode begins before it is stepped"
        self._steps += 1
        try:
            told = self._program.step(board.action[place])
            reward, discount = float(told.reward), float(told.discount)
            if not (abs(reward) < np.inf and 0 <= discount <= 1):
                raise SpecError(
                    f"{self._what} paid {reward} with discount {discount} {self._when()}, where a "
                    "finite reward and a discount in [0, 1] were expected."
                )
            self._show(told.observation)
        except Exception as error:
            self._failed(error)
            board.lost[place] = True
            return
        board.reward[place], board.discount[place], board.last[place] = reward, discount, told.last
        board.lost[place] = False
        self._failures = 0

    def close(self) -> None:
        """End the program, if there is one, whatever it says to that."""
        program, self._program = self._program, None
        if program is not None:
            try:
                program.close()
            except Exception:
                self.notes.append(f"{self._what} could not be closed: {_last_line()}")

    def _show(self, observation: PyTree) -> None:
        leaves = tree.leaves(observation)
        if len(leaves) != len(self._rows):
            raise SpecError(self._unlike(observation))
        for x, row, is_float in zip(leaves, self._rows, self._floats, strict=True):
            x = np.asarray(x)
            same = x.dtype == row.dtype or np.can_cast(x.dtype, row.dtype, "same_kind")
            if x.shape != row.shape or not same:
                raise SpecError(self._unlike(observation))
            # A sum is finite where all are, but for overflow; a third of the time of looking.
            if is_float and not np.isfinite(x.sum()) and not np.isfinite(x).all():
                raise SpecError(
                    f"{self._what} showed {x} {self._when()}, where finite numbers were expected."
                )
            row[...] = x

    def _unlike(self, observation: PyTree) -> str:
        got = [
            f"{keystr(where)}{np.asarray(x).dtype}{list(np.shape(x))}"
            for where, x in tree_leaves_with_path(observation)
        ]
        expected = [f"{row.dtype}{list(row.shape)}" for row in self._rows]
        return (
            f"{self._what} showed {', '.join(got)} {self._when()}, where it had announced "
            f"{', '.join(expected)}. An observation keeps its shape and type."
        )

    def _when(self) -> str:
        return f"in step {self._steps} of an episode" if self._steps else "in a reset"

    def _failed(self, error: Exception) -> None:
        """Give the program up; or everything."""
        self._failures += 1
        text = str(error)
        if not isinstance(error, SpecError):
            text = f"{self._what} raised {_last_line()} {self._when()}."
        again = self._restarts and self._failures < PATIENCE
        self.close()
        if again:
            self.notes.append(f"{text} It is begun anew.")
            return
        advice = f" It failed {self._failures} times in a row." if self._restarts else ADVICE
        kind = SpecError if isinstance(error, SpecError) else MeadowError
        raise kind(text + advice) from error


ADVICE = (
    " Mend the environment; or write `on_error='restart'` to give up the episode and go on with a "
    "new environment."
)


def _last_line() -> str:
    """What is being handled, and where it came from."""
    lines = traceback.format_exc().strip().splitlines()
    places = [line.strip() for line in lines if line.lstrip().startswith("File ")]
    return f"{lines[-1]} ({places[-1]})" if places else lines[-1]
