"""Every exception we raise, drawn as a tree.

MeadowError
├── SpecError          an array or a number does not fit what was announced
├── TaskError          a task, rule, goal or layout that cannot be built
├── UnknownNameError   a name nobody registered; close matches are offered
├── CheckpointError    a file that is truncated, foreign, or from another experiment
└── LawError           a definition breaks a law of its noun (raised by `meadow.testing`)

A message says what was expected, what was got, where, and what to write instead.
"""

import difflib
from collections.abc import Iterable


class MeadowError(Exception):
    """The root: catch this to catch everything of ours."""


class SpecError(MeadowError, ValueError):
    """An array or a number does not fit what was announced."""


class TaskError(MeadowError, ValueError):
    """A task, rule, goal or layout that cannot be built."""


class UnknownNameError(MeadowError, KeyError):
    """A name nobody registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = "Known: " + ", ".join(known) + "."
        if close:
            hint = f"Did you mean {' or '.join(map(repr, close))}?"
        self.message = f"There is no {kind} called {name!r}. {hint}"
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class CheckpointError(MeadowError, ValueError):
    """A file that is truncated, foreign, or from another experiment."""


class LawError(MeadowError, AssertionError):
    """A definition breaks a law of its noun."""
