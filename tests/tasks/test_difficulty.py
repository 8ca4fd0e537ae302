"""Difficulty: depths and sizes of trees told by plain recursion, and rules that spoil a task."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.tasks import kinds
from meadow.tasks.difficulty import applications, dead_end, depth, features
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.trees import Trees

BALL, KEY, STAR = "red ball", "blue key", "green star"
TREES = Trees.published("medium")
measure = jax.jit(features)


def draw(num: int) -> list[GridTask]:
    tasks = jax.jit(jax.vmap(lambda key: TREES.sample(key=key)))(jr.split(jr.key(3), num))
    tasks = jax.tree.map(np.asarray, tasks)
    return [jax.tree.map(lambda x: x[i], tasks) for i in range(num)]  # noqa: B023


class Told:
    """Depth, size and needs of a task, by plain recursion; its rules never go in circles."""

    def __init__(self, task: GridTask):
        self.objects = set(task.objects.tolist())
        self.rules = [tuple(row) for row in task.rules.tolist() if row[0]]
        num = kinds.arity(int(task.goal[0]))
        below = [self.cost(tile) for tile in task.goal[1 : 1 + num].tolist()]
        self.depth, self.applications = max(x[0] for x in below), sum(x[1] for x in below)
        self.useful = self.chain(set(task.goal[1 : 1 + num].tolist()))

    def cost(self, tile: int) -> tuple[int, int]:
        if tile in self.objects:
            return 0, 0
        found = []
        for kind, a, b, product in self.rules:
            if product == tile:
                below = [self.cost(a), self.cost(b)] if kind & kinds.TILE else [self.cost(a)]
                found.append((1 + max(x[0] for x in below), 1 + sum(x[1] for x in below)))
        return min(x[0] for x in found), min(x[1] for x in found)

    def chain(self, tiles: set[int]) -> set[tuple]:
        useful = {row for row in self.rules if row[3] in tiles}
        more = {tile for row in useful for tile in row[1:3] if tile} - tiles
        return useful | self.chain(more) if more else useful


def test_published_trees_agree_with_recursion():
    depths = []
    for task in draw(400):
        found, told = jax.device_get(measure(task)), Told(task)
        if not found.solvable:
            assert (found.depth, found.applications) == (-1, -1), "what cannot be has no depth"
            continue
        assert found.depth == told.depth, "the depth of the tree"
        assert found.applications == told.applications, "the size of the tree"
        assert found.rules == len(told.rules), "every rule is counted, padding is not"
        others = [row for row in told.rules if row not in told.useful]
        assert found.distractor_rules == len(others), "a distractor makes nothing of the tree"
        depths.append(told.depth)
    assert set(depths) == {0, 1, 2} and len(depths) > 380, "trees of all depths were compared"


# name: goal, rules, objects, (depth, applications, distractor rules, dead end)
CASES = {
    "given": (("agent_hold", KEY), [], [KEY], (0, 0, 0, False)),
    "given and made": (
        ("agent_hold", KEY),
        [("agent_near", BALL, KEY)],
        [KEY, BALL],
        (0, 0, 0, False),
    ),
    "the shorter of two ways": (
        ("agent_hold", KEY),
        [("agent_near", "pink star", KEY), ("agent_hold", BALL, "pink star"),
         ("agent_near_up", BALL, KEY)],
        [BALL],
        (1, 1, 0, False),
    ),
    "a distractor takes what the goal needs": (
        ("agent_hold", KEY),
        [("agent_near", BALL, KEY), ("tile_near", STAR, BALL, "floor")],
        [BALL, STAR],
        (1, 1, 1, True),
    ),
    "a distractor that never works": (
        ("agent_hold", KEY),
        [("agent_near", BALL, KEY), ("tile_near", STAR, BALL, "floor")],
        [BALL],
        (1, 1, 1, False),
    ),
    "a distractor takes something else": (
        ("agent_hold", KEY),
        [("agent_near", STAR, BALL)],
        [KEY, STAR],
        (0, 0, 1, False),
    ),
    "there and back again": (
        ("agent_hold", KEY),
        [("agent_near", BALL, KEY), ("agent_hold", KEY, "floor"), ("agent_near_up", KEY, BALL)],
        [BALL],
        (-1, -1, 1, True),
    ),
    "back again only": (
        ("agent_near", KEY),
        [("agent_near_up", BALL, KEY), ("agent_near_down", KEY, BALL)],
        [BALL],
        (1, 1, 0, False),
    ),
    "floor can be spent": (
        ("agent_near", KEY),
        [("agent_near", "floor", KEY), ("agent_near_up", STAR, "floor"),
         ("agent_near_up", "floor", STAR)],
        [],
        (1, 1, 2, False),
    ),
    "a place asks for nothing": (
        ("agent_on_position", 1, 1),
        [("agent_near", BALL, KEY)],
        [BALL],
        (0, 0, 1, False),
    ),
    "two of a kind are made one by one": (
        ("tile_near", KEY, KEY),
        [("agent_hold", BALL, KEY)],
        [BALL, BALL],
        (1, 2, 0, False),
    ),
    "a rule of your own": (
        ("agent_hold", KEY),
        [(kinds.CUSTOM[0], BALL)],
        [],
        (1, 1, 0, True),
    ),
}  # fmt: skip


def build(case: str) -> GridTask:
    """As wide as the tasks of TREES, so that one program serves all."""
    goal, rules, objects, _ = CASES[case]
    num_rules, num_objects = TREES.num_rules, TREES.num_objects
    return grid_task(goal, rules, objects, num_rules=num_rules, num_objects=num_objects)


@pytest.mark.parametrize("case", CASES)
def test_by_hand(case: str):
    found = measure(build(case))
    numbers = found.depth, found.applications, found.distractor_rules, found.dead_end
    assert tuple(x.item() for x in numbers) == CASES[case][-1], (
        f"{case}: depth, size, distractors, dead end"
    )
    assert found.objects.item() == len(CASES[case][2]), "every object is counted, padding is not"


def test_asked_singly_and_of_many_tasks_the_answers_are_the_same():
    tasks = jax.tree.map(lambda *x: jnp.stack(x), *map(build, CASES))
    single = (depth, applications, dead_end)
    answers = zip(*jax.jit(jax.vmap(lambda task: [f(task) for f in single]))(tasks), strict=True)
    for case, answer in zip(CASES, answers, strict=True):
        found = measure(build(case))
        together = found.depth, found.applications, found.dead_end
        assert eqx.tree_equal(answer, together), f"{case}: depth, size, dead end"
