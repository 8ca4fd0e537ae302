"""The cells a step can touch: action, rules and goal on eight bytes and a pocket.

Whatever the rule or goal, it looks at the agent's four neighbours and at the four neighbours of
the cell in front, and writes nowhere else. So a step reads eight cells, does all its work here,
and writes eight back; its cost does not depend on the size of the map.

Every function is elementwise in the trailing axes, which may be none (one environment) or a batch
last, where neighbouring environments lie side by side in memory.
"""

import abc
import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
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
    near: Near, rules: UInt8[Array, "*batch rules 4"], action: Int[Array, "*batch"], own: Kinds = ()
) -> tuple[Near, Bool[Array, "rules *batch"]]:
    """Apply rules in order, each seeing what the ones before it left.

    Most rules do not fire in most steps, so instead of walking the slots we jump: test all slots
    at once, apply the first that fires, test the later ones again, until none is left.

    Returns:
        What lies near afterwards, and which rules fired, `[rules, *batch]`.
    """

    def again(carry: tuple) -> tuple:
        near, fired, due = carry
        near, now, due = jump(near, rules, due, action, own)
        return near, fired | now, due

    due = fires(near, decode(rules), action, own)
    start = (near, jnp.zeros_like(due), due)
    near, fired, _ = jax.lax.while_loop(lambda carry: carry[2].any(), again, start)
    return near, fired


def jump(
    near: Near,
    rules: UInt8[Array, "*batch rules 4"],
    due: Bool[Array, "rules *batch"],
    action: Int[Array, "*batch"],
    own: Kinds = (),
) -> tuple[Near, Bool[Array, "rules *batch"], Bool[Array, "rules *batch"]]:
    """Apply the first rule that is due, if any: what lies near, which it was, which are due now."""
    num = len(due)
    slots = jnp.arange(num).reshape(-1, *(1,) * action.ndim)
    first = num - jnp.max(jnp.where(due, num - slots, 0), axis=0)
    row = jnp.take_along_axis(rules, first[..., None, None], axis=-2, mode="fill", fill_value=0)
    near = fire(near, Rule(*jnp.moveaxis(row[..., 0, :], -1, 0)), action, own)
    return near, slots == first, fires(near, decode(rules), action, own) & (slots > first)


def fires(
    near: Near, rule: Rule, action: Int[Array, "*batch"], own: Kinds = ()
) -> Bool[Array, "..."]:
    """Whether a rule's (or a goal's) condition holds; works on a stack of rules too."""
    seen = _registers(near, action)
    hits = _beside(seen, rule) | _joined(seen, rule)
    theirs = [(rule.kind == kind.code) & kind.holds(near, rule, action) for kind in own]
    return any_of([_held(seen, rule), hits != 0, *theirs])


def fire(near: Near, rule: Rule, action: Int[Array, "*batch"], own: Kinds = ()) -> Near:
    """What lies near after one rule; unchanged where it does not fire."""
    for kind in own:
        holds = (rule.kind == kind.code) & kind.holds(near, rule, action)
        changed = kind.apply(near, rule)
        near = jax.tree.map(lambda new, old: jnp.where(holds, new, old), changed, near)  # noqa: B023
    seen = _registers(near, action)
    joined = _joined(seen, rule)
    used = jnp.where(joined != 0, 1 << near.direction, 0).astype(jnp.uint8)
    ring = _write(near.ring, _beside(seen, rule), rule.product)
    return Near(
        ring=_write(ring, used, jnp.uint8(FLOOR)),
        beyond=_write(near.beyond, joined, rule.product),
        pocket=jnp.where(_held(seen, rule), rule.product, near.pocket),
        direction=near.direction,
    )


class _Registers(NamedTuple):
    """What conditions are about; rows of one block."""

    ring: UInt8[Array, "4 *batch"]
    beyond: UInt8[Array, "4 *batch"]
    front: UInt8[Array, "*batch"]
    pocket: UInt8[Array, "*batch"]
    tried: UInt8[Array, "*batch"]  # the forms of rule that this action tries


def _registers(near: Near, action: Int[Array, "*batch"]) -> _Registers:
    # In one block because that is computed once; apart they would be again for every slot.
    tried = jnp.where(action == PICK_UP, kinds.HOLD, 0)
    tried = jnp.where(action == MOVE, kinds.AGENT_MOVE, tried)
    tried = jnp.where(action == PUT_DOWN, kinds.AGENT_PUT | kinds.TILE, tried).astype(jnp.uint8)
    rest = jnp.stack([near.front, near.pocket, tried])
    block = jnp.concatenate([near.ring, near.beyond, rest])
    return _Registers(block[:4], block[4:8], *block[8:])


def _held(seen: _Registers, rule: Rule) -> Bool[Array, "..."]:
    """Whether a HOLD kind finds a in the pocket."""
    return (rule.kind == seen.tried) & (seen.tried == kinds.HOLD) & (seen.pocket == rule.a)


def _beside(seen: _Registers, rule: Rule) -> UInt8[Array, "..."]:
    """In which directions, a bit each, an AGENT kind finds a beside the agent."""
    tried = rule.kind & seen.tried & (kinds.AGENT_MOVE | kinds.AGENT_PUT)
    return jnp.where(tried != 0, rule.kind & _find(seen.ring, rule.a), 0)


def _joined(seen: _Registers, rule: Rule) -> UInt8[Array, "..."]:
    """In which directions from the cell in front, a bit each, a TILE kind finds the other tile.

    "b lies up of a" holds both when a is in front and b above it, and when b is in front and a
    below it.
    """
    looks = jnp.where((rule.kind & seen.tried & kinds.TILE) != 0, rule.kind, 0)
    turned = ((looks >> 2) & 3) | (looks << 2)
    a_here = jnp.where(seen.front == rule.a, looks & _find(seen.beyond, rule.b), 0)
    b_here = jnp.where(seen.front == rule.b, turned & _find(seen.beyond, rule.a), 0)
    return a_here | b_here


def decode(rules: UInt8[Array, "*batch rules 4"]) -> Rule:
    """A stack of rules, `[rules, *batch]`; the inputs of an unused slot are no tile.

    What rules do does not need that. It is a computation, and so the compiler does it once before a
    loop over steps; mere turning it would do in every step.
    """
    rows = jnp.moveaxis(rules, (-1, -2), (0, 1))
    unused = np.array([kinds.NEVER, 255, 255, 255], np.uint8).reshape(4, *(1,) * (rows.ndim - 1))
    return Rule(*jnp.where(rows[0] == kinds.NEVER, unused, rows))


def any_of(conditions: Sequence[Array]) -> Array:
    """Whether any holds: `any` over a leading axis, which as a reduction would be far slower."""
    return functools.reduce(operator.or_, conditions)


def _find(cells: Array, tile: Array) -> UInt8[Array, "..."]:
    """In which of four directions that tile lies, a bit each."""
    bits = [jnp.where(cells[d] == tile, jnp.uint8(1 << d), 0) for d in range(4)]
    return functools.reduce(operator.or_, bits)


def _write(cells: Array, where: UInt8[Array, "*batch"], tile: Array) -> Array:
    """Four cells with that tile in the directions of those bits."""
    bits = (1 << _four(where)).astype(np.uint8)
    return jnp.where((where & bits) != 0, tile, cells)


def _is(tile: Array, *names: str) -> Array:
    return any_of([tile == _TILE[name] for name in names])


def _pick(cells: Array, direction: Array) -> Array:
    """`cells[direction]` without a gather."""
    return jnp.where(direction == _four(direction), cells, 0).max(axis=0)


def put(cells: Array, direction: Array, value: Array) -> Array:
    """A ring with another tile in that direction: `cells.at[direction].set` without a scatter."""
    return jnp.where(direction == _four(direction), value, cells)


def _four(like: Array) -> np.ndarray:
    """The four directions in front of the axes of an array."""
    return np.arange(4).reshape(4, *(1,) * like.ndim)
