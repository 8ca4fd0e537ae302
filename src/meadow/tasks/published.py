"""Published: the four task sets that papers report on, regenerated instead of downloaded.

Each set is what one procedure draws from Python's `random` with seed 42. It is repeated here draw
for draw, so that task i is task i of the published file, on any CPython from 3.8.

    goal -> a rule that makes each of its tiles -> rules that make their inputs -> ... -> objects

Branches are pruned at random (the tile is then given), and distractor rules and objects are added.
A task whose goal and rules were drawn before is drawn again. Nothing checks that a task can be
solved.

References: Nikulin et al., XLand-MiniGrid, 2023; Bauer et al., Human-Timescale Adaptation in an
Open-Ended Task Space, 2023, appendix A.2. Sets as published since December 2025 (no duplicates).
"""

import dataclasses
import itertools
import random
from collections.abc import Iterator, Sequence

import numpy as np

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import GridTask
from meadow.tasks.raw import from_raw

Tile = tuple[int, int]
Raw = tuple[tuple[int, ...], list[tuple[int, ...]], list[Tile]]

COLOURS = (
    "red", "green", "blue", "purple", "yellow", "grey", "white", "brown", "pink", "orange",
)  # fmt: skip
OBJECTS = ("ball", "square", "pyramid", "key", "star", "hex")
KINDS = (
    "agent_hold",
    "agent_near", "agent_near_up", "agent_near_down", "agent_near_left", "agent_near_right",
    "tile_near", "tile_near_up", "tile_near_down", "tile_near_left", "tile_near_right",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config:
    """How a published set was drawn.

    Attributes:
        depth: levels of rules below the goal.
        prune: probability that a tile is given rather than made; None never asks.
        distractor_rules: at most so many, a uniform number of them.
        distractor_objects: exactly so many.
        size: how many tasks the largest published set holds.
    """

    depth: int
    prune: float | None
    distractor_rules: int
    distractor_objects: int
    size: int

    @property
    def num_rules(self) -> int:
        """The most rules a task can have (at least one row, which may be padding)."""
        return max(2 ** (self.depth + 1) - 2 + self.distractor_rules, 1)

    @property
    def num_objects(self) -> int:
        """The most objects a task can begin with."""
        return 2 ** (self.depth + 1) + self.distractor_objects + 2 * self.distractor_rules


CONFIGS = {
    "trivial": Config(0, None, 0, 3, 21_000),
    "small": Config(1, 0.3, 2, 2, 1_000_000),
    "medium": Config(2, 0.1, 3, 2, 3_000_000),
    "high": Config(3, 0.1, 4, 1, 3_000_000),
}


def published(name: str) -> Config:
    """How the set called trivial, small, medium or high was drawn.

    Raises:
        UnknownNameError: no set of that name.
    """
    if name not in CONFIGS:
        raise UnknownNameError("published task set", name, CONFIGS)
    return CONFIGS[name]


def regenerate(name: str, num: int) -> GridTask:
    """The first `num` tasks of a published set, as a batch.

    Rules and objects are padded to the most the set can have, whatever `num` is.

    Raises:
        UnknownNameError: no set of that name.
        TaskError: more tasks than were published.
    """
    return _batch(published(name), raw(name, num), num)


def raw(name: str, num: int) -> Iterator[Raw]:
    """The same tasks one by one, in the published encoding and unpadded (see `meadow.tasks.raw`).

    A task without rules has one rule of zeros.
    """
    config = published(name)
    if not 0 <= num <= config.size:
        raise TaskError(f"The set {name!r} has {config.size:,} tasks, asked for {num:,}.")
    return _unique(config, num)


def _batch(config: Config, tasks: Iterator[Raw], num: int) -> GridTask:
    goals, rules, objects = bytearray(), bytearray(), bytearray()
    flat = itertools.chain.from_iterable
    for goal, rows, given in itertools.islice(tasks, num):
        goals += bytes(goal)
        rules += bytes(flat(rows)).ljust(7 * config.num_rules, b"\0")
        objects += bytes(flat(given)).ljust(2 * config.num_objects, b"\0")
    return from_raw(
        np.frombuffer(goals, np.uint8).reshape(num, 5),
        np.frombuffer(rules, np.uint8).reshape(num, config.num_rules, 7),
        np.frombuffer(objects, np.uint8).reshape(num, config.num_objects, 2),
    )


def _unique(config: Config, num: int) -> Iterator[Raw]:
    draw, seen = _Draw(random.Random(42), config), set()
    for _ in range(num):
        task = draw.task()
        while (known := (task[0], *task[1])) in seen:
            task = draw.task()
        seen.add(known)
        yield task


def _ids(names: dict[str, int]) -> list[int]:
    order = list(names)
    return [order.index(name) for name in KINDS]


def _tiles(names: Sequence[str]) -> list[Tile]:
    return [(tiles.TILES.index(t), tiles.COLOURS.index(c)) for t in names for c in COLOURS]


_GOAL_IDS, _RULE_IDS = _ids(kinds.GOALS), _ids(kinds.RULES)
_PICKABLE, _ANY = _tiles(OBJECTS), _tiles((*OBJECTS, "goal"))
# "A list without the used ones" is drawn from in the order in which CPython iterates over a set
# difference, so the sets must be built from the lists in their order, and subtracted as sets.
_PICKABLE_SET, _ANY_SET = set(_PICKABLE), set(_ANY)
_PRODUCT_SET = set([*_PICKABLE, (tiles.TILES.index("floor"), tiles.COLOURS.index("black"))])
_NOTHING: frozenset[Tile] = frozenset()
_NO_RULE = (0,) * 7


class _Draw:
    """One stream of tasks; the order of the calls to `rng` is the specification."""

    def __init__(self, rng: random.Random, config: Config):
        self.rng, self.config = rng, config

    def task(self) -> Raw:
        config = self.config
        goal, frontier = self.goal()
        used, rows = set(frontier), []
        objects = list(frontier) if config.depth == 0 else []
        for level in range(config.depth):
            frontier, leaves = self.level(frontier, used, rows, level == config.depth - 1)
            objects += leaves
        objects += self.rng.choices(list(_ANY_SET - used), k=config.distractor_objects)
        if config.distractor_rules:
            for _ in range(self.rng.randint(0, config.distractor_rules)):
                row, inputs = self.rule(self.rng.choice(list(_PRODUCT_SET - used)), _NOTHING)
                rows.append(row)
                objects += inputs
        return goal, rows or [_NO_RULE], objects

    def goal(self) -> tuple[tuple[int, ...], list[Tile]]:
        index, choice = self.rng.randint(0, 10), self.rng.choice
        first = choice(_PICKABLE if index == 0 else _ANY)
        if index <= 5:
            return (_GOAL_IDS[index], *first, 0, 0), [first]
        second = choice(_PICKABLE)
        return (_GOAL_IDS[index], *first, *second), [first, second]

    def level(
        self, frontier: list[Tile], used: set[Tile], rows: list[tuple[int, ...]], last: bool
    ) -> tuple[list[Tile], list[Tile]]:
        """Give or make every tile of the frontier; extends `used` and `rows`."""
        after, leaves, prune = [], [], self.config.prune
        for tile in reversed(frontier):
            if prune is not None and self.rng.random() < prune:
                leaves.append(tile)
                continue
            row, inputs = self.rule(tile, used)
            used.update(inputs)
            rows.append(row)
            after += inputs
            if last:
                leaves += inputs
        return after, leaves

    def rule(
        self, product: Tile, used: set[Tile] | frozenset[Tile]
    ) -> tuple[tuple[int, ...], tuple[Tile, ...]]:
        index, choice = self.rng.randint(0, 10), self.rng.choice
        if index <= 5:
            a = choice(list(_PICKABLE_SET - used))
            return (_RULE_IDS[index], *a, *product, 0, 0), (a,)
        a = choice(list(_ANY_SET - used))
        b = choice(list(_PICKABLE_SET - used))
        return (_RULE_IDS[index], *a, *b, *product), (a, b)
