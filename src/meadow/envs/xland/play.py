"""Play: a person in the agent's place, in the terminal.

up, w      move            space      toggle a door        r   next episode, same task
left, a    turn left       p, tab     pick up              n   new task
right, d   turn right      down, s    put down             ?   show or hide the rules
                                                           q   quit
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from meadow.core.errors import MeadowError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.draw import map_of
from meadow.envs.xland.environment import Fired, State, XLand
from meadow.envs.xland.frame import advance, outcome
from meadow.envs.xland.near import MOVE, PICK_UP, PUT_DOWN, TOGGLE, TURN_LEFT, TURN_RIGHT
from meadow.envs.xland.text import map_text, status
from meadow.tasks import show
from meadow.tasks.grid import GridTask
from meadow.tasks.tiles import EMPTY, FLOOR, name

ACTION_KEYS = {
    **dict.fromkeys(("up", "w"), MOVE),
    **dict.fromkeys(("left", "a"), TURN_LEFT),
    **dict.fromkeys(("right", "d"), TURN_RIGHT),
    **dict.fromkeys(("tab", "p"), PICK_UP),
    **dict.fromkeys(("down", "s"), PUT_DOWN),
    "space": TOGGLE,
}
EPISODE, TASK, REVEAL, QUIT = "r", "n", "?", "q"

_HELP = (
    ("w ↑", "move", "space", "toggle a door"),
    ("a ←", "turn left", EPISODE, "next episode, same task"),
    ("d →", "turn right", TASK, "new task"),
    ("p tab", "pick up", REVEAL, "show or hide the rules"),
    ("s ↓", "put down", QUIT, "quit"),
)
_SHOWN_RESULTS = 8
_NARROWEST = 26  # columns for messages below a small map
_ESCAPES = {"A": "up", "B": "down", "C": "right", "D": "left"}
_NAMES = {" ": "space", "\t": "tab", "\x04": QUIT}


class Result(NamedTuple):
    """How an episode went; `solved` is None while it goes on."""

    solved: bool | None
    steps: int
    reward: float


class Game:
    """The game without a terminal: keys go in by name, a screen comes out.

    Args:
        environment: what is played in.
        space: where its tasks come from.
        seed: of tasks and episodes.

    Attributes:
        results: of the trial's episodes, the last one still going on or just over.
        revealed: whether goal and rules are shown.
        over: whether the person has quit.
    """

    def __init__(self, environment: XLand, space: AbstractTaskSpace, seed: int = 0):
        self.environment = environment
        self.over = self.revealed = False
        self._key = jr.key(seed)
        self._sample = eqx.filter_jit(space.sample)
        self._reset = eqx.filter_jit(environment.reset)
        self._advance = eqx.filter_jit(advance)
        self._begin_trial()
        # Compile now, so that the first key is answered at once.
        self._advance(environment, self.state, self.task, jnp.int32(MOVE))

    def press(self, key: str) -> None:
        """Do what the key says; other keys do nothing, and actions nothing after the end."""
        if key == QUIT:
            self.over = True
        elif key == REVEAL:
            self.revealed = not self.revealed
        elif key == TASK:
            self._begin_trial()
        elif key == EPISODE:
            self._begin_episode()
        elif key in ACTION_KEYS and self.results[-1].solved is None:
            self._step(ACTION_KEYS[key])

    def screen(self) -> RenderableType:
        """At left the map and what happened; at right the task, the results and the keys."""
        page = Table.grid(padding=(0, 3))
        page.add_column(no_wrap=True)
        page.add_column()
        told = Table.grid()
        told.add_column(width=max(2 * self.environment.width, _NARROWEST))
        for line in (*status(self.environment, self.state), Text(), *self.messages()):
            told.add_row(line)
        page.add_row(
            Group(map_text(self.environment, self.state), Text(), told),
            Group(*self._task_lines(), Text(), self._results(), Text(), _help()),
        )
        return page

    def messages(self) -> list[Text]:
        """What the last step brought about; the rules that fired only while they are shown."""
        lines = []
        if self.revealed and self._fired is not None:
            for index in np.flatnonzero(np.asarray(self._fired.rules)):
                rule = show.rule_text(self.task.rules[index])
                lines.append(Text(f"rule {index + 1}: {rule}", "yellow"))
        lines += [Text(change) for change in self._changes]
        solved, steps, reward = self.results[-1]
        if solved:
            lines.append(Text(f"Goal reached in {steps} steps, reward {reward:.2f}.", "bold green"))
        elif solved is False:
            lines.append(Text(f"Time is up after {steps} steps.", "bold red"))
        if solved is not None:
            lines.append(Text(f"{EPISODE}: next episode   {TASK}: new task", "dim"))
        return lines

    def _begin_trial(self) -> None:
        self.task: GridTask = self._sample(key=self._next_key())
        self.results: list[Result] = []
        self._begin_episode()

    def _begin_episode(self) -> None:
        if self.results and self.results[-1].solved is None:
            self.results[-1] = self.results[-1]._replace(solved=False)
        self.state, _ = self._reset(self.task, key=self._next_key())
        self.results.append(Result(None, 0, 0.0))
        self._fired: Fired | None = None
        self._changes: list[str] = []

    def _step(self, action: int) -> None:
        before = self.state
        self.state, reward, self._fired = self._advance(
            self.environment, before, self.task, jnp.int32(action)
        )
        self.results[-1] = Result(
            *outcome(self.environment, self.state, self._fired), round(float(reward), 3)
        )
        self._changes = changes(self.environment, before, self.state)

    def _next_key(self) -> Key[Array, ""]:
        self._key, key = jr.split(self._key)
        return key

    def _task_lines(self) -> list[Text]:
        if not self.revealed:
            return [Text(f"Goal and rules are hidden. {REVEAL} shows them.", "dim")]
        fired = np.zeros(len(self.task.rules), bool)
        reached = False
        if self._fired is not None:
            fired, reached = np.asarray(self._fired.rules), bool(self._fired.goal)
        goal = f"Goal: {show.goal_text(self.task.goal)}"
        lines = [Text(goal, "bold green" if reached else "bold")]
        for index, row in enumerate(np.asarray(self.task.rules)):
            if row[0]:
                style = "bold yellow" if fired[index] else ""
                lines.append(Text(f"{index + 1:2} {show.rule_text(row)}", style))
        return lines

    def _results(self) -> Table:
        table = Table(
            "episode", "", "steps", "reward", box=None, header_style="dim", pad_edge=False
        )
        first = max(len(self.results) - _SHOWN_RESULTS, 0)
        for index, (solved, steps, reward) in list(enumerate(self.results))[first:]:
            style = {None: "bold", True: "green", False: "dim"}[solved]
            ended = "time up" if steps == self.environment.time_limit else "left"
            how = {None: "playing", True: "solved", False: ended}[solved]
            shown = f"{reward:.2f}" if solved is not None else ""
            table.add_row(str(index + 1), how, str(steps), shown, style=style)
        return table


def changes(environment: XLand, before: State, after: State) -> list[str]:
    """What a watcher sees happen to things, in words."""
    told = []
    was, now = map_of(environment, before), map_of(environment, after)
    for y, x in np.argwhere(was != now):
        old, new, place = int(was[y, x]), int(now[y, x]), f"row {y}, column {x}"
        if new == FLOOR:
            told.append(f"{name(old)} gone from {place}")
        elif old == FLOOR:
            told.append(f"{name(new)} appears at {place}")
        else:
            told.append(f"{name(old)} at {place} becomes {name(new)}")
    if int(before.pocket) != int(after.pocket):
        held = int(after.pocket)
        told.append("you hold nothing now" if held == EMPTY else f"you hold {name(held)} now")
    return told


def play(environment: XLand, space: AbstractTaskSpace, seed: int = 0) -> None:
    """Play in this terminal until `q`.

    Raises:
        MeadowError: there is no terminal to play in.
    """
    with _keyboard() as keys:
        console = Console()
        console.print("One moment, compiling ...", style="dim")
        game = Game(environment, space, seed)
        with Live(game.screen(), console=console, screen=True, auto_refresh=False) as live:
            for key in keys:
                game.press(key)
                if game.over:
                    break
                live.update(game.screen(), refresh=True)


def decode(typed: str) -> tuple[list[str], str]:
    """The names of the keys in what a terminal sent, and what is the beginning of another.

    >>> decode("w\\x1b[A \\x1b[")
    (['w', 'up', 'space'], '\\x1b[')
    """
    begun = re.search(r"\x1b(?:[\[O][0-9;]*)?$", typed)
    rest = begun.group() if begun else ""
    keys = []
    for sequence, letter in re.findall(
        r"\x1b[\[O][0-9;]*([A-Za-z~])|\x1b|(.)", typed.removesuffix(rest), re.DOTALL
    ):
        key = _ESCAPES.get(sequence) or _NAMES.get(letter) or letter.lower()
        keys += [key] if key else []
    return keys, rest


@contextlib.contextmanager
def _keyboard() -> Iterator[Iterator[str]]:
    """Keys as they are pressed, without waiting for a line to end."""
    try:
        import termios
        import tty
    except ImportError as error:
        raise MeadowError("Playing needs a terminal of the POSIX kind (Linux, macOS).") from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise MeadowError(
            "Playing needs a terminal, but input or output is a file or a pipe. Run it in one, "
            "without redirection."
        )
    descriptor = sys.stdin.fileno()
    settings = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _pressed(descriptor)
    except KeyboardInterrupt:
        pass  # Ctrl-C is another way to quit
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, settings)


def _pressed(descriptor: int) -> Iterator[str]:
    typed = ""
    while new := os.read(descriptor, 1024):
        keys, typed = decode(typed + new.decode(errors="ignore"))
        yield from keys


def _help() -> Table:
    table = Table.grid(padding=(0, 2))
    for key, action, other, effect in _HELP:
        table.add_row(Text(key, "bold"), Text(action), Text(other, "bold"), Text(effect))
    return table
