"""The cells a step can touch: action, rules and goal on eight bytes and a pocket.

Whatever the rule or goal, it looks at the agent's four neighbours and at the four neighbours of
the cell in front, and writes nowhere else. So a step reads eight cells, does all its work here,
and writes eight back; its cost does not depend on the size of the map.

Every function is elementwise in the trailing axes, which may be none (one environment) or a batch
last, where neighbouring environments lie side by side in memory.
"""

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt8

from meadow.tasks import kinds
from meadow.tasks.tiles import EMPTY, FLOOR, NUM_COLOURS, TILES

MOVE, TURN_RIGHT, TURN_LEFT, PICK_UP, PUT_DOWN, TOGGLE = range(6)

_TILE = {name: i for i, name in enumerate(TILES)}
_KEY_MINUS_LOCKED = NUM_COLOURS * (_TILE["key"] - _TILE["locked door"])


class Near(eqx.Module):
    """What lies near the agent.

    Attributes:
        ring: the agent's neighbours up, right, down, left.
        beyond: the same of the cell in front. Behind that cell is the agent's own, so
            `beyond[opposite of direction]` is the tile under the agent; after a move that entry
            alone keeps its meaning, and no rule or goal asks for the others.
        pocket: what the agent holds, EMPTY when nothing.
        direction: where it faces, 0 to 3 as above.
    """

    ring: UInt8[Array, "4 *batch"]
    beyond: UInt8[Array, "4 *batch"]
    pocket: UInt8[Array, "*batch"]
    direction: Int[Array, "*batch"]

    @property
    def front(self) -> UInt8[Array, "*batch"]:
        """The tile in front."""
        return _pick(self.ring, self.direction)

    @property
    def under(self) -> UInt8[Array, "*batch"]:
        """The tile the agent stands on."""
        return _pick(self.beyond, (self.direction + 2) & 3)


class Rule(eqx.Module):
    """One rule, or a stack of rules with one more leading axis."""

    kind: UInt8[Array, "*rules"]
    a: UInt8[Array, "*rules"]
    b: UInt8[Array, "*rules"]
    product: UInt8[Array, "*rules"]


class AbstractKind(eqx.Module):
    """A kind of rule or goal of your own: a condition, and what a rule of this kind does.

    Give it to `XLand(kinds=(MyKind(),))` and name it in tasks by its code, one of
    `meadow.tasks.kinds.CUSTOM`. Both methods are elementwise, like everything here: `rule` may be
    a stack of rules in `holds`, and everything may have batch axes last.
    """

    code: eqx.AbstractVar[int]

    @abc.abstractmethod
    def holds(self, near: Near, rule: Rule, action: Int[Array, "*batch"]) -> Bool[Array, "..."]:
        """Whether the condition holds after `action`."""

    @abc.abstractmethod
    def apply(self, near: Near, rule: Rule) -> Near:
        """What lies near once the rule has worked; not asked of goals."""


Kinds = tuple[AbstractKind, ...]


def act(near: Near, action: Int[Array, "*batch"]) -> tuple[Near, Bool[Array, "*batch"]]:
    """Do the action: what lies near afterwards, and whether the agent moved one cell ahead."""
    front, pocket, direction = near.front, near.pocket, near.direction
    tile = front // NUM_COLOURS
    empty_handed = pocket < NUM_COLOURS

    moves = (action == MOVE) & _is(tile, "floor", "goal", "open door")
    picks = (
        (action == PICK_UP)
        & empty_handed
        & _is(tile, "ball", "square", "pyramid", "key", "hex", "star")
    )
    puts = (action == PUT_DOWN) & ~empty_handed & _is(tile, "floor")
    fits = pocket == front + jnp.uint8(_KEY_MINUS_LOCKED % 256)
    unlocks = _is(tile, "locked door") & fits
    toggles = action == TOGGLE
    front = jnp.where(picks, jnp.uint8(FLOOR), jnp.where(puts, pocket, front))
    front = jnp.where(toggles & unlocks, front + jnp.uint8(2 * NUM_COLOURS), front)
    front = jnp.where(toggles & _is(tile, "closed door"), front + jnp.uint8(NUM_COLOURS), front)
    front = jnp.where(toggles & _is(tile, "open door"), front - jnp.uint8(NUM_COLOURS), front)
    pocket = jnp.where(picks, near.front, jnp.where(puts, jnp.uint8(EMPTY), pocket))

    turn = (action == TURN_RIGHT) - (action == TURN_LEFT).astype(jnp.int32)
    ring = put(near.ring, direction, front)
    return Near(
        ring=jnp.where(moves, near.beyond, ring),
        beyond=put(near.beyond, (direction + 2) & 3, jnp.where(moves, near.front, near.under)),
        pocket=pocket,
        direction=(direction + turn) & 3,
    ), moves


def apply_rules(
    near: Near, rules: Rule, action: Int[Array, "*batch"], own: Kinds = ()
) -> tuple[Near, Bool[Array, "rules *batch"]]:
    """Apply a stack of rules in order, each seeing what the ones before it left.

    Most rules do not fire in most steps, so instead of walking the slots we jump: test all slots
    at once, apply the first that fires, test the later ones again, until none is left.

    Returns:
        What lies near afterwards, and which rules fired, `[rules, *batch]`.
    """
    if not rules.kind.shape[0]:
        return near, jnp.zeros((0, *action.shape), bool)
    slots = jnp.arange(rules.kind.shape[0]).reshape(-1, *(1,) * action.ndim)

    def jump(carry: tuple) -> tuple:
        near, due, fired = carry
        first = jnp.argmax(due, axis=0)
        now = due & (slots == first)
        rule = jax.tree.map(lambda x: jnp.max(jnp.where(now, x, 0), axis=0), rules)
        near = fire(near, rule, action, own)
        return near, fires(near, rules, action, own) & (slots > first) & due.any(0), fired | now

    due = fires(near, rules, action, own)
    near, _, fired = jax.lax.while_loop(
        lambda carry: carry[1].any(), jump, (near, due, jnp.zeros_like(due))
    )
    return near, fired


def fires(
    near: Near, rule: Rule, action: Int[Array, "*batch"], own: Kinds = ()
) -> Bool[Array, "..."]:
    """Whether a rule's (or a goal's) condition holds; works on a stack of rules too."""
    held = (rule.kind == kinds.HOLD) & (action == PICK_UP) & (near.pocket == rule.a)
    hits = [held, *agent_hits(near, rule, action), *tile_hits(near, rule, action)]
    return _any(
        [*hits, *((rule.kind == kind.code) & kind.holds(near, rule, action) for kind in own)]
    )


def fire(near: Near, rule: Rule, action: Int[Array, "*batch"], own: Kinds = ()) -> Near:
    """What lies near after one rule; unchanged where it does not fire."""
    for kind in own:
        holds = (rule.kind == kind.code) & kind.holds(near, rule, action)
        changed = kind.apply(near, rule)
        near = jax.tree.map(lambda new, old: jnp.where(holds, new, old), changed, near)  # noqa: B023
    held = (rule.kind == kinds.HOLD) & (action == PICK_UP) & (near.pocket == rule.a)
    beside, joined = agent_hits(near, rule, action), tile_hits(near, rule, action)
    ring = [jnp.where(hit, rule.product, cell) for hit, cell in zip(beside, near.ring, strict=True)]
    beyond = [
        jnp.where(hit, rule.product, cell) for hit, cell in zip(joined, near.beyond, strict=True)
    ]
    used = _any(joined)
    ring = [
        jnp.where(used & (near.direction == d), jnp.uint8(FLOOR), cell)
        for d, cell in enumerate(ring)
    ]
    return Near(
        ring=jnp.stack(ring),
        beyond=jnp.stack(beyond),
        pocket=jnp.where(held, rule.product, near.pocket),
        direction=near.direction,
    )


def agent_hits(near: Near, rule: Rule, action: Int[Array, "*batch"]) -> list[Array]:
    """In which of the four directions an AGENT kind finds a beside the agent."""
    trigger = jnp.where(action == MOVE, kinds.AGENT_MOVE, 0)
    trigger = jnp.where(action == PUT_DOWN, kinds.AGENT_PUT, trigger).astype(jnp.uint8)
    tried = (rule.kind & trigger) != 0
    return [tried & _looks(rule.kind, d) & (near.ring[d] == rule.a) for d in range(4)]


def tile_hits(near: Near, rule: Rule, action: Int[Array, "*batch"]) -> list[Array]:
    """In which directions from the cell in front a TILE kind finds the other tile.

    "b lies up of a" holds both when a is in front and b above it, and when b is in front and a
    below it.
    """
    tried = ((rule.kind & kinds.TILE) != 0) & (action == PUT_DOWN)
    a_here, b_here = tried & (near.front == rule.a), tried & (near.front == rule.b)
    return [
        (a_here & _looks(rule.kind, d) & (near.beyond[d] == rule.b))
        | (b_here & _looks(rule.kind, (d + 2) % 4) & (near.beyond[d] == rule.a))
        for d in range(4)
    ]


def _looks(kind: Array, direction: int) -> Array:
    return (kind & (1 << direction)) != 0


def _is(tile: Array, *names: str) -> Array:
    return _any([tile == _TILE[name] for name in names])


def _any(conditions: Sequence[Array]) -> Array:
    result = conditions[0]
    for condition in conditions[1:]:
        result = result | condition
    return result


def _pick(cells: Array, direction: Array) -> Array:
    """`cells[direction]` without a gather."""
    vertical = jnp.where(direction == 0, cells[0], cells[2])
    horizontal = jnp.where(direction == 1, cells[1], cells[3])
    return jnp.where((direction & 1) == 0, vertical, horizontal)


def put(cells: Array, direction: Array, value: Array) -> Array:
    """A ring with another tile there: `cells.at[direction].set(value)` without a scatter."""
    return jnp.stack([jnp.where(direction == d, value, cells[d]) for d in range(4)])
