"""Statistics: counted by hand on a few tasks, and as measured elsewhere on published ones."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from meadow.tasks.grid import grid_task
from meadow.tasks.published import regenerate
from meadow.tasks.statistics import shown, statistics

GOAL = ("tile_near", "red ball", "blue key")
MAKES = ("agent_hold", "pink hex", "blue key")
OTHER = ("agent_near", "pink hex", "floor")


def batch(*tasks):
    padded = [grid_task(*task, num_rules=3, num_objects=4) for task in tasks]
    return jax.tree.map(lambda *x: jnp.stack(x), *padded)


def test_counted_by_hand():
    figures = statistics(
        batch(
            (GOAL, [MAKES, OTHER], ["red ball", "pink hex", "pink hex"]),
            (GOAL, [OTHER], ["red ball", "blue key", "red goal", "red goal"]),
            (("agent_hold", "red key"), [MAKES], ["red key", "green goal"]),
            (("agent_on_position", 1, 2), [], []),
        )
    )
    assert figures == {
        "tasks": 4, "mean_rules": 1.0, "max_rules": 2, "rules": [0.25, 0.5, 0.25],
        "pruned": 0.75, "mean_objects": 2.25, "max_objects": 4, "goal_tile": 0.5, "twins": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rules", "pruned", "objects", "goal_tile", "twins"),
    [
        ("trivial", 0, 1, 4.98, 0.47, 0.057),
        ("medium", 4.54, 0.058, 7.02, 0.43, 0.19),
        ("high", 7.30, 0.057, 7.78, 0.40, 0.25),
    ],
)
def test_published_sets(name, rules, pruned, objects, goal_tile, twins):
    figures = statistics(regenerate(name, 5_000))
    ours = [figures[x] for x in ("mean_rules", "pruned", "mean_objects", "goal_tile", "twins")]
    theirs = [rules, pruned, objects, goal_tile, twins]
    np.testing.assert_allclose(ours, theirs, rtol=0.03, atol=0.025, err_msg=name)


def test_the_table_shows_every_figure():
    out = io.StringIO()
    figures = statistics(batch((GOAL, [OTHER], []), (GOAL, [], [])))
    Console(file=out, width=80).print(shown("mine", figures | {"rejected": 1_234}))
    text = out.getvalue()
    for part in ("mine", "rules, mean", "0.50", "draws rejected", "1,234", "1 rule ", "50.0%"):
        assert part in text, part
