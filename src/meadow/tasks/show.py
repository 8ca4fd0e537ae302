"""Show: a task as text, a tree from the goal down to the objects it starts with.

>>> from meadow.tasks.grid import grid_task
>>> print(tree(grid_task(
...     goal=("tile_near", "red key", "green star"),
...     rules=[("agent_hold", "blue ball", "red key"), ("agent_near", "pink hex", "floor")],
...     objects=["green star", "blue ball", "pink hex", "white hex"],
... )))
Goal: put red key next to green star
├─ red key: hold blue ball
│  └─ blue ball
└─ green star
Other rules
└─ stand next to pink hex -> floor
Other objects: pink hex, white hex
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import ArrayLike

from meadow.core.errors import TaskError
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import GridTask

_WHERE = {
    kinds.AROUND: ("next to", "next to"),
    kinds.UP: ("above", "above"),
    kinds.RIGHT: ("right of", "to the right"),
    kinds.DOWN: ("below", "below"),
    kinds.LEFT: ("left of", "to the left"),
}


def rule_text(row: ArrayLike | Sequence[int]) -> str:
    """One rule as one line.

    >>> rule_text([kinds.RULES["tile_near_up"], tiles.parse("red ball"), tiles.parse("blue key"),
    ...            tiles.parse("pink hex")])
    'put blue key above red ball -> pink hex'
    """
    kind, a, b, product = _bytes(row, 4, "rule")
    return sentence(kind, a, b, product) if kind else "no rule"


def goal_text(row: ArrayLike | Sequence[int]) -> str:
    """One goal as one line.

    >>> goal_text([kinds.GOALS["agent_on_position"], 0, 0, 3, 4])
    'stand at row 3, column 4'
    """
    kind, a, b, row_, column = _bytes(row, 5, "goal")
    place = f"row {row_}, column {column}"
    if kind == kinds.TILE_AT:
        return f"bring {tiles.name(a)} to {place}"
    if kind == kinds.AGENT_AT:
        return f"stand at {place}"
    return sentence(kind, a, b) if kind else "none, it is never reached"


def sentence(kind: int, a: int, b: int, product: int | None = None) -> str:
    """What must happen, and what it makes where there is a product; all arguments are bytes."""
    text = _condition(kind, tiles.name(a), tiles.name(b))
    return text if product is None else f"{text} -> {tiles.name(product)}"


def tree(task: GridTask) -> str:
    """The task as indented text: what the goal needs, which rule makes it, from what.

    Rules and objects that the goal has no use for come after the tree. A tile that is neither
    placed nor made is marked, so an unsolvable task can be recognised.

    Raises:
        TaskError: a batch of tasks; print one of them.
    """
    goal, rules, objects = (np.asarray(x) for x in (task.goal, task.rules, task.objects))
    if goal.ndim != 1:
        raise TaskError(
            f"`tree` prints one task, got a batch of shape {list(goal.shape[:-1])}. "
            "Pick one: `tree(jax.tree.map(lambda x: x[0], tasks))`."
        )
    rows = [tuple(int(x) for x in row) for row in rules if row[0]]
    placed = Counter(int(x) for x in objects if x)
    roots, others = _grow(_inputs(goal), rows, placed)
    lines = [f"Goal: {goal_text(goal)}", *_branches(roots)]
    if others:
        lines.append("Other rules")
        lines += _branches([_Node(0, text=rule_text(row)) for row in others])
    if left := [tiles.name(x) for x in placed.elements()]:
        lines.append(f"Other objects: {', '.join(left)}")
    return "\n".join(lines)


@dataclasses.dataclass
class _Node:
    tile: int
    text: str = ""
    children: list["_Node"] = dataclasses.field(default_factory=list)


def _grow(
    needs: list[int], rows: list[tuple[int, ...]], placed: Counter[int]
) -> tuple[list[_Node], list[tuple[int, ...]]]:
    """The tree below the goal's tiles and the rules it leaves over; takes what it uses.

    Level by level, because a rule belongs to the tile nearest the goal; every rule is used once,
    so a hand-written circle of rules ends.
    """
    rest, made = list(rows), set()
    roots = [_Node(tile) for tile in needs]
    level = roots
    while level:
        for node in level:
            name = tiles.name(node.tile)
            row = next((row for row in rest if row[3] == node.tile), None)
            if row is not None:
                rest.remove(row)
                made.add(node.tile)
                node.text = f"{name}: {sentence(*row[:3])}"
                node.children = [_Node(tile) for tile in _inputs(row)]
            elif placed[node.tile]:
                placed[node.tile] -= 1
                node.text = name
            else:
                node.text = f"{name} ({'as above' if node.tile in made else 'not there'})"
        level = [child for node in level for child in node.children]
    return roots, rest


def _branches(nodes: list[_Node], indent: str = "") -> Iterator[str]:
    for node in nodes:
        last = node is nodes[-1]
        yield f"{indent}{'└─ ' if last else '├─ '}{node.text}"
        yield from _branches(node.children, indent + ("   " if last else "│  "))


def _inputs(row: np.ndarray | tuple[int, ...]) -> list[int]:
    kind, a, b = (int(x) for x in row[:3])
    if kind in kinds.CUSTOM:
        return [tile for tile in (a, b) if tile]
    return [a, b][: kinds.arity(kind)]


def _condition(kind: int, a: str, b: str) -> str:
    near, beside = _WHERE.get(kind & kinds.AROUND, ("near", "near"))
    if kind in kinds.CUSTOM:
        return f"custom kind {kind} of {a} and {b}"
    if kind & kinds.TILE:
        return f"put {a} {near} {b}" if near == "next to" else f"put {b} {near} {a}"
    if kind & kinds.HOLD:
        return f"hold {a}"
    if kind & (kinds.AGENT_MOVE | kinds.AGENT_PUT):
        return f"stand next to {a}" if near == "next to" else f"stand with {a} {beside}"
    return f"stand on {a}"


def _bytes(row: ArrayLike | Sequence[int], width: int, what: str) -> list[int]:
    values = np.asarray(row)
    if values.shape != (width,):
        raise TaskError(f"A {what} is one row of {width} bytes, got shape {list(values.shape)}.")
    return [int(x) for x in values]
