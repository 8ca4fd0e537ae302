"""Closure: what it says cannot be, cannot be; and it sees what rules do before the goal is tested.

That its proofs hold in the environment itself is tested with the planner, beside it.
"""

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.closure import Solvable, closure, solvable
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.kinds import CUSTOM
from meadow.tasks.only import Only
from meadow.tasks.trees import Trees

BALL, KEY, STAR, GOAL = "red ball", "blue key", "green star", "red goal"


def near(a: str, product: str) -> tuple:
    return ("agent_near", a, product)


# name: goal, rules, objects, and whether it may be solved
CASES = {
    "given": (("agent_hold", BALL), [], [BALL], True),
    "missing": (("agent_hold", BALL), [], [KEY], False),
    "made by a chain": (
        ("agent_hold", BALL),
        [("agent_hold", KEY, BALL), ("agent_near_up", STAR, KEY)],
        [STAR],
        True,
    ),
    "a chain with a gap": (("agent_hold", BALL), [near(KEY, BALL)], [STAR], False),
    "two are joined": (("agent_near", BALL), [("tile_near", KEY, STAR, BALL)], [KEY, STAR], True),
    "half of two": (("agent_near", BALL), [("tile_near", KEY, STAR, BALL)], [KEY], False),
    "a static thing held": (("agent_hold", GOAL), [], [GOAL], False),
    "a static thing comes into the hand": (
        ("agent_hold", GOAL),
        [("agent_hold", BALL, GOAL)],
        [BALL],
        True,
    ),
    "and is put down": (
        ("agent_on_tile", GOAL),
        [("agent_hold", BALL, GOAL)],
        [BALL],
        True,
    ),
    "what lies cannot be walked on": (("agent_on_tile", BALL), [], [BALL], False),
    "what is made underfoot can": (
        ("agent_on_tile", BALL),
        [("tile_near", KEY, "floor", BALL)],
        [KEY],
        True,
    ),
    "held, but a rule is faster": (
        ("agent_hold", BALL),
        [("agent_hold", BALL, KEY)],
        [BALL],
        False,
    ),
    "a later rule restores it": (
        ("agent_hold", BALL),
        [("agent_hold", BALL, KEY), ("agent_hold", KEY, BALL)],
        [BALL],
        True,
    ),
    "an earlier one does not": (
        ("agent_hold", BALL),
        [("agent_hold", KEY, BALL), ("agent_hold", BALL, KEY)],
        [BALL, KEY],
        False,
    ),
    "near, but a rule is faster": (("agent_near", BALL), [near(BALL, KEY)], [BALL], False),
    "a rule that looks one way leaves three": (
        ("agent_near", BALL),
        [("agent_near_up", BALL, KEY)],
        [BALL],
        True,
    ),
    "a rule about moves leaves put-downs": (
        ("agent_near_up", BALL),
        [near(BALL, KEY)],
        [BALL],
        True,
    ),
    "side by side, but a rule is faster": (
        ("tile_near_left", BALL, KEY),
        [("tile_near", KEY, BALL, STAR)],
        [BALL, KEY],
        False,
    ),
    "the same said the other way round": (
        ("tile_near_left", BALL, KEY),
        [("tile_near_right", KEY, BALL, STAR)],
        [BALL, KEY],
        False,
    ),
    "a rule about another side leaves it": (
        ("tile_near_left", BALL, KEY),
        [("tile_near_left", KEY, BALL, STAR)],
        [BALL, KEY],
        True,
    ),
    "two of a kind, one there": (("tile_near", BALL, BALL), [], [BALL], False),
    "two of a kind, two there": (("tile_near", BALL, BALL), [], [BALL, BALL], True),
    "two of a kind, one made": (
        ("tile_near", BALL, BALL),
        [near(KEY, BALL)],
        [BALL, KEY],
        True,
    ),
    "two of a kind, both made of one": (
        ("tile_near", BALL, BALL),
        [("tile_near", KEY, STAR, BALL)],
        [KEY, STAR],
        False,
    ),
    "a rule that needs two of a kind": (
        ("agent_hold", KEY),
        [("tile_near", BALL, BALL, KEY)],
        [BALL],
        False,
    ),
    "floor is everywhere": (("agent_near", BALL), [("agent_near", "floor", BALL)], [], True),
    "so are doors": (("agent_on_tile", "green open door"), [], [], True),
    "a thing at a place": (("tile_on_position", BALL, 2, 2), [], [BALL], True),
    "nothing at a place": (("tile_on_position", BALL, 2, 2), [], [KEY], False),
    "the agent at a place": (("agent_on_position", 2, 2), [], [], True),
    "no goal": (("empty",), [], [BALL], False),
    "a goal of your own": ((CUSTOM[0], BALL), [], [], True),
    "a rule of your own": (("agent_hold", BALL), [(CUSTOM[0],)], [], True),
}


# So few tiles and kinds that distractors often meet what the goal needs.
FEW = Trees(
    depth=1, distractor_rules=3, sample_distractor_rules=False, colours=("red", "blue"),
    rule_kinds=("agent_hold", "agent_near"), goal_kinds=("agent_hold", "agent_near"),
)  # fmt: skip
solve = jax.jit(solvable)


def build(case: str) -> GridTask:
    """As wide as the tasks of FEW, so that one program serves all."""
    goal, rules, objects, _ = CASES[case]
    return grid_task(goal, rules, objects, num_rules=FEW.num_rules, num_objects=FEW.num_objects)


@pytest.mark.parametrize("case", CASES)
def test_goals_that_can_and_cannot_be(case: str):
    assert bool(solve(build(case))) == CASES[case][-1], f"{case}: whether the goal may be reached"


def test_which_rules_may_work():
    task = grid_task(
        ("agent_hold", STAR),
        [near(BALL, KEY), near(STAR, KEY), ("tile_near", KEY, KEY, STAR), near(KEY, "floor")],
        [BALL],
        num_rules=5,
    )
    works = jax.jit(closure)(task).works
    assert works.tolist() == [True, False, False, True, False], (
        "a rule works where its inputs can be, as many as it needs; padding never does"
    )


def draw(space: AbstractTaskSpace, num: int) -> list[GridTask]:
    tasks = jax.jit(jax.vmap(lambda key: space.sample(key=key)))(jr.split(jr.key(0), num))
    tasks = jax.tree.map(np.asarray, tasks)
    return [jax.tree.map(lambda x: x[i], tasks) for i in range(num)]  # noqa: B023


def test_distractors_make_some_trees_impossible():
    share = np.mean([bool(solve(task)) for task in draw(FEW, 400)])
    assert 0.5 < share < 0.99, f"some distractors make the goal impossible, got {share:.3f}"


def test_solvable_draws_from_the_space_what_may_be_solved():
    tasks = draw(Solvable(FEW), 400)
    assert all(task.goal[0] != 0 for task in tasks), "a task is always found"
    assert all(bool(solve(task)) for task in tasks), "and nothing speaks against it"
    assert len({task.rules.tobytes() for task in tasks}) > 300, "there are many different ones"


def test_a_space_that_cannot_be_solved_gives_the_empty_task():
    impossible = Only(build("missing"))
    task = eqx.filter_jit(Solvable(impossible, max_draws=3).sample)(key=jr.key(0))
    assert not any(np.asarray(x).any() for x in jax.tree.leaves(task)), "all zeros"
    with pytest.raises(TaskError, match="`max_draws` must be at least 1, got 0"):
        Solvable(impossible, max_draws=0)
