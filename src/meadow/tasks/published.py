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
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import GridTask
from meadow.tasks.raw import Packed, packed

Tile = tuple[int, int]
Raw = tuple[tuple[int, ...], list[tuple[int, ...]], list[Tile]]

CHUNK = 10_000  # tasks packed at once
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
    return GridTask(*(jnp.asarray(x) for x in drawn(name, num).tasks))


class Drawn(NamedTuple):
    """What a published set was drawn as.

    Attributes:
        tasks: goals, rules and objects as in `GridTask`, in NumPy.
        numbers: each task's place among the different ones, in the order of their first draw.
        draws: how many tasks were drawn, those that were drawn again included.
    """

    tasks: Packed
    numbers: Int32[np.ndarray, "num"]
    draws: int


def drawn(
    name: str,
    num: int,
    *,
    repeats: bool = False,
    report: Callable[[int], None] = lambda done: None,
) -> Drawn:
    """The first `num` tasks of a published set, and how they were come by.

    Args:
        name: trivial, small, medium or high.
        num: how many.
        repeats: keep a task that was drawn before, as the files published until November 2025 did.
        report: called now and then with the number of tasks made so far.

    Raises:
        UnknownNameError: no set of that name.
        TaskError: more tasks than were published.
    """
    config = published(name)
    _check_num(name, num, repeats)
    stream = _Stream(config, repeats)
    widths = ((num, 5), (num, config.num_rules, 4), (num, config.num_objects))
    tasks, numbers = Packed(*(np.zeros(w, np.uint8) for w in widths)), np.zeros(num, np.int32)
    for start in range(0, num, CHUNK):
        rows = slice(start, min(start + CHUNK, num))
        pairs = list(itertools.islice(stream, rows.stop - rows.start))
        numbers[rows] = [number for number, _ in pairs]
        for whole, part in zip(tasks, _packed(config, [task for _, task in pairs]), strict=True):
            whole[rows] = part
        report(rows.stop)
    return Drawn(tasks, numbers, stream.draws)


def raw(name: str, num: int) -> Iterator[Raw]:
    """The same tasks one by one, in the published encoding and unpadded (see `meadow.tasks.raw`).

    A task without rules has one rule of zeros.
    """
    config = published(name)
    _check_num(name, num)
    return (task for _, task in itertools.islice(_Stream(config), num))


def _check_num(name: str, num: int, repeats: bool = False) -> None:
    # With repeats a set has no end; but nobody published more than three million.
    size = max(config.size for config in CONFIGS.values()) if repeats else CONFIGS[name].size
    if not 0 <= num <= size:
        raise TaskError(f"The set {name!r} has {size:,} tasks, asked for {num:,}.")


def _packed(config: Config, tasks: Sequence[Raw]) -> Packed:
    goals, rules, objects, num = bytearray(), bytearray(), bytearray(), len(tasks)
    flat = itertools.chain.from_iterable
    for goal, rows, given in tasks:
        goals += bytes(goal)
        rules += bytes(flat(rows)).ljust(7 * config.num_rules, b"\0")
        objects += bytes(flat(given)).ljust(2 * config.num_objects, b"\0")
    return packed(
        np.frombuffer(goals, np.uint8).reshape(num, 5),
        np.frombuffer(rules, np.uint8).reshape(num, config.num_rules, 7),
        np.frombuffer(objects, np.uint8).reshape(num, config.num_objects, 2),
    )


class _Stream:
    """The draws of a set, each with its number among the different ones; counts them."""

    def __init__(self, config: Config, repeats: bool = False):
        self.draw, self.repeats = _Draw(random.Random(42), config), repeats
        # Whole tasks as bytes: a tenth of the memory of tuples, and no hash that could collide.
        self.numbers: dict[bytes, int] = {}
        self.draws = 0

    def __iter__(self) -> Iterator[tuple[int, Raw]]:
        return self

    def __next__(self) -> tuple[int, Raw]:
        while True:
            task, known = self.draw.task(), len(self.numbers)
            self.draws += 1
            goal, rules, _ = task
            what = bytes(itertools.chain(goal, *rules))
            number = self.numbers.setdefault(what, known)
            if self.repeats or number == known:
                return number, task


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
