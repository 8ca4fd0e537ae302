"""Play: keys in, screens out, and a real terminal once."""

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array, Key
from rich.console import Console

from meadow.core.errors import MeadowError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.environment import State, XLand
from meadow.envs.xland.frame import advance
from meadow.envs.xland.play import ACTION_KEYS, Game, Result, changes, decode, play
from meadow.tasks.grid import GridTask


class Same(AbstractTaskSpace[GridTask]):
    """A space of one task, with the objects in one of two orders."""

    task: GridTask

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        return self.task


@pytest.fixture
def game(small: XLand, chain: GridTask, place: Callable[..., State]) -> Game:
    """The first episode of `chain`, two steps from its end."""
    game = Game(small, Same(chain), seed=0)
    game.state = place({(1, 4): "blue ball"}, agent=(1, 2), direction=1)
    return game


def shown(game: Game) -> str:
    """The screen as plain text."""
    console = Console(file=io.StringIO(), width=120)
    console.print(game.screen())
    return console.file.getvalue()


def told(game: Game) -> list[str]:
    """The messages as plain text."""
    return [str(message) for message in game.messages()]


@pytest.mark.parametrize("key, action", [*ACTION_KEYS.items()])
def test_a_key_does_its_action(game: Game, small: XLand, key: str, action: int):
    expected, _, _ = eqx.filter_jit(advance)(small, game.state, game.task, jnp.int32(action))
    game.press(key)
    assert eqx.tree_equal(jax.device_get(game.state), jax.device_get(expected)), (
        f"{key} did something other than action {action}"
    )


def test_other_keys_do_nothing(game: Game):
    before = game.state
    for key in ("x", "1", "enter", "\x00", "é"):
        game.press(key)
    assert game.state is before and game.results == [Result(None, 0, 0.0)] and not game.over


def test_an_episode_ends_at_the_goal_and_the_next_follows(game: Game, chain: GridTask):
    for key in ("w", "p"):
        game.press(key)
    assert game.results == [Result(True, 2, 0.7)], "two of six steps: 1 - 0.9 * 2 / 6"
    assert "Goal reached in 2 steps, reward 0.70." in told(game)
    ended = game.state
    game.press("w")
    assert game.state is ended, "after the end actions do nothing"
    game.press("r")
    assert game.results == [Result(True, 2, 0.7), Result(None, 0, 0.0)], "same trial, new episode"
    assert eqx.tree_equal(game.task, chain)
    assert "solved" in shown(game) and "playing" in shown(game), "both stand in the table"


def test_time_runs_out(game: Game):
    for _ in range(6):
        game.press("a")
    assert game.results == [Result(False, 6, 0.0)]
    assert "Time is up after 6 steps." in told(game) and "time up" in shown(game)


def test_an_episode_can_be_left_and_a_task_too(game: Game):
    game.press("a")
    game.press("r")
    assert game.results == [Result(False, 1, 0.0), Result(None, 0, 0.0)], "left: not solved"
    assert "left" in shown(game)
    game.press("n")
    assert game.results == [Result(None, 0, 0.0)], "a new task begins a new trial"


def test_rules_are_hidden_until_asked_for(game: Game):
    game.press("w")
    seen = ["blue ball at row 1, column 4 becomes red key"]
    assert told(game) == seen, "what happens is seen, why is not"
    hidden = shown(game)
    assert "hold red key" not in hidden and "stand next to" not in hidden, "the rules show"
    game.press("?")
    assert told(game) == ["rule 1: stand next to blue ball -> red key", *seen]
    assert "Goal: hold red key" in shown(game)
    assert "no rule" not in shown(game), "padding is no rule"
    game.press("?")
    assert shown(game) == hidden, "and hides them again"


def test_the_same_seed_is_the_same_game(small: XLand, chain: GridTask):
    first, second, third = (Game(small, Same(chain), seed=seed) for seed in (3, 3, 4))
    assert eqx.tree_equal(first.state, second.state), "a seed decides all"
    assert not eqx.tree_equal(first.state, third.state), "another seed, another start"


def test_changes_are_told_in_words(small: XLand, place: Callable[..., State]):
    before = place({(1, 1): "red ball", (2, 2): "blue closed door"})
    after = place({(2, 2): "blue open door", (3, 3): "pink hex"})
    after = eqx.tree_at(lambda s: s.pocket, after, jnp.uint8(3 * 12 + 1))
    assert changes(small, before, after) == [
        "red ball gone from row 1, column 1",
        "blue closed door at row 2, column 2 becomes blue open door",
        "pink hex appears at row 3, column 3",
        "you hold red ball now",
    ]
    assert changes(small, after, before)[-1] == "you hold nothing now"


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


def test_no_terminal_is_said(small: XLand, chain: GridTask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("q"))
    with pytest.raises(MeadowError, match="needs a terminal"):
        play(small, Same(chain))


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


def test_a_person_plays(small: XLand, chain: GridTask):
    termios = pytest.importorskip("termios")
    with terminal() as far:
        before = termios.tcgetattr(sys.stdin)
        person = Person(far, [(b"hidden", b"w\x1b"), (b"1/6", b"[C?"), (b"hold red key", b"q")])
        play(small, Same(chain), seed=0)
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
