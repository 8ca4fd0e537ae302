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
from typing import NamedTuple

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
_BRANCH = {False: "├─ ", True: "└─ "}


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
    said = {
        kinds.NEVER: "none, it is never reached",
        kinds.TILE_AT: f"bring {tiles.name(a)} to {place}",
        kinds.AGENT_AT: f"stand at {place}",
        kinds.PUT_NEAR: f"put {tiles.name(a)} near {place}",
        kinds.MISHANDLED: f"pick up anything but {tiles.name(a)}, or put anything down",
        kinds.DONE_NEAR: f"be done beside {place}",
        kinds.DONE: "be done, or toggle",
    }
    return said[kind] if kind in said else sentence(kind, a, b)


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
    plan = outline(goal, rules, objects)
    lines = [f"Goal: {goal_text(goal)}", *_branches(plan.roots, rules)]
    if plan.rules:
        lines.append("Other rules")
        last = plan.rules[-1]
        lines += [f"{_BRANCH[i == last]}{rule_text(rules[i])}" for i in plan.rules]
    if plan.objects:
        lines.append(f"Other objects: {', '.join(map(tiles.name, plan.objects))}")
    return "\n".join(lines)


@dataclasses.dataclass
class Node:
    """A tile that is needed, and where it comes from.

    Attributes:
        tile: its byte.
        rule: index of the rule that makes it; None where none does.
        children: what that rule needs.
        note: "as above" for what was made before, "not there" for what is neither placed nor made.
    """

    tile: int
    rule: int | None = None
    children: list["Node"] = dataclasses.field(default_factory=list)
    note: str = ""


class Outline(NamedTuple):
    """A task as a tree below each tile of its goal, and what the goal has no use for.

    Attributes:
        rules: indices of the rules left over.
        objects: the tiles left over.
    """

    roots: list[Node]
    rules: list[int]
    objects: list[int]


def outline(goal: np.ndarray, rules: np.ndarray, objects: np.ndarray) -> Outline:
    """The tree of one task, whose arrays are those of a `GridTask`.

    Level by level, because a rule belongs to the tile nearest the goal; every rule is used once,
    so a hand-written circle of rules ends.
    """
    placed = Counter(int(x) for x in objects if x)
    rest, made = [i for i, row in enumerate(rules) if row[0]], set()
    roots = [Node(tile) for tile in _inputs(goal)]
    level = roots
    while level:
        for node in level:
            node.rule = next((i for i in rest if rules[i][3] == node.tile), None)
            if node.rule is not None:
                rest.remove(node.rule)
                made.add(node.tile)
                node.children = [Node(tile) for tile in _inputs(rules[node.rule])]
            elif placed[node.tile]:
                placed[node.tile] -= 1
            else:
                node.note = "as above" if node.tile in made else "not there"
        level = [child for node in level for child in node.children]
    return Outline(roots, rest, list(placed.elements()))


def _text(node: Node, rules: np.ndarray) -> str:
    """What it is and how it comes about."""
    name = tiles.name(node.tile)
    if node.rule is not None:
        return f"{name}: {sentence(*map(int, rules[node.rule][:3]))}"
    return f"{name} ({node.note})" if node.note else name


def _branches(nodes: Sequence[Node], rules: np.ndarray, indent: str = "") -> Iterator[str]:
    for node in nodes:
        last = node is nodes[-1]
        yield f"{indent}{_BRANCH[last]}{_text(node, rules)}"
        yield from _branches(node.children, rules, indent + ("   " if last else "│  "))


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
