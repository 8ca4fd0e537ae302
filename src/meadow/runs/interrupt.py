"""Interrupt: the first Ctrl-C asks the loop to stop, the second stops it."""

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTE = "Stopping after this chunk and saving. Ctrl-C again stops at once, without saving."


class Interrupt:
    """Turns the first SIGINT or SIGTERM into a flag that a loop asks between chunks.

        with Interrupt() as interrupt:
            while not finished and not interrupt.requested:
                ...

    The second one raises KeyboardInterrupt. Signals reach the main thread only; in another thread
    the flag is never set.

    Attributes:
        requested: whether the loop is asked to stop.
    """

    def __init__(self, say: Callable[[str], None] | None = None):
        """Args:
        say: shows the answer to the first signal; to stderr by default.
        """
        self.requested = False
        self._say = say or _to_stderr
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            # A handler that was not installed from Python reads as None and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._say(NOTE)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
