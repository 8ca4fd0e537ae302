"""Difficulty: how deep a task's rules go, and whether some of them can spoil it.

Numbers read from the task alone, without playing it, one task at a time; for many of them

    jax.lax.map(features, tasks, batch_size=4096)

>>> from meadow.tasks.grid import grid_task
>>> task = grid_task(
...     goal=("tile_near", "red key", "green star"),
...     rules=[("agent_near", "red ball", "red key"), ("agent_hold", "green star", "floor")],
...     objects=["red ball", "green star"],
... )
>>> {name: number.item() for name, number in features(task)._asdict().items()}
{'solvable': True, 'depth': 1, 'applications': 1, 'rules': 2, 'distractor_rules': 1, 'objects': 2, 'dead_end': True}
"""  # noqa: E501

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from meadow.tasks import kinds
from meadow.tasks.closure import (
    PLENTY,
    Closure,
    closure,
    given,
    inputs,
    is_tile,
    makes,
    of_goal,
    of_rules,
    own,
    solvable,
    until_same,
)
from meadow.tasks.grid import GridTask

_NEVER_MADE = 1000  # more than the longest chain of rules; the sum of two is still an int16
_ARITY = [kinds.arity(kind) if kind in kinds.GOAL_BYTES else 0 for kind in range(256)]


class Features(NamedTuple):
    """What makes a task easy or hard.

    Attributes:
        solvable: False proves that nothing solves it (`meadow.tasks.closure`).
        depth, applications: how long and how many; -1 where nothing solves it.
        rules: how many there are.
        distractor_rules: how many of them make nothing that the goal needs.
        objects: how many there are at the start.
        dead_end: whether a distractor rule can use up what the goal needs.
    """

    solvable: Bool[Array, "*batch"]
    depth: Int[Array, "*batch"]
    applications: Int[Array, "*batch"]
    rules: Int[Array, "*batch"]
    distractor_rules: Int[Array, "*batch"]
    objects: Int[Array, "*batch"]
    dead_end: Bool[Array, "*batch"]


def features(task: GridTask) -> Features:
    """All of them, in little more time than one of them."""
    found = closure(task)
    useful, _ = needed(task)
    there = task.rules[:, 0] != kinds.NEVER
    return Features(
        solvable=found.reached,
        depth=jnp.where(found.reached, _cost(task, jnp.maximum), -1),
        applications=jnp.where(found.reached, _cost(task, jnp.add), -1),
        rules=jnp.sum(there),
        distractor_rules=jnp.sum(there & ~useful),
        objects=jnp.sum(task.objects != 0),
        dead_end=_spoils(task, found),
    )


def depth(task: GridTask) -> Int[Array, ""]:
    """How many rules have to work one after the other, each on what another made, at least.

    0 where the goal's tiles are given; -1 where the goal is provably never reached.
    """
    return jnp.where(solvable(task), _cost(task, jnp.maximum), -1)


def applications(task: GridTask) -> Int[Array, ""]:
    """How many rules the smallest tree has that makes the goal's tiles from those given.

    In a tree every tile is made by itself; where two equal ones are needed, a single step that
    makes both can do with fewer. -1 where the goal is provably never reached.
    """
    return jnp.where(solvable(task), _cost(task, jnp.add), -1)


def dead_end(task: GridTask) -> Bool[Array, ""]:
    """Whether a rule can spoil the task: it takes a tile the goal needs and makes none it needs.

    No chain of rules leads back from there. Whether enough is left is not counted: True says that
    an agent may get stuck, not that it will. Nor does False exclude it: things can also be put out
    of reach, or be spent on the wrong rule of the tree.
    """
    return _spoils(task, closure(task))


def needed(task: GridTask) -> tuple[Bool[Array, "num_rules"], Bool[Array, "slots"]]:
    """Which rules make something the goal needs, and what it needs, directly or through rules.

    Tiles are in the slots of `meadow.tasks.closure.inputs`. What is everywhere, such as floor,
    does not count; of a goal of your own nothing is known, and it needs everything.
    """
    slots, made, kind = inputs(task), makes(task), task.rules[:, 0]
    scarce = ~jnp.asarray(PLENTY)[slots]
    num = jnp.asarray(_ARITY)[task.goal[0]]
    start = ((slots == task.goal[1]) & (num > 0)) | ((slots == task.goal[2]) & (num > 1))
    start = (start | own(task.goal[0])) & scarce
    a, b = task.rules[:, 1:2] == slots, task.rules[:, 2:3] == slots
    takes = (a | (b & is_tile(kind)[:, None])) | own(kind)[:, None]

    def useful(tiles: Bool[Array, "slots"]) -> Bool[Array, "num_rules"]:
        return jnp.any(made & tiles, axis=1)

    def step(tiles: Bool[Array, "slots"]) -> Bool[Array, "slots"]:
        return tiles | (jnp.any(takes & useful(tiles)[:, None], axis=0) & scarce)

    tiles = until_same(step, start)
    return useful(tiles), tiles


def _spoils(task: GridTask, found: Closure) -> Bool[Array, ""]:
    useful, tiles = needed(task)
    a, b = of_rules(tiles, task)
    return jnp.any((found.works & ~useful & (a | b)) | own(task.rules[:, 0]))


def _cost(task: GridTask, join: Callable[[Array, Array], Array]) -> Int[Array, ""]:
    """The least cost of the goal's tiles, where a rule costs one more than `join` of its inputs."""
    made, kind = makes(task), task.rules[:, 0]

    def both(pair: tuple[Array, Array], kind: Array) -> Array:
        return jnp.where(is_tile(kind), join(*pair), pair[0])

    def step(cost: Int[Array, "slots"]) -> Int[Array, "slots"]:
        rule = jnp.where(own(kind), 1, both(of_rules(cost, task), kind) + 1)
        best = jnp.where(made, rule[:, None], _NEVER_MADE).min(axis=0, initial=_NEVER_MADE)
        return jnp.minimum(cost, best).astype(jnp.int16)

    start = jnp.where(given(task) > 0, 0, _NEVER_MADE).astype(jnp.int16)
    total = both(of_goal(until_same(step, start), task), task.goal[0])
    asks = jnp.asarray(_ARITY)[task.goal[0]] > 0
    return jnp.where(asks, total, 0).astype(jnp.int32)
