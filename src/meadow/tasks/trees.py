"""Trees: endless tasks, drawn on the device: a goal, rules that make its parts, distractors.

    goal ─┬─ a ── rule ─┬─ its input
          │             └─ its input
          └─ b (given)

A goal is drawn; each tile it names is either given at the start or made by a hidden rule from
tiles not used yet, whose inputs are given or made in turn. With the default palette and kinds the
distribution is that of the published procedure (`meadow.tasks.published`) before it drops tasks
it drew before; the random stream is another.

References: Nikulin et al., XLand-MiniGrid, 2023; Bauer et al., Human-Timescale Adaptation in an
Open-Ended Task Space, 2023, appendix A.2.
"""

from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt8, UInt32

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds, tiles
from meadow.tasks.grid import GridTask
from meadow.tasks.published import COLOURS, KINDS, OBJECTS, published

_PICKABLE = [tile for i, tile in enumerate(tiles.TILES) if tiles.PICKABLE[tiles.pack(i, 0)]]
_WORDS = -(-tiles.NUM_BYTES // 32)


class Trees(AbstractTaskSpace[GridTask]):
    """Samples task trees; a pure function of the key, cheap under `jit` and `vmap`.

    Nothing checks that a task can be solved: a distractor may use up what the goal needs.

    Attributes:
        depth: levels of rules below the goal; 0 gives tasks whose goal can be reached at once.
        sample_depth: draw the levels of each task uniformly from `min_depth` to `depth`.
        min_depth: so many levels always grow, none of their tiles is given. With 1, every task
            needs a hidden rule.
        prune: probability that a tile is given although a rule could make it, in [0, 1].
        distractor_rules: rules the goal does not need, at most.
        sample_distractor_rules: draw their number uniformly from 0 to `distractor_rules`.
        distractor_objects: objects the goal does not need, besides the inputs of such rules.
        colours: of the tiles, by name.
        objects: tiles that can be picked up, by name.
        statics: whether GOAL tiles, which cannot be picked up, may be inputs too.
        goal_kinds: by name, all equally likely.
        rule_kinds: by name, all equally likely.
    """

    depth: int = eqx.field(static=True, default=1)
    sample_depth: bool = eqx.field(static=True, default=False)
    min_depth: int = eqx.field(static=True, default=0)
    prune: float = eqx.field(static=True, default=0.0)
    distractor_rules: int = eqx.field(static=True, default=0)
    sample_distractor_rules: bool = eqx.field(static=True, default=True)
    distractor_objects: int = eqx.field(static=True, default=0)
    colours: tuple[str, ...] = eqx.field(static=True, converter=tuple, default=COLOURS)
    objects: tuple[str, ...] = eqx.field(static=True, converter=tuple, default=OBJECTS)
    statics: bool = eqx.field(static=True, default=True)
    goal_kinds: tuple[str, ...] = eqx.field(static=True, converter=tuple, default=KINDS)
    rule_kinds: tuple[str, ...] = eqx.field(static=True, converter=tuple, default=KINDS)

    def __check_init__(self) -> None:
        _check_names("colour", self.colours, tiles.COLOURS[1:])
        _check_names("object", self.objects, _PICKABLE)
        _check_names("goal kind", self.goal_kinds, KINDS)
        _check_names("rule kind", self.rule_kinds, KINDS)
        if not 0 <= self.prune <= 1:
            raise TaskError(f"`prune` is a probability, in [0, 1], got {self.prune}.")
        if not 0 <= self.min_depth <= self.depth:
            raise TaskError(
                "`Trees` needs 0 <= min_depth <= depth, "
                f"got min_depth={self.min_depth}, depth={self.depth}."
            )
        if min(self.distractor_rules, self.distractor_objects) < 0:
            raise TaskError(
                "Distractors cannot be fewer than none, got "
                f"distractor_rules={self.distractor_rules}, "
                f"distractor_objects={self.distractor_objects}."
            )
        self._check_palette()

    @classmethod
    def published(cls, name: str) -> "Trees":
        """Endless tasks distributed like the set called trivial, small, medium or high.

        >>> Trees.published("medium").num_rules
        9
        """
        config = published(name)
        return cls(
            depth=config.depth,
            prune=config.prune or 0.0,
            distractor_rules=config.distractor_rules,
            distractor_objects=config.distractor_objects,
        )

    @property
    def num_rules(self) -> int:
        """The most rules a task can have, and the rows of `GridTask.rules`; at least 1."""
        return max(sum(self._widths[:-1]) + self.distractor_rules, 1)

    @property
    def num_objects(self) -> int:
        """The most objects a task can begin with, and the length of `GridTask.objects`."""
        distractors = self.distractor_objects + self._arity * self.distractor_rules
        return self._widths[-1] + distractors

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        draws = _Draws(jr.uniform(key, (self._num_draws,)))
        goal = self._goal(draws.take(3))
        levels = self._levels(draws.take(1))
        tree_rows, given, used = self._grow(goal[1:], levels, draws)
        others = self._other_objects(used, draws.take(self.distractor_objects))
        rows, inputs = self._other_rules(used, draws)
        rules = _front(jnp.concatenate([tree_rows, rows]), self.num_rules)
        objects = jnp.concatenate([given, others, inputs])
        return GridTask(
            goal=jnp.concatenate([goal, jnp.zeros(2, jnp.uint8)]),
            rules=rules,
            objects=_front(objects[:, None], self.num_objects)[:, 0],
        )

    def _goal(self, u: Float[Array, "3"]) -> UInt8[Array, "3"]:
        """Kind, a, b. What can be held or put down can be picked up."""
        kind = _among([kinds.GOALS[name] for name in self.goal_kinds], u[0])
        pickable = _among(self._pickable, u[1])
        a = jnp.where(kind == kinds.HOLD, pickable, _among(self._anything, u[1]))
        b = jnp.where(_is_tile(kind), _among(self._pickable, u[2]), 0)
        return jnp.stack([kind, a, b]).astype(jnp.uint8)

    def _levels(self, u: Float[Array, "1"]) -> Int[Array, ""]:
        if not self.sample_depth:
            return jnp.asarray(self.depth)
        return self.min_depth + _below(self.depth - self.min_depth + 1, u[0])

    def _grow(
        self, parts: UInt8[Array, "2"], levels: Int[Array, ""], draws: "_Draws"
    ) -> tuple[UInt8[Array, "rows 4"], UInt8[Array, "given"], UInt32[Array, "words"]]:
        """The rules of the tree, level by level, and the tiles given at its leaves.

        0 stands for a place without tile or rule. The frontier is worked off from its end, as the
        published procedure does, one tile after the other because none may be used twice.
        """
        frontier, used = parts[: self._widths[0]], _bits(parts[0]) | _bits(parts[1])
        rows, given = [], [jnp.where(levels == 0, frontier, 0)]
        frontier = jnp.where(levels == 0, 0, frontier)
        for level in range(self.depth):
            u = draws.take(4 * len(frontier)).reshape(-1, 4)
            prune = self.prune if level >= self.min_depth else 0.0
            used, (row, pruned) = jax.lax.scan(
                lambda used, x, prune=prune: self._node(used, *x, prune), used, (frontier[::-1], u)
            )
            inputs = row[:, 1 : 1 + self._arity]
            leaves = jnp.where(level + 1 == levels, inputs, 0)
            rows.append(row)
            given.append(leaves.at[:, 0].add(pruned).reshape(-1))
            frontier = jnp.where(level + 1 == levels, 0, inputs).reshape(-1)
        return jnp.concatenate([*rows, jnp.zeros((0, 4), jnp.uint8)]), jnp.concatenate(given), used

    def _node(
        self,
        used: UInt32[Array, "words"],
        tile: UInt8[Array, ""],
        u: Float[Array, "4"],
        prune: float,
    ) -> tuple[UInt32[Array, "words"], tuple[UInt8[Array, "4"], UInt8[Array, ""]]]:
        """Give a tile or make it: the rule (zeros where none), and the tile where it is given."""
        given = u[0] < prune
        kind = _among([kinds.RULES[name] for name in self.rule_kinds], u[1])
        two, pickable = _is_tile(kind), _mask(self._pickable)
        a = _pick(jnp.where(two, _mask(self._anything), pickable) & ~used, u[2])
        b = jnp.where(two, _pick(pickable & ~used, u[3]), 0)
        row = jnp.where((tile != 0) & ~given, jnp.stack([kind, a, b, tile]), 0).astype(jnp.uint8)
        return used | _bits(row[1]) | _bits(row[2]), (row, jnp.where(given, tile, 0))

    def _other_objects(
        self, used: UInt32[Array, "words"], u: Float[Array, "num"]
    ) -> UInt8[Array, "num"]:
        return jax.vmap(lambda u: _pick(_mask(self._anything) & ~used, u))(u)

    def _other_rules(
        self, used: UInt32[Array, "words"], draws: "_Draws"
    ) -> tuple[UInt8[Array, "num 4"], UInt8[Array, "inputs"]]:
        """Rules that make nothing the goal needs, and their inputs, which it may need."""
        count, u = draws.take(1)[0], draws.take(4 * self.distractor_rules).reshape(-1, 4)
        num = self.distractor_rules
        if self.sample_distractor_rules:
            num = _below(self.distractor_rules + 1, count)
        kind = _among([kinds.RULES[name] for name in self.rule_kinds], u[:, 0])
        two = _is_tile(kind)
        anything = _among(self._anything, u[:, 1])
        a = jnp.where(two, anything, _among(self._pickable, u[:, 1]))
        b = jnp.where(two, _among(self._pickable, u[:, 2]), 0)
        products = _mask([*self._pickable, tiles.FLOOR]) & ~used
        product = jax.vmap(lambda u: _pick(products, u))(u[:, 3])
        rows = jnp.stack([kind, a, b, product], -1).astype(jnp.uint8)
        rows = jnp.where(jnp.arange(self.distractor_rules)[:, None] < num, rows, 0)
        return rows, rows[:, 1 : 1 + self._arity].reshape(-1)

    @property
    def _pickable(self) -> list[int]:
        return [tiles.pack(tile, colour) for tile in self.objects for colour in self.colours]

    @property
    def _anything(self) -> list[int]:
        static = [tiles.pack("goal", colour) for colour in self.colours]
        return self._pickable + static * self.statics

    @property
    def _arity(self) -> int:
        """The most inputs a rule has."""
        return max(kinds.arity(kinds.RULES[name]) for name in self.rule_kinds)

    @property
    def _widths(self) -> list[int]:
        """The most tiles on each level, from the goal's own to the leaves."""
        first = max(kinds.arity(kinds.GOALS[name]) for name in self.goal_kinds)
        return [first * self._arity**level for level in range(self.depth + 1)]

    @property
    def _num_draws(self) -> int:
        tree, others = 4 * sum(self._widths[:-1]), 4 * self.distractor_rules
        return 3 + 1 + tree + self.distractor_objects + 1 + others

    def _check_palette(self) -> None:
        """No task may run out of unused tiles, whatever was drawn before."""
        used, pickable = sum(self._widths), len(self._pickable)
        # A rule's own two inputs do not exclude each other, so the last rule needs one free tile.
        enough = not self.depth or pickable > used - self._arity
        if not enough or (self.distractor_objects and len(self._anything) <= used):
            raise TaskError(
                f"The palette is too small: a tree of depth {self.depth} may use {used} different "
                f"tiles and then needs another, but {len(self.objects)} objects in "
                f"{len(self.colours)} colours are {pickable} tiles that can be picked up. Give "
                "more `objects` or `colours`, or lower `depth`."
            )


class _Draws:
    """Hands out uniform numbers drawn all at once: one call of the generator for a task."""

    def __init__(self, uniforms: Float[Array, "num"]):
        self.uniforms, self.taken = uniforms, 0

    def take(self, num: int) -> Float[Array, "num"]:
        self.taken += num
        return self.uniforms[self.taken - num : self.taken]


def _below(num: int | Int[Array, "*batch"], u: Float[Array, "*batch"]) -> Int[Array, "*batch"]:
    """A whole number below `num` for a uniform one in [0, 1)."""
    # In float32 the product may round up to `num` itself.
    return jnp.minimum((u * num).astype(jnp.int32), num - 1)


def _among(choices: list[int], u: Float[Array, "*batch"]) -> UInt8[Array, "*batch"]:
    return jnp.asarray(choices, jnp.uint8)[_below(len(choices), u)]


def _is_tile(kind: UInt8[Array, "*batch"]) -> Bool[Array, "*batch"]:
    return (kind & kinds.TILE) != 0


# Sets of tiles are bits in five words of 32: exclusion is one operation, and the n-th member is
# found by counting bits, with no pass over a table.


def _mask(members: Iterable[int]) -> UInt32[Array, "words"]:
    words = np.zeros(_WORDS, np.uint32)
    for tile in members:
        words[tile // 32] |= np.uint32(1 << tile % 32)
    return jnp.asarray(words)


def _bits(tile: UInt8[Array, ""]) -> UInt32[Array, "words"]:
    """The set of one tile."""
    bit = jnp.uint32(1) << (tile & 31).astype(jnp.uint32)
    return jnp.where(jnp.arange(_WORDS) == tile >> 5, bit, 0)


def _pick(members: UInt32[Array, "words"], u: Float[Array, ""]) -> UInt8[Array, ""]:
    """A uniform member of a set that is not empty."""
    counts = jax.lax.population_count(members).astype(jnp.int32)
    upto = jnp.cumsum(counts)
    rank = _below(upto[-1], u)
    which = jnp.sum(upto <= rank)
    word, rank = members[which], rank - (upto - counts)[which]
    at = jnp.zeros((), jnp.uint32)
    for width in (16, 8, 4, 2, 1):
        low = (word >> at) & jnp.uint32((1 << width) - 1)
        num = jax.lax.population_count(low).astype(jnp.int32)
        beyond = rank >= num
        at, rank = at + beyond * jnp.uint32(width), rank - beyond * num
    return (32 * which + at).astype(jnp.uint8)


def _front(rows: UInt8[Array, "num width"], length: int) -> UInt8[Array, "length width"]:
    """The rows whose first entry is not 0, in order, then zeros."""
    there = rows[:, 0] != 0
    place = jnp.where(there, jnp.cumsum(there) - 1, length)
    return jnp.zeros((length, rows.shape[1]), jnp.uint8).at[place].set(rows, mode="drop")


def _check_names(what: str, given: tuple[str, ...], known: Iterable[str]) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            raise UnknownNameError(what, name, known)
    if not given or len(set(given)) < len(given):
        raise TaskError(f"Name at least one {what}, and each once, got {given}.")
