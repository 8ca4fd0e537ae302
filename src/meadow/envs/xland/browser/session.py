"""Session: one tab's game; messages of a page go in, messages to it come out.

page -> here   {"do": "move"}                       one of `game.WORDS`
               {"world": "demo", "kind": "small"}   play there; kind null: the world's own tasks
here -> page   {"menu": {"worlds": [...], "kinds": [...]}}
               {"wait": "..."}                      what follows takes seconds
               {"moment": {...}}                    all there is to show (`told`)
               {"refused": "..."}                   why nothing was done
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError, SpecError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.browser.told import told
from meadow.envs.xland.game import WORDS, Game

LONGEST = 1000  # characters of a message

_FORMS = '{"do": "move"} or {"world": "demo", "kind": null}'


class Menu(NamedTuple):
    """What can be played: names, and how to open one of the worlds with one of the kinds."""

    worlds: tuple[str, ...]
    kinds: tuple[str, ...]
    open: Callable[[str, str | None], tuple[AbstractEnvironment, AbstractTaskSpace]]


class Session:
    """The game of one tab.

    Args:
        menu: what can be played.
        world, kind: what is played first.
        seed: of the tasks and episodes of every game.
    """

    def __init__(self, menu: Menu, world: str, kind: str | None = None, seed: int = 0):
        self.menu, self.seed = menu, seed
        self.place = {"world": world, "kind": kind}
        self.game: Game | None = None

    def greet(self) -> Iterator[dict[str, Any]]:
        """What a page is told before it has said anything."""
        yield {"menu": {"worlds": self.menu.worlds, "kinds": self.menu.kinds}}
        yield from self.hear(json.dumps(self.place))

    def hear(self, text: str | None) -> Iterator[dict[str, Any]]:
        """Answers to a message; one that makes no sense changes nothing.

        Args:
            text: as it came; None for what was no text.
        """
        try:
            message = _parsed(text)
            if "do" in message:
                self._do(message["do"])
            else:
                yield {"wait": f"Compiling {message['world']}"}
                self._open(**message)
        except MeadowError as error:
            yield {"refused": str(error)}
            return
        assert self.game is not None
        yield {"moment": self.place | told(self.game)}

    def _do(self, word: str) -> None:
        if word not in WORDS:
            raise UnknownNameError("action", word, WORDS)
        if self.game is None:
            raise MeadowError("There is no game yet: choose a world first.")
        self.game.do(word)

    def _open(self, world: str, kind: str | None) -> None:
        """A game that cannot be begun leaves the one before as it was."""
        if world not in self.menu.worlds:
            raise UnknownNameError("world", world, self.menu.worlds)
        if kind is not None and kind not in self.menu.kinds:
            raise UnknownNameError("kind of task", kind, self.menu.kinds)
        self.game = Game(*self.menu.open(world, kind), self.seed)
        self.place = {"world": world, "kind": kind}


def _parsed(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > LONGEST:
        raise SpecError(f"Expected at most {LONGEST} characters of text, such as {_FORMS}.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"Expected JSON such as {_FORMS}, got {text[:40]!r}.") from error
    fits = isinstance(message, dict) and (
        (set(message) == {"do"} and isinstance(message["do"], str))
        or (
            set(message) == {"world", "kind"}
            and isinstance(message["world"], str)
            and isinstance(message["kind"], str | None)
        )
    )
    if not fits:
        raise SpecError(f"Expected {_FORMS}, got {text[:40]!r}.")
    return message
