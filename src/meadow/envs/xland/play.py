"""Play: a person in the agent's place, in the terminal.

up, w      move            space      toggle a door        r   next episode, same task
left, a    turn left       p, tab     pick up              n   new task
right, d   turn right      down, s    put down             u   undo
                                                           ?   show or hide the rules
                                                           q   quit
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland import game
from meadow.envs.xland.game import Game
from meadow.envs.xland.text import map_text, status
from meadow.tasks import show

KEYS = {
    **dict.fromkeys(("up", "w"), "move"),
    **dict.fromkeys(("left", "a"), "turn left"),
    **dict.fromkeys(("right", "d"), "turn right"),
    **dict.fromkeys(("tab", "p"), "pick up"),
    **dict.fromkeys(("down", "s"), "put down"),
    "space": "toggle",
    "r": game.EPISODE,
    "n": game.TASK,
    "u": game.UNDO,
    "?": game.REVEAL,
}
QUIT = "q"

_HELP = (
    ("w ↑", "move", "space", "toggle a door"),
    ("a ←", "turn left", "r", "next episode, same task"),
    ("d →", "turn right", "n", "new task"),
    ("p tab", "pick up", "u", "undo"),
    ("s ↓", "put down", "?", "show or hide the rules"),
    ("", "", QUIT, "quit"),
)
_SHOWN_RESULTS = 8
_NARROWEST = 26  # columns for messages below a small map
_ESCAPES = {"A": "up", "B": "down", "C": "right", "D": "left"}
_NAMES = {" ": "space", "\t": "tab", "\x04": QUIT}
_STYLES = {game.PLAYING: "bold", game.SOLVED: "green"}


def play(environment: AbstractEnvironment, space: AbstractTaskSpace, seed: int = 0) -> None:
    """Play in this terminal until `q`.

    Raises:
        MeadowError: there is no terminal to play in.
    """
    with _keyboard() as keys:
        console = Console()
        console.print("One moment, compiling ...", style="dim")
        played = Game(environment, space, seed)
        with Live(screen(played), console=console, screen=True, auto_refresh=False) as live:
            for key in keys:
                if key == QUIT:
                    break
                if key in KEYS:
                    played.do(KEYS[key])
                    live.update(screen(played), refresh=True)


def screen(played: Game) -> RenderableType:
    """At left the map and what happened; at right the task, the results and the keys."""
    page = Table.grid(padding=(0, 3))
    page.add_column(no_wrap=True)
    page.add_column()
    told = Table.grid()
    told.add_column(width=max(2 * played.environment.board.cells().shape[1], _NARROWEST))
    for line in (*status(played.environment, played.state), Text(), *messages(played)):
        told.add_row(line)
    page.add_row(
        Group(map_text(played.environment, played.state), Text(), told),
        Group(*_task_lines(played), Text(), _results(played), Text(), _help()),
    )
    return page


def messages(played: Game) -> list[Text]:
    """What the last step brought about; the rules that fired only while they are shown."""
    moment, lines = played.moments[-1], []
    if played.revealed and moment.fired is not None:
        for index in np.flatnonzero(moment.fired.rules):
            rule = show.rule_text(played.task.rules[index])
            lines.append(Text(f"rule {index + 1}: {rule}", "yellow"))
    lines += [Text(change) for change in moment.changes]
    if played.over:
        style = "bold green" if moment.result.how == game.SOLVED else "bold red"
        lines.append(Text(game.ending(moment.result), style))
        lines.append(Text("r: next episode   n: new task", "dim"))
    return lines


def _task_lines(played: Game) -> list[Text]:
    if not played.revealed:
        return [Text("Goal and rules are hidden. ? shows them.", "dim")]
    fired = played.moments[-1].fired
    reached = fired is not None and bool(fired.goal)
    goal = f"Goal: {show.goal_text(played.task.goal)}"
    lines = [Text(goal, "bold green" if reached else "bold")]
    for index, row in enumerate(np.asarray(played.task.rules)):
        if row[0]:
            lit = fired is not None and fired.rules[index]
            lines.append(Text(f"{index + 1:2} {show.rule_text(row)}", "bold yellow" if lit else ""))
    return lines


def _results(played: Game) -> Table:
    table = Table("episode", "", "steps", "reward", box=None, header_style="dim", pad_edge=False)
    first = max(len(played.results) - _SHOWN_RESULTS, 0)
    for index, (how, steps, reward) in list(enumerate(played.results))[first:]:
        shown = f"{reward:.2f}" if how != game.PLAYING else ""
        style = _STYLES.get(how, "dim")
        table.add_row(str(index + 1), how, str(steps), shown, style=style)
    return table


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
