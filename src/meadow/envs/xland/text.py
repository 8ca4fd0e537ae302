"""Text: a moment of the grid world for a terminal, every cell two columns wide.

In colour a shape shows the tile. In plain ASCII a letter does and a second one its colour:

    o ball   s square   A pyramid   k key   h hex   * star   = goal   ## wall   . floor
    X locked door   + closed door   ' open door   ~ lava   b box   B box with a key in it
    ^^ >> vv << the agent
    r red   g green   b blue   p purple   y yellow   a grey
    k black   o orange   w white   n brown   i pink   - none

`:` is floor in the agent's view.
"""

import numpy as np
from rich.text import Text

from meadow.envs.xland.advance import State
from meadow.envs.xland.draw import map_of, view_window
from meadow.envs.xland.sprites import AGENT, LIGHT, RGB
from meadow.envs.xland.world import World
from meadow.tasks.tiles import COLOURS, EMPTY, FLOOR, TILES, name, unpack

DIRECTIONS = ("up", "right", "down", "left")

_GLYPHS = ("  ", "  ", "██", "● ", "■ ", "▲ ", "▒▒", "o¬", "╳╳", "[]", "┊┊", "⬢ ", "★ ")
_GLYPHS += ("≈≈", "⊟ ", "⊡ ")
_SHAPES = dict(zip(TILES, _GLYPHS, strict=True))
_LETTERS = dict(zip(TILES, " .#osA=kX+'h*~bB", strict=True))
_COLOUR_LETTERS = "-rgbpyakowni"
_ARROWS, _PLAIN_ARROWS = ("▲", "▶", "▼", "◀"), ("^^", ">>", "vv", "<<")
_SOFTER = 0.25  # towards white: pure blue on black cannot be read in a terminal
_ON_BLACK = (120, 120, 120)  # what lies under black things


def text(environment: World, state: State, *, plain: bool = False) -> Text:
    """The map with the agent on it, and below it a line of what else there is to know.

    Args:
        plain: ASCII letters without colour, for terminals and files that know nothing else.

    Raises:
        SpecError: a batch of states, or a state of another map.
    """
    known = Text("   ").join(status(environment, state))
    return map_text(environment, state, plain=plain).append("\n").append_text(known)


def map_text(environment: World, state: State, *, plain: bool = False) -> Text:
    """The map alone, a line for each row."""
    tiles, seen = map_of(environment, state), view_window(environment, state)
    here = environment.board.cells() == int(state.position)
    rows = []
    for cells in zip(tiles, seen, here, strict=True):
        row = Text(no_wrap=True)
        for tile, lit, agent in zip(*cells, strict=True):
            direction = int(state.direction) if agent else None
            row.append(*(_plain if plain else _coloured)(int(tile), bool(lit), direction))
        rows.append(row)
    return Text("\n", no_wrap=True).join(rows)


def status(environment: World, state: State) -> list[Text]:
    """Where the agent looks, what it holds, and the step."""
    known = {
        "facing ": DIRECTIONS[int(state.direction)],
        "holding ": name(int(state.pocket)),
        "step ": f"{int(state.step)}/{environment.time_limit}",
    }
    return [Text.assemble((label, "dim"), (value, "bold")) for label, value in known.items()]


def _plain(tile: int, lit: bool, agent: int | None) -> tuple[str, str]:
    if agent is not None:
        return _PLAIN_ARROWS[agent], ""
    shape, colour = unpack(tile)
    if tile in (EMPTY, FLOOR):
        return {EMPTY: "  ", FLOOR: ": " if lit else ". "}[tile], ""
    if TILES[shape] == "wall" and COLOURS[colour] == "grey":
        return "##", ""
    return _LETTERS[TILES[shape]] + _COLOUR_LETTERS[colour], ""


def _coloured(tile: int, lit: bool, agent: int | None) -> tuple[str, str]:
    shape, colour = unpack(tile)
    kind, black = TILES[shape], COLOURS[colour] == "black"
    under = np.array(RGB[colour] // 2 if kind == "floor" else (0, 0, 0), float)
    if black and kind not in ("floor", "wall"):
        under[:] = _ON_BLACK
    if lit:
        under += LIGHT * (255 - under)
    if agent is not None:
        return f"{_ARROWS[agent]} ", f"bold {_rgb(AGENT)} on {_rgb(under)}"
    ink = RGB[colour] if kind == "wall" or black else RGB[colour] + _SOFTER * (255 - RGB[colour])
    if kind == "wall" and lit:
        ink = ink + LIGHT * (255 - ink)
    return _SHAPES[kind], f"{_rgb(ink)} on {_rgb(under)}"


def _rgb(colour: np.ndarray | tuple[int, int, int]) -> str:
    return "#" + "".join(f"{round(float(part)):02x}" for part in colour)
