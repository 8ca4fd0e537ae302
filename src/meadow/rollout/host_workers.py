"""Workers: Python environments stepped by processes of their own, side by side.

What they tell lies in memory that all share; a pipe to each worker says when to go and when it is
done. A worker that dies is noticed at once, one that hangs after a timeout. Worth it where a step
takes longer than a message, some fifty microseconds.

Workers do not hear SIGINT and SIGTERM, which a terminal sends to all of them: whoever made them
decides whether to stop, and they end when their pipe is closed.

Processes are spawned, so a script that makes workers keeps its own work under
`if __name__ == "__main__":`.
"""

import atexit
import contextlib
import ctypes
import multiprocessing
import os
import signal
import time
import warnings
import weakref
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, PyTree

from meadow.core.errors import MeadowError, SpecError
from meadow.rollout.host import AbstractHost, Luck, Outcome
from meadow.rollout.host_program import ADVICE, PATIENCE, Board, Make, OnError, Watched
from meadow.rollout.host_serial import Shape, announced, layout
from meadow.rollout.life import Life

_BIRTH = 120.0  # seconds that importing libraries may take
_UNHEARD = (signal.SIGINT, signal.SIGTERM)
# Workers step environments: they need neither an accelerator nor threads of their own.
_ALONE = {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class _Shared(NamedTuple):
    """Memory that a worker is given when it is spawned; who is to do something comes last."""

    blocks: list[Any]
    shapes: list[Shape]

    def arrays(self) -> list[np.ndarray]:
        return [
            np.frombuffer(block, dtype, int(np.prod(shape))).reshape(shape)
            for block, (shape, dtype) in zip(self.blocks, self.shapes, strict=True)
        ]


class _Worker(NamedTuple):
    """A process and the lives it steps."""

    process: Any
    pipe: Connection
    places: range


class Workers(AbstractHost):
    """`num` programs divided among processes.

    Args:
        make: makes a program from a seed; can be pickled.
        num: how many.
        workers: processes, at most one for each program.
        seed: of their luck, together with the run's own.
        name: what messages call them.
        timeout: seconds after which a worker hangs.
        on_error: whether one that fails, dies or hangs ends the run, or is begun anew.

    Raises:
        SpecError: no processes, or more than programs.
    """

    def __init__(
        self,
        make: Make,
        num: int,
        workers: int,
        *,
        seed: int = 0,
        name: str = "the host",
        timeout: float = 60.0,
        on_error: OnError = "raise",
    ):
        if not 1 <= workers <= num:
            raise SpecError(
                f"Expected from 1 to {num} workers for {num} environments of {name}, got "
                f"{workers}. Write `workers={min(max(workers, 1), num)}`."
            )
        self.num, self._seed, self._name, self._timeout = num, seed, name, timeout
        program = make(seed)
        self.environment = environment = announced(program)
        program.close()
        shapes, self._structure = layout(environment, num)
        shapes.append(((num,), np.bool_))
        sizes = [max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize) for shape, dtype in shapes]
        self._context = multiprocessing.get_context("spawn")
        self._shared = _Shared([self._context.RawArray(ctypes.c_byte, n) for n in sizes], shapes)
        arrays = self._shared.arrays()
        self._board, self._who = Board.of(arrays[:-1]), arrays[-1]
        self._shown = jax.tree.unflatten(self._structure, self._board.observation)
        self._make, self._restarts = make, on_error == "restart"
        self._luck, self._births = [seed], 0
        self._failures = [0] * workers  # of each, since a step of its own went well
        cuts = np.linspace(0, num, workers + 1).astype(int).tolist()
        self._workers: list[_Worker] = []
        self._end = weakref.finalize(self, _end, self._workers)
        atexit.register(self._end)  # before Python waits for children that hear no SIGTERM
        for first, end in zip(cuts, cuts[1:], strict=False):
            self._workers.append(self._spawn(range(first, end)))

    def start(self, life: Life, seed: int) -> bool:
        """Every life is to begin, in a program made anew."""
        self._luck, self._births = [self._seed, seed], 0
        self._failures = [0] * len(self._workers)
        self._ask(("start", self._luck), np.ones(self.num, bool), _BIRTH)
        return False

    def begin(
        self, who: Bool[np.ndarray, "lives"], over: Bool[np.ndarray, "lives"], luck: Luck
    ) -> tuple[PyTree, Bool[np.ndarray, "lives"]]:
        """Have them reset; with a worker that falls all its lives are lost.

        Raises:
            MeadowError: one fails, for ever or at all, as configured.
        """
        self._board.lost[...] = False
        self._ask(("begin", None), who, _BIRTH)
        return self._shown, self._board.lost.copy()

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
        self._ask(("step", None), np.ones(self.num, bool) if who is None else who, self._timeout)
        return Outcome(self._shown, board.reward, board.discount, board.last, board.lost.copy())

    def close(self) -> None:
        """End the processes."""
        self._end()

    def _ask(self, message: tuple, who: Bool[np.ndarray, "lives"], timeout: float) -> None:
        """Have workers do something for some lives, and wait until all have; or close them.

        Raises:
            MeadowError: one failed.
        """
        if not self._end.alive:
            raise MeadowError("These workers were closed. Make others.")
        try:
            self._asked(message, who, timeout)
        except BaseException:
            self.close()  # or an answer nobody waited for would be taken for the next one's
            raise

    def _asked(self, message: tuple, who: Bool[np.ndarray, "lives"], timeout: float) -> None:
        self._who[...] = who
        busy = [i for i, w in enumerate(self._workers) if who[w.places.start : w.places.stop].any()]
        for i in busy:
            with contextlib.suppress(BrokenPipeError):  # it is dead, as will be noticed below
                self._workers[i].pipe.send(message)
        until = time.monotonic() + timeout
        for i in busy:
            if self._hear(i, until, timeout) and message[0] == "step":
                self._failures[i] = 0

    def _hear(self, i: int, until: float, timeout: float) -> bool:
        """Wait for one worker; whether it answered, and has not fallen."""
        worker = self._workers[i]
        try:
            if not worker.pipe.poll(max(0.0, until - time.monotonic())):
                self._fallen(i, f"did not answer within {timeout:g} seconds")
                return False
            notes, error = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join(5)
            self._fallen(i, f"died (exit code {worker.process.exitcode})")
            return False
        for note in notes:
            warnings.warn(note, RuntimeWarning, stacklevel=5)
        if error is not None:
            raise (SpecError if error[0] else MeadowError)(error[1])
        return True

    def _fallen(self, i: int, what: str) -> None:
        """A worker is gone, and with it what its lives were doing."""
        places = self._workers[i].places
        who = f"environments {places.start} to {places.stop - 1} of {self._name}"
        text = f"The worker of {who} {what}."
        self._failures[i] += 1
        if not self._restarts or self._failures[i] >= PATIENCE:
            often = f" It fell {self._failures[i]} times without a step that went well."
            raise MeadowError(text + (often if self._restarts else ADVICE))
        warnings.warn(text + " They are begun anew.", RuntimeWarning, stacklevel=6)
        _stop(self._workers[i])
        self._workers[i] = self._spawn(places)
        self._births += 1
        self._workers[i].pipe.send(("start", [*self._luck, self._births]))
        self._hear(i, time.monotonic() + _BIRTH, _BIRTH)
        self._board.lost[places.start : places.stop] = True

    def _spawn(self, places: range) -> _Worker:
        here, there = self._context.Pipe()
        arguments = (there, self._shared, self._make, self._name, places, self._restarts)
        process = self._context.Process(target=_serve, args=arguments, daemon=True)
        with _environment(_ALONE), _unheard():
            process.start()
        there.close()
        return _Worker(process, here, places)


def _serve(
    pipe: Connection, shared: _Shared, make: Make, name: str, places: range, restarts: bool
) -> None:
    """What a worker does: as it is told, until nobody tells it anything."""
    for each in _UNHEARD:  # not SIG_IGN, which programs that an environment starts would inherit
        signal.signal(each, _ignored)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _UNHEARD)
    arrays = shared.arrays()
    board, who = Board.of(arrays[:-1]), arrays[-1]
    lives = [Watched(make, name, place, board, restarts) for place in places]
    verbs = {"begin": Watched.reset, "step": Watched.step}
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            verb, luck = pipe.recv()
            error = None
            try:
                for place, life in zip(places, lives, strict=True):
                    if verb == "start":
                        life.start(luck)
                    elif who[place]:
                        verbs[verb](life)
            except MeadowError as failed:
                error = (isinstance(failed, SpecError), str(failed))
            notes = [note for life in lives for note in life.notes]
            for life in lives:
                life.notes.clear()
            pipe.send((notes, error))
    for life in lives:
        life.close()


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Environment variables that a process spawned meanwhile begins with."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """A process spawned meanwhile hears none of these signals until it says what it does then."""
    resource_tracker.ensure_running()  # which would unblock them when it is first spawned
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _UNHEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignored(number: int, frame: FrameType | None) -> None:
    """What a worker does at a signal that is its parent's affair."""


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.pipe.close()  # which it takes as leave to go
    for worker in workers:
        worker.process.join(1)
        _stop(worker)


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    if worker.process.is_alive():
        worker.process.kill()
    worker.process.join()
