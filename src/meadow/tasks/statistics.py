"""Statistics: what a set of tasks is like, in a dozen numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from rich.table import Table as Rows

from meadow.tasks import kinds, tiles
from meadow.tasks.grid import GridTask

_ROWS = {
    "tasks": ("tasks", "{:,}"),
    "mean_rules": ("rules, mean", "{:.2f}"),
    "max_rules": ("rules, most", "{}"),
    "pruned": ("nothing to make for the goal", "{:.1%}"),
    "mean_objects": ("objects, mean", "{:.2f}"),
    "max_objects": ("objects, most", "{}"),
    "goal_tile": ("a goal tile among the objects", "{:.1%}"),
    "twins": ("two equal objects", "{:.1%}"),
    "rejected": ("draws rejected as repeats", "{:,}"),
    "repeats": ("tasks that repeat an earlier one", "{:,}"),
}


def statistics(tasks: GridTask) -> dict[str, Any]:
    """What a batch of tasks is like.

    Returns:
        `tasks`, how many; `mean_rules`, `max_rules` and `rules`, the share of tasks with 0, 1, ...
        rules; `pruned`, the share in which no rule makes what the goal names; `mean_objects` and
        `max_objects`; `goal_tile`, the share with a goal tile among the objects; `twins`, the share
        with two equal objects.
    """
    goal, rules, objects = (np.asarray(x) for x in (tasks.goal, tasks.rules, tasks.objects))
    num_rules, num_objects = (rules[..., 0] != kinds.NEVER).sum(-1), (objects != 0).sum(-1)
    is_goal_tile = objects // tiles.NUM_COLOURS == tiles.TILES.index("goal")
    return {
        "tasks": len(goal),
        "mean_rules": float(num_rules.mean()),
        "max_rules": int(num_rules.max()),
        "rules": [round(float(x), 4) for x in np.bincount(num_rules) / len(goal)],
        "pruned": float(_pruned(goal, rules).mean()),
        "mean_objects": float(num_objects.mean()),
        "max_objects": int(num_objects.max()),
        "goal_tile": float(is_goal_tile.any(-1).mean()),
        "twins": float(_twins(objects).mean()),
    }


def shown(title: str, figures: Mapping[str, Any]) -> Rows:
    """Figures of `statistics`, and `rejected` or `repeats` where known, as a table to print."""
    table = Rows("", title, title_justify="left")
    table.columns[1].justify = "right"
    for name, (text, form) in _ROWS.items():
        if name in figures:
            table.add_row(text, form.format(figures[name]))
    table.add_section()
    for num, share in enumerate(figures["rules"]):
        table.add_row(f"{num} rule{'' if num == 1 else 's'}", f"{share:.1%}")
    return table


def _pruned(
    goal: UInt8[np.ndarray, "num 5"], rules: UInt8[np.ndarray, "num rules 4"]
) -> Bool[np.ndarray, "num"]:
    """Whether no rule makes a tile of the goal; what else there is are distractors."""
    made = np.zeros(len(goal), bool)
    for tile in (goal[:, 1], goal[:, 2]):
        makes = (rules[..., 3] == tile[:, None]) & (rules[..., 0] != kinds.NEVER)
        made |= makes.any(-1) & (tile != 0)
    return ~made


def _twins(objects: UInt8[np.ndarray, "num objects"]) -> Bool[np.ndarray, "num"]:
    ordered = np.sort(objects, axis=-1)
    return ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != 0)).any(-1)
