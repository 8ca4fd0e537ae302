"""The examination itself: laws in order, the first one broken is raised by name."""

import textwrap
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax

from meadow.core.errors import LawError

Evidence = TypeVar("Evidence")
Law = Callable[[Evidence], str | None]
MAX_SAID = 500  # characters of a stranger's exception, which is chained in full


def examine(subject: object, laws: Mapping[str, Law[Evidence]], evidence: Evidence) -> None:
    """Hold `subject` to each law in turn.

    Args:
        subject: the definition examined; named in the error.
        laws: from the law in words to a function that says what is wrong, or None.
        evidence: what was observed of the subject; laws read it, later ones trust earlier ones.

    Raises:
        LawError: the first law broken, with what was expected and got. An exception inside the
            subject breaks the law during which it came.
    """
    for law, complaint_of in laws.items():
        cause = None
        try:
            complaint = complaint_of(evidence)
        except Exception as error:  # whatever a stranger's definition may raise
            said = textwrap.shorten(str(error), MAX_SAID)
            complaint, cause = f"Expected no exception, got {type(error).__name__}: {said}", error
        if complaint is not None:
            name = type(subject).__name__
            raise LawError(f"`{name}` breaks the law: {law}. {complaint}") from cause


class Traced:
    """A function under `jit` that counts its traces."""

    def __init__(self, function: Callable[..., Any]):
        self.count = 0

        def counted(*args: Any) -> Any:
            self.count += 1
            return function(*args)

        self._compiled = jax.jit(counted)

    def __call__(self, *args: Any) -> Any:
        """Call the compiled function."""
        return self._compiled(*args)


def anew(function: Callable[..., Any], *args: Any) -> Any:
    """Trace and run `function` once more, sharing nothing with earlier traces.

    A definition that keeps something in Python between calls (a counter, NumPy's random numbers)
    answers differently when traced anew; one compiled function called twice would hide it.
    """
    return jax.jit(lambda *xs: function(*xs))(*args)


def outline(function: Callable[..., Any], *args: Any) -> Any:
    """Shapes and dtypes of the answer, traced anew and not run."""
    return jax.eval_shape(lambda *xs: function(*xs), *args)
