"""Play: keys in, screens out, and a real terminal once."""

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator

import pytest
from rich.console import Console

from meadow.core.errors import MeadowError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.game import WORDS, Game
from meadow.envs.xland.play import KEYS, QUIT, decode, messages, play, screen


def shown(game: Game) -> str:
    """The screen as plain text."""
    console = Console(file=io.StringIO(), width=120)
    console.print(screen(game))
    return console.file.getvalue()


def told(game: Game) -> list[str]:
    """The messages as plain text."""
    return [str(message) for message in messages(game)]


def test_every_key_does_a_word_and_every_word_has_a_key():
    assert set(KEYS.values()) == set(WORDS)
    assert QUIT not in KEYS


def test_the_screen_tells_how_episodes_went(game: Game):
    for word in ("move", "pick up"):
        game.do(word)
    assert "Goal reached in 2 steps, reward 0.70." in told(game)
    game.do("episode")
    assert "solved" in shown(game) and "playing" in shown(game), "both stand in the table"
    game.do("episode")
    assert "left" in shown(game)
    for _ in range(6):
        game.do("turn left")
    assert "Time is up after 6 steps." in told(game) and "time up" in shown(game)


def test_rules_are_hidden_until_asked_for(game: Game):
    game.do("move")
    seen = ["blue ball at row 1, column 4 becomes red key"]
    assert told(game) == seen, "what happens is seen, why is not"
    hidden = shown(game)
    assert "hold red key" not in hidden and "stand next to" not in hidden, "the rules show"
    game.do("reveal")
    assert told(game) == ["rule 1: stand next to blue ball -> red key", *seen]
    assert "Goal: hold red key" in shown(game)
    assert "no rule" not in shown(game), "padding is no rule"
    game.do("reveal")
    assert shown(game) == hidden, "and hides them again"


@pytest.mark.parametrize(
    "typed, keys, rest",
    [
        ("wW?", ["w", "w", "?"], ""),
        ("\x1b[A\x1bOB\x1b[C\x1b[D", ["up", "down", "right", "left"], ""),
        (" \t", ["space", "tab"], ""),
        ("\x1b[1;5A", ["up"], ""),
        ("\x1b[3~w", ["w"], ""),
        ("w\x1b", ["w"], "\x1b"),
        ("w\x1b[1;", ["w"], "\x1b[1;"),
        ("\x1bw", ["w"], ""),
        ("\x04", ["q"], ""),
        ("", [], ""),
    ],
)
def test_keys_are_told_from_what_a_terminal_sends(typed: str, keys: list[str], rest: str):
    assert decode(typed) == (keys, rest)


def test_no_terminal_is_said(
    small: XLand, same: AbstractTaskSpace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO("q"))
    with pytest.raises(MeadowError, match="needs a terminal"):
        play(small, same)


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    """A pseudo-terminal in place of this process's; its far end."""
    far, near = os.openpty()
    size = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    with pytest.MonkeyPatch.context() as patch, os.fdopen(near, "r+b", 0) as both:
        keys, screen = io.TextIOWrapper(both), io.TextIOWrapper(both, write_through=True)
        patch.setattr("sys.stdin", keys)
        patch.setattr("sys.stdout", screen)
        for name, value in size.items():
            patch.setenv(name, value)
        yield far
        keys.detach(), screen.detach()
    os.close(far)


def test_a_person_plays(small: XLand, same: AbstractTaskSpace):
    termios = pytest.importorskip("termios")
    with terminal() as far:
        before = termios.tcgetattr(sys.stdin)
        person = Person(far, [(b"hidden", b"w\x1b"), (b"1/6", b"[C?"), (b"hold red key", b"q")])
        play(small, same, seed=0)
        person.join(timeout=10)
        assert not person.is_alive(), f"the screen never showed what was awaited: {person.seen}"
        assert termios.tcgetattr(sys.stdin) == before, "the terminal is left as it was found"
    assert b"2/6" in person.seen, "a move, and a turn whose code came in two parts"


class Person(threading.Thread):
    """Types keys when the screen shows a sign, then watches until the screen is given back."""

    def __init__(self, terminal: int, script: list[tuple[bytes, bytes]]):
        super().__init__(daemon=True)
        self.terminal, self.script, self.seen = terminal, script, b""
        self.start()

    def run(self) -> None:
        for sign, keys in self.script:
            self.watch(sign)
            os.write(self.terminal, keys)
        self.watch(b"\x1b[?1049l")

    def watch(self, sign: bytes) -> None:
        while sign not in self.seen:
            self.seen += os.read(self.terminal, 4096)
