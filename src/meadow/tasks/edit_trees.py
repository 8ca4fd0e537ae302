"""Edits of task trees: small changes, none of which makes a task unsolvable.

    rename        one tile becomes another of its sort, wherever it stands
    grow          a given tile is made instead: by a new rule, from new tiles which are given
    prune         the other way round: a rule goes whose inputs are given, and its product is given
    add_object    an object of no use
    drop_object   one less of an object of which there are more than rules and goal ask for
    add_rule      a rule of no use, and its inputs
    drop_rule     one rule of no use less, and what only it asked for
    rule_kind     a rule works in another way, from as many tiles
    goal_kind     the goal too

New tiles are tiles that the task does not name, so no other rule uses them up. New rules come last,
so what they make is there when a step ends, like what is given. Besides, a drawn task may hold a
rule of no use that takes what the goal needs, and then all may hang on which of two rules works
first. What such a rule takes is *contested*: it may be renamed, and the rule dropped, but neither
does anything grow or get pruned there nor does a kind change.

What is not seen is the map: as in drawn tasks, a thing that cannot be moved may come to lie where a
rule with a direction cannot work.

References: Nikulin et al., XLand-MiniGrid, 2023, for the trees. That edits make a curriculum:
Parker-Holder et al., Evolving Curricula with Regret-Based Environment Design, 2022.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

from meadow.tasks import kinds, tiles
from meadow.tasks.closure import is_tile
from meadow.tasks.grid import GridTask
from meadow.tasks.study import Study, draw, study
from meadow.tasks.trees import Trees

Luck = Float[Array, "2"]
"""Uniform numbers that an edit draws from."""


def edit(task: GridTask, trees: Trees, moves: tuple[str, ...], *, key: Key[Array, ""]) -> GridTask:
    """One of `moves` (`MOVES`), all that fit equally likely; the same task where none fits."""
    u = jr.uniform(key, (5,))
    seen = study(task, trees, u[:2])
    changes = [MOVES[name](seen, u[3:]) for name in moves]
    fits = jnp.stack([change.fits for change in changes])
    which = draw(fits, u[2])
    change = jax.tree.map(lambda *x: jax.lax.select_n(which, *x), *changes)
    return jax.tree.map(lambda x, y: jnp.where(fits.any(), x, y), changed(task, change), task)


# --- what an edit does ----------------------------------------------------------------------------

# Of NumPy, so that importing this file asks nothing of a device.
_NOTHING, _NOWHERE = cast(Array, np.zeros(4, np.uint8)), cast(Array, np.int32(-1))


class Change(NamedTuple):
    """What an edit does, in this order; what is not said leaves the task as it is.

    Attributes:
        fits: whether it can be done; where not, the rest has no meaning.
        old, new: a tile, and what it becomes.
        row, kind: a rule, or after the last rule the goal, and the kind it becomes.
        gone: which rule goes.
        rule: a rule that comes, after all others.
        taken: objects less; 0 for none.
        put: objects more; 0 for none.
    """

    fits: Array
    old: Array = _NOTHING[0]
    new: Array = _NOTHING[0]
    row: Array = _NOWHERE
    kind: Array = _NOTHING[0]
    gone: Array = _NOWHERE
    rule: Array = _NOTHING
    taken: Array = _NOTHING[:2]
    put: Array = _NOTHING[:2]


def changed(task: GridTask, change: Change) -> GridTask:
    """The task that a change makes of another."""
    goal, rules, objects = task.goal, task.rules, task.objects

    def renamed(x: UInt8[Array, "..."]) -> UInt8[Array, "..."]:
        return jnp.where(x == change.old, change.new, x)

    kind = jnp.append(rules[:, 0], goal[0])
    kind = jnp.where(jnp.arange(len(kind)) == change.row, change.kind, kind)
    goal = jnp.concatenate([kind[-1:], renamed(goal[1:3]), goal[3:]])
    rules = jnp.concatenate([kind[:-1, None], renamed(rules[:, 1:])], axis=1)
    rules = _put(_without(rules, change.gone), change.rule)
    objects = renamed(objects)
    for tile in change.taken:
        there = (objects == tile) & (tile != 0)
        objects = _without(objects, jnp.where(there.any(), jnp.argmax(there), _NOWHERE))
    for tile in change.put:
        objects = _put(objects, tile)
    return GridTask(goal, rules, objects)


def _without(rows: UInt8[Array, "num *width"], at: Int[Array, ""]) -> UInt8[Array, "num *width"]:
    """All but one row, the others move up; all of them where it is before the first."""
    after = jnp.concatenate([rows[1:], jnp.zeros_like(rows[:1])])
    stay = (jnp.arange(len(rows)) < at) | (at < 0)
    return jnp.where(stay.reshape(-1, *[1] * (rows.ndim - 1)), rows, after)


def _put(rows: UInt8[Array, "num *width"], row: UInt8[Array, "*width"]) -> Array:
    """With `row` after the last that is there; nothing changes where it is zeros."""
    there = (rows if rows.ndim == 1 else rows[:, 0]) != 0
    here = jnp.arange(len(rows)) == jnp.max(jnp.where(there, jnp.arange(len(rows)) + 1, 0))
    return jnp.where(here.reshape(-1, *[1] * (rows.ndim - 1)), row, rows)


# --- edits: tiles and objects ---------------------------------------------------------------------


def rename(seen: Study, u: Luck) -> Change:
    """One tile becomes another of its sort, wherever it stands."""
    unused, pickable = seen.unused, seen.pickable
    free = jnp.where(pickable, jnp.any(unused & pickable), jnp.any(unused & ~pickable))
    allowed = ~unused & free
    old = draw(allowed, u[0])
    new = draw(unused & (pickable == pickable[old]), u[1])
    return Change(allowed.any(), old=seen.tiles[old], new=seen.tiles[new])


def add_object(seen: Study, u: Luck) -> Change:
    """An object of no use."""
    _, new = seen.new
    return Change((new != 0) & (seen.room > 0), put=_pair(new))


def drop_object(seen: Study, u: Luck) -> Change:
    """One less of an object of which there are more than rules and goal ask for."""
    spare = seen.objects.spare
    return Change(spare.any(), taken=_pair(seen.task.objects[draw(spare, u[0])]))


def _pair(tile: UInt8[Array, ""]) -> UInt8[Array, "2"]:
    return jnp.stack([tile, jnp.zeros_like(tile)])


# --- edits: rules that the goal needs -------------------------------------------------------------


def grow(seen: Study, u: Luck) -> Change:
    """A given tile is made instead: by a new rule, from new tiles which are given."""
    objects = seen.objects
    allowed = (objects.asked > 0) & ~objects.contested & ~objects.spare
    fits, rule = _new_rule(seen, seen.room + 1, u[0])
    leaf = objects.tiles[draw(allowed, u[1])]
    return Change(
        fits & allowed.any(), rule=jnp.append(rule, leaf), taken=_pair(leaf), put=rule[1:]
    )


def prune(seen: Study, u: Luck) -> Change:
    """A rule goes whose inputs are given and of use to it alone; its product is given."""
    twice = seen.a.tiles == seen.b.tiles
    allowed = seen.useful & ~seen.products.contested
    for x in (seen.a, seen.b):
        leaf = (x.given > twice) & (x.asked == 1 + twice) & (x.made == 0)
        allowed &= (leaf | (x.tiles == 0))[:-1]
    at = draw(allowed, u[0])
    taken = jnp.stack([seen.a.tiles[at], seen.b.tiles[at]])
    return Change(allowed.any(), gone=at, taken=taken, put=_pair(seen.products.tiles[at]))


def rule_kind(seen: Study, u: Luck) -> Change:
    """A rule works in another way, from as many tiles."""
    contested = (seen.a.contested | seen.b.contested)[:-1] | seen.products.contested
    contests = ((seen.a.asked > 0) | (seen.b.asked > 0))[:-1]
    others = _other_kinds(seen.rule_kinds, seen.task.rules)
    allowed = (seen.useful & ~contested) | (seen.useless & ~contests)
    allowed &= others.any(axis=1)
    at = draw(allowed, u[0])
    return Change(allowed.any(), row=at, kind=seen.rule_kinds[draw(others[at], u[1])])


def goal_kind(seen: Study, u: Luck) -> Change:
    """The goal holds in another way, for as many tiles."""
    others = _other_kinds(seen.goal_kinds, seen.task.goal[None])[0]
    fits = others.any() & ~seen.a.contested[-1] & ~seen.b.contested[-1]
    row = jnp.asarray(len(seen.useful), jnp.int32)
    return Change(fits, row=row, kind=seen.goal_kinds[draw(others, u[0])])


def _other_kinds(
    choices: UInt8[Array, "kinds"], rows: UInt8[Array, "rows width"]
) -> Bool[Array, "rows kinds"]:
    """Which kinds each row may have instead; none where its own is not among the choices."""
    kind, a = rows[:, :1], rows[:, 1:2]
    held = (choices != kinds.HOLD) | jnp.asarray(tiles.PICKABLE)[a]
    known = jnp.any(choices == kind, axis=1, keepdims=True)
    return known & held & (choices != kind) & (is_tile(choices) == is_tile(kind))


# --- edits: rules of no use -----------------------------------------------------------------------


def add_rule(seen: Study, u: Luck) -> Change:
    """A rule of no use, and its inputs."""
    fits, rule = _new_rule(seen, seen.room, u[0])
    products = seen.unused & seen.pickable & jnp.all(seen.tiles != seen.new[:, None], axis=0)
    anything = jnp.append(seen.tiles, jnp.uint8(tiles.FLOOR))
    product = anything[draw(jnp.append(products, True), u[1])]
    return Change(fits, rule=jnp.append(rule, product), put=rule[1:])


def drop_rule(seen: Study, u: Luck) -> Change:
    """One rule of no use less, and of its inputs what nothing else asks for."""
    at = draw(seen.useless, u[0])
    a, b = (jax.tree.map(lambda n: n[at], x) for x in (seen.a, seen.b))
    twice = (a.tiles == b.tiles).astype(jnp.int32)
    more = [x.given - (x.asked + x.taken - 1 - twice) for x in (a, b)]
    spare = jnp.stack([more[0] > 0, more[1] > twice])
    taken = jnp.where(spare, jnp.stack([a.tiles, b.tiles]), 0)
    return Change(seen.useless.any(), gone=at, taken=taken)


def _new_rule(
    seen: Study, room: Int[Array, ""], u: Float[Array, ""]
) -> tuple[Bool[Array, ""], UInt8[Array, "3"]]:
    """Whether a rule from new tiles fits, with so much room for them; its kind and inputs."""
    (first, second), two = seen.new, is_tile(seen.rule_kinds)
    allowed = (first != 0) & (room >= 1 + two) & (~two | (second != 0))
    kind = seen.rule_kinds[draw(allowed, u)]
    # As in drawn tasks, of two tiles it is the first that may be one that cannot be moved.
    both = is_tile(kind)
    rule = jnp.stack([kind, jnp.where(both, second, first), jnp.where(both, first, 0)])
    free_row = seen.task.rules[-1, 0] == kinds.NEVER
    return allowed.any() & free_row, rule.astype(jnp.uint8)


MOVES: dict[str, Callable[[Study, Luck], Change]] = {
    move.__name__: move
    for move in (
        *(rename, grow, prune, add_object, drop_object),
        *(add_rule, drop_rule, rule_kind, goal_kind),
    )
}
"""Every edit, by name."""
