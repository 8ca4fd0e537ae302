"""Told: a moment of a game as plain values, all that a page shows.

While goal and rules are hidden they are not sent at all.
"""

from typing import Any

import jax
import numpy as np

from meadow.envs.xland import game
from meadow.envs.xland.draw import map_of, view_of, view_window
from meadow.envs.xland.game import Game, Moment, Result
from meadow.envs.xland.text import DIRECTIONS
from meadow.tasks import kinds, show
from meadow.tasks.tiles import FLOOR, WALL, name

Told = dict[str, Any]

_LONGEST = 100  # lines of what happened


def told(played: Game) -> Told:
    """The moment now."""
    environment, state = played.environment, jax.device_get(played.state)
    tiles, lit, view = (look(environment, state) for look in (map_of, view_window, view_of))
    (row, column), facing = _place(played), int(state.direction)
    size, pocket = environment.view_size, int(state.pocket)
    return {
        "map": _picture(tiles, lit, (row, column, facing)),
        "view": _picture(view, np.zeros_like(view), (size - 1, size // 2, 0)),
        "marks": _marks(played),
        "pocket": {"tile": pocket, "name": name(pocket)},
        "words": f"You are at row {row}, column {column}, facing {DIRECTIONS[facing]}; "
        f"ahead: {_ahead(played)}; you hold {name(pocket)}.",
        "can": played.can(),
        "limit": environment.time_limit,
        "trial": played.trial,
        "results": [result._asdict() for result in played.results],
        "ending": game.ending(played.results[-1]) if played.over else "",
        "log": [line for i, m in enumerate(played.moments) for line in _lines(played, i, m)][
            -_LONGEST:
        ],
        "task": _task(played) if played.revealed else None,
    }


def _picture(tiles: np.ndarray, lit: np.ndarray, agent: tuple[int, int, int]) -> Told:
    height, width = tiles.shape
    flat = {"tiles": tiles.ravel().tolist(), "lit": lit.astype(int).ravel().tolist()}
    return {"height": height, "width": width, **flat, "agent": agent}


def _place(played: Game) -> tuple[int, int]:
    here = played.environment.board.cells() == int(played.state.position)
    row, column = np.argwhere(here)[0]
    return int(row), int(column)


def _ahead(played: Game) -> str:
    state, ahead = played.state, played.environment.board.ahead
    return name(int(np.asarray(state.grid)[int(state.position) + ahead[int(state.direction)]]))


def _marks(played: Game) -> list[Told]:
    """Cells to be framed: what rules changed just now, and where the goal is when it is shown."""
    marks = []
    kind, _, _, y, x = (int(value) for value in played.task.goal)
    if played.revealed and kind in (kinds.TILE_AT, kinds.AGENT_AT):
        marks.append({"row": y, "column": x, "what": "goal"})
    fired = played.moments[-1].fired
    if fired is not None and np.any(fired.rules):
        was, now = (map_of(played.environment, m.state) for m in played.moments[-2:])
        changed = np.argwhere(was != now).tolist()
        marks += [{"row": y, "column": x, "what": "changed"} for y, x in changed]
    return marks


def _lines(played: Game, step: int, moment: Moment) -> list[Told]:
    """What happened in a step: rules only while they are shown."""
    lines = []
    if played.revealed and moment.fired is not None:
        for index in np.flatnonzero(moment.fired.rules):
            words = f"Rule {index + 1}: {show.rule_text(played.task.rules[index])}"
            lines.append({"step": step, "what": "rule", "text": words})
    for change in moment.changes:
        lines.append({"step": step, "what": "change", "text": change})
    if moment.result.how != game.PLAYING:
        lines.append(_last_line(played, step, moment.result))
    return lines


def _last_line(played: Game, step: int, result: Result) -> Told:
    if result.how == game.SOLVED and played.revealed:
        return {"step": step, "what": "goal", "text": f"Goal: {show.goal_text(played.task.goal)}"}
    what = "goal" if result.how == game.SOLVED else "end"
    return {"step": step, "what": what, "text": game.ending(result)}


def _task(played: Game) -> Told:
    """Goal and rules as a tree, what fired just now marked."""
    task, fired = played.task, played.moments[-1].fired
    goal, rules = np.asarray(task.goal), np.asarray(task.rules)
    lit = np.zeros(len(rules), bool) if fired is None else np.asarray(fired.rules)
    plan = show.outline(goal, rules, _objects(task))
    return {
        "goal": show.goal_text(goal),
        "reached": played.results[-1].how == game.SOLVED,
        "failure": _failure(task),
        "parts": [_part(node, rules, lit) for node in plan.roots],
        "rules": [_rule(index, rules, lit) for index in plan.rules],
        "objects": [{"tile": tile, "name": name(tile)} for tile in plan.objects],
    }


def _failure(task: Any) -> str:
    """What ends the episode badly, where the task has such a thing."""
    never = np.array([kinds.NEVER, 0, 0, 0, 0])
    failure = np.asarray(getattr(task, "failure", never))
    return show.goal_text(failure) if failure[0] != kinds.NEVER else ""


def _objects(task: Any) -> np.ndarray:
    """What lies on the map at first, be it said by the task or drawn in its map."""
    if hasattr(task, "objects"):
        return np.asarray(task.objects)
    tiles = np.asarray(task.map).ravel()
    return tiles[~np.isin(tiles, (FLOOR, WALL))]


def _part(node: show.Node, rules: np.ndarray, lit: np.ndarray) -> Told:
    how = {} if node.rule is None else _rule(node.rule, rules, lit)
    parts = [_part(child, rules, lit) for child in node.children]
    return {"tile": node.tile, "name": name(node.tile), "note": node.note, "parts": parts, **how}


def _rule(index: int, rules: np.ndarray, lit: np.ndarray) -> Told:
    kind, a, b, product = (int(value) for value in rules[index])
    return {
        "number": index + 1,
        "when": show.sentence(kind, a, b),
        "inputs": [tile for tile in (a, b) if tile],
        "product": {"tile": product, "name": name(product)},
        "fired": bool(lit[index]),
    }
