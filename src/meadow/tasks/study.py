"""Study: what edits of task trees want to know of a task, counted once for all of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from meadow.tasks import kinds, tiles
from meadow.tasks.closure import is_tile
from meadow.tasks.difficulty import needed
from meadow.tasks.grid import GridTask
from meadow.tasks.trees import Trees


class About(NamedTuple):
    """Some tiles, and how often each of them stands where; nothing stands anywhere of 0.

    Attributes:
        tiles: themselves.
        given: among the objects.
        asked: among what the goal and the rules that it needs ask for.
        taken: among what rules of no use ask for.
        made: among what rules make.
    """

    tiles: UInt8[Array, "num"]
    given: Int[Array, "num"]
    asked: Int[Array, "num"]
    taken: Int[Array, "num"]
    made: Int[Array, "num"]

    @property
    def contested(self) -> Bool[Array, "num"]:
        """What a rule of no use takes."""
        return self.taken > 0

    @property
    def spare(self) -> Bool[Array, "num"]:
        """Of which there are more than anything asks for."""
        return self.given > self.asked + self.taken


class Study(NamedTuple):
    """A task, and what its edits want to know of it.

    Attributes:
        task: itself.
        tiles: all that the space has.
        pickable: which of them can be picked up.
        unused: which of them the task does not name.
        new: two of these, of which the first can be picked up; 0 where there is none.
        goal_kinds, rule_kinds: all that the space has.
        useful: which rules make something that the goal needs.
        useless: which do not.
        a, b: of all rules, and of the goal after the last.
        products: of all rules.
        objects: of the task.
    """

    task: GridTask
    tiles: UInt8[Array, "tiles"]
    pickable: Bool[Array, "tiles"]
    unused: Bool[Array, "tiles"]
    new: UInt8[Array, "2"]
    goal_kinds: UInt8[Array, "goal_kinds"]
    rule_kinds: UInt8[Array, "rule_kinds"]
    useful: Bool[Array, "num_rules"]
    useless: Bool[Array, "num_rules"]
    a: About
    b: About
    products: About
    objects: About

    @property
    def room(self) -> Int[Array, ""]:
        """For so many more objects."""
        return jnp.sum(self.task.objects == 0)


def study(task: GridTask, trees: Trees, u: Float[Array, "2"]) -> Study:
    """What is to know about a task for edits within the space of `trees`."""
    pickable = [tiles.pack(tile, colour) for tile in trees.objects for colour in trees.colours]
    static = [tiles.pack("goal", colour) for colour in trees.colours] * trees.statics
    palette, places = jnp.asarray(pickable + static, jnp.uint8), jnp.arange(len(pickable + static))
    named = jnp.concatenate([task.goal[1:3], task.rules[:, 1:].reshape(-1), task.objects])
    unused = ~jnp.any(named[:, None] == palette, axis=0)
    hands = unused & (places < len(pickable))
    first = draw(hands, u[0])
    others = unused & (places != first)
    new = palette[jnp.stack([first, draw(others, u[1])])]
    useful, _ = needed(task)
    useless = (task.rules[:, 0] != kinds.NEVER) & ~useful
    a, b, products, objects = _about(task, useful, useless)
    return Study(
        task=task,
        tiles=palette,
        pickable=places < len(pickable),
        unused=unused,
        new=jnp.where(jnp.stack([hands.any(), others.any()]), new, 0),
        goal_kinds=jnp.asarray([kinds.GOALS[name] for name in trees.goal_kinds], jnp.uint8),
        rule_kinds=jnp.asarray([kinds.RULES[name] for name in trees.rule_kinds], jnp.uint8),
        useful=useful,
        useless=useless,
        a=a,
        b=b,
        products=products,
        objects=objects,
    )


def _about(
    task: GridTask, useful: Bool[Array, "num_rules"], useless: Bool[Array, "num_rules"]
) -> list[About]:
    """What is to know of a, of b, of products and of objects; counted in one go."""
    rows = jnp.concatenate([task.rules[:, :3], task.goal[None, :3]])
    a, b = rows[:, 1], jnp.where(is_tile(rows[:, 0]), rows[:, 2], 0)
    products = jnp.where(useful | useless, task.rules[:, 3], 0)
    parts = [a, b, products, task.objects]
    x = jnp.concatenate(parts)

    def count(among: UInt8[Array, "num"], which: Bool[Array, "num"]) -> Int[Array, "all"]:
        return jnp.sum((x == among[:, None]) & which[:, None], axis=0, dtype=jnp.int32)

    def asked(which: Bool[Array, "rows"]) -> Int[Array, "all"]:
        return count(a, which) + count(b, which)

    about = About(
        tiles=x,
        given=count(task.objects, task.objects != 0),
        asked=asked(jnp.append(useful, True)),
        taken=asked(jnp.append(useless, False)),
        made=count(products, products != 0),
    )
    about = jax.tree.map(lambda n: jnp.where(x == 0, 0, n), about)
    ends = np.cumsum([0, *(len(part) for part in parts)])

    def part(i: int) -> About:
        return jax.tree.map(lambda n: n[ends[i] : ends[i + 1]], about)

    return [part(i) for i in range(len(parts))]


def draw(allowed: Bool[Array, "num"], u: Float[Array, ""]) -> Int[Array, ""]:
    """The index of a uniform one of those allowed; 0 where none is."""
    upto = jnp.cumsum(allowed.astype(jnp.int32))
    rank = jnp.minimum((u * upto[-1]).astype(jnp.int32), upto[-1] - 1)
    return jnp.argmax(upto > rank)
