"""Closure: what can come to be in a task, and whether its goal is among it.

It reads the task alone, no map and no places: what may lie about or be held, and what the rules can
make of that, until nothing new appears. That costs microseconds; for many tasks at once

    jax.lax.map(solvable, tasks, batch_size=4096)

The answer leans one way, on purpose. **No is a proof**: from no start, on any map, with any actions
is the goal reached. **Yes proves nothing**: objects may lie out of reach or be used up. (A proof
for one start is a plan, `meadow.envs.xland.planner`.) What is seen, and what is not:

- Rules work whether one likes it or not, in their order, before the goal is tested. A goal to hold
  a red ball cannot be reached where a rule turns every red ball that is picked up into something
  else. This is seen within a step; what is unavoidable only over several steps is not.
- A tile beside another of its kind needs two. How many there can be is counted from the objects, up
  to two. One object that would have to be two different tiles at once is not noticed.
- Floor, walls, doors and EMPTY (outside the map, in an empty hand) are taken to be everywhere.
- A rule of a kind of your own may do anything, so what it may lead to is never refuted.

>>> from meadow.tasks.grid import grid_task
>>> task = grid_task(
...     goal=("agent_hold", "red key"),
...     rules=[("agent_near", "red ball", "red key"), ("agent_hold", "red key", "blue key")],
...     objects=["red ball"],
... )
>>> solvable(task).item()
False
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Integer, Key, UInt8, UInt16

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds
from meadow.tasks.fingerprint import canonical
from meadow.tasks.grid import GridTask
from meadow.tasks.tiles import (
    EMPTY,
    FLOOR,
    NUM_BYTES,
    NUM_COLOURS,
    PICKABLE,
    TILES,
    WALKABLE,
    WALL,
)

# Where in a step a tile may be, as bits: on a move and on a put-down above, right of, below and
# left of the agent; on a put-down around the cell in front; on a pick-up in the hand.
_MOVE, _PUT, _BEYOND, _HAND = 0x000F, 0x00F0, 0x0100, 0x0200
_LYING = _MOVE | _PUT | _BEYOND
_MANY = 2  # as far as one has to count

PLENTY = np.isin(np.arange(NUM_BYTES), [EMPTY, FLOOR, WALL])
_DOOR = np.repeat([tile in ("closed door", "open door") for tile in TILES], NUM_COLOURS)

Carry = TypeVar("Carry")


class Closure(NamedTuple):
    """What can ever happen in a task.

    Attributes:
        works: False where a rule provably never fires.
        reached: False where the goal is provably never reached.
    """

    works: Bool[Array, "num_rules"]
    reached: Bool[Array, ""]


def solvable(task: GridTask) -> Bool[Array, ""]:
    """False is a proof that nothing solves the task; True that nothing here speaks against it."""
    return closure(task).reached


def closure(task: GridTask) -> Closure:
    """What rules may fire, and whether the goal may be reached (see the top of this file)."""
    # As int32: of bytes XLA cannot compile some sizes of batch on a CPU, and aborts.
    tiles, kind = inputs(task).astype(jnp.int32), task.rules[:, 0]
    pair, goal_pair = _pairs(task)

    def step(here: _Where) -> _Where:
        end, _ = _rules(task, tiles, _during(here, tiles), pair)
        return _Where(here.lying | ((end & _LYING) != 0), here.held | ((end & _HAND) != 0))

    start = _Where(lying=given(task) > 0, held=tiles == EMPTY)
    here = until_same(step, start)
    end, works = _rules(task, tiles, _during(here, tiles), pair)
    anything = own(kind).any()
    reached = _goal(task, end, here.lying, goal_pair) | anything
    return Closure(
        works=(works | anything) & (kind != kinds.NEVER),
        reached=reached & (task.goal[0] != kinds.NEVER),
    )


class Solvable(AbstractTaskSpace[GridTask]):
    """The tasks of a space that nothing speaks against (`solvable`).

    Draws from the space until it finds one; a batch under `vmap` takes as long as its slowest. The
    search gives up after `max_draws`; the task is then empty (all zeros), with a goal that is never
    reached.

    Attributes:
        space: where tasks come from.
        max_draws: how many tasks are looked at for one at most.
    """

    space: AbstractTaskSpace
    max_draws: int = eqx.field(static=True, default=100)

    def __check_init__(self) -> None:
        if self.max_draws < 1:
            raise TaskError(f"`max_draws` must be at least 1, got {self.max_draws}.")

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        def searching(carry: tuple) -> Array:
            num, found, _ = carry
            return ~found & (num < self.max_draws)

        def draw(carry: tuple) -> tuple:
            num, _, _ = carry
            task = self.space.sample(key=jr.fold_in(key, num))
            return num + 1, solvable(task), task

        shapes = jax.eval_shape(lambda key: self.space.sample(key=key), key)
        empty = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        _, found, task = jax.lax.while_loop(searching, draw, (0, jnp.array(False), empty))
        return jax.tree.map(lambda x: jnp.where(found, x, 0).astype(x.dtype), task)


# --- tiles that matter: only what rules and goal ask for, each in a slot of its own --------------


def inputs(task: GridTask) -> UInt8[Array, "slots"]:
    """What rules and goal ask for: the a of every rule and of the goal, then every b."""
    return jnp.concatenate([task.rules[:, 1:3], task.goal[None, 1:3]]).T.reshape(-1)


def of_rules(slots: Array, task: GridTask) -> tuple[Array, Array]:
    """What is said of the slots, for a and b of each rule; a twice where there is no b."""
    a, b = slots.reshape(2, -1)[:, :-1]
    return a, jnp.where(is_tile(task.rules[:, 0]), b, a)


def of_goal(slots: Array, task: GridTask) -> tuple[Array, Array]:
    """The same for a and b of the goal."""
    a, b = slots.reshape(2, -1)[:, -1]
    return a, jnp.where(is_tile(task.goal[0]), b, a)


def is_tile(kind: UInt8[Array, "*rows"]) -> Bool[Array, "*rows"]:
    """Whether a kind is about two tiles."""
    return (kind & kinds.TILE) != 0


def own(kind: UInt8[Array, "*rows"]) -> Bool[Array, "*rows"]:
    """Whether a kind is one of your own, or another of which nothing is known here."""
    return (kind > kinds.AGENT_AT) & (kind < kinds.CUSTOM.stop) & (kind != kinds.HOLD)


def makes(task: GridTask) -> Bool[Array, "num_rules slots"]:
    """Which rule makes which slot's tile."""
    kind, product = task.rules[:, :1], task.rules[:, 3:]
    return ((kind != kinds.NEVER) & (product == inputs(task))) | own(kind)


def given(task: GridTask) -> Int[Array, "slots"]:
    """How many of each slot's tile are there from the start, up to two."""
    tiles = inputs(task)
    num = jnp.sum(task.objects[:, None] == tiles, axis=0, dtype=jnp.int16)
    return jnp.where(_in(PLENTY | _DOOR, tiles), _MANY, jnp.minimum(num, _MANY)).astype(jnp.int16)


def until_same(step: Callable[[Carry], Carry], start: Carry) -> Carry:
    """Repeat `step` until it changes nothing."""

    def changed(carry: tuple[Carry, Carry]) -> Array:
        differs = jax.tree.map(lambda x, y: jnp.any(x != y), *carry)
        return jnp.stack(jax.tree.leaves(differs)).any()

    carry = start, step(start)
    return jax.lax.while_loop(changed, lambda carry: (carry[1], step(carry[1])), carry)[1]


def _in(table: np.ndarray, tiles: Integer[Array, "*slots"]) -> Bool[Array, "*slots"]:
    return jnp.asarray(table)[tiles]


# --- one step: everything that may be, sent through the rules in their order ----------------------


class _Where(NamedTuple):
    """What may lie somewhere and what may be held, between two steps."""

    lying: Bool[Array, "slots"]
    held: Bool[Array, "slots"]


def _during(here: _Where, tiles: Int[Array, "slots"]) -> UInt16[Array, "slots"]:
    """Where each tile may be after the action and before the rules."""
    held = here.held | (here.lying & _in(PICKABLE, tiles))
    put = here.held & (tiles >= NUM_COLOURS)
    bits = jnp.where(here.lying, _LYING, 0) | jnp.where(put, _PUT, 0)
    return (bits | jnp.where(held, _HAND, 0)).astype(jnp.uint16)


def _rules(
    task: GridTask,
    tiles: Int[Array, "slots"],
    start: UInt16[Array, "slots"],
    pair: Bool[Array, "num_rules"],
) -> tuple[UInt16[Array, "slots"], Bool[Array, "num_rules"]]:
    """Where each tile may be after all rules, and which rules may have worked.

    What a rule must change it takes away; what it may change stays, and is made too.
    """
    num = task.rules.shape[0]

    def apply(at: Array, row: tuple) -> tuple[Array, Array]:
        index, (kind, a, _, product), pair = row
        changed = at[index] & _changes(kind)
        joined = pair & _joins(kind, at[index], at[num + 1 + index])
        at = jnp.where(tiles == a, at & ~changed, at)
        made = changed | jnp.where(joined, _BEYOND, 0).astype(jnp.uint16)
        at = jnp.where(tiles == product, at | made, at)
        at = jnp.where((tiles == FLOOR) & joined, at | jnp.uint16(_PUT), at)
        return at, joined | (changed != 0)

    rows = jnp.arange(num), tuple(jnp.moveaxis(task.rules, -1, 0)), pair
    return jax.lax.scan(apply, start, rows)


def _changes(kind: UInt8[Array, ""]) -> UInt16[Array, ""]:
    """Where a kind about one tile finds it, as bits."""
    around = (kind & kinds.AROUND).astype(jnp.uint16)
    move = jnp.where((kind & kinds.AGENT_MOVE) != 0, around, 0)
    put = jnp.where((kind & kinds.AGENT_PUT) != 0, around << 4, 0)
    hold = jnp.where(kind == kinds.HOLD, _HAND, 0)
    return jnp.where(is_tile(kind), 0, move | put | hold).astype(jnp.uint16)


def _joins(kind: UInt8[Array, ""], a: UInt16[Array, ""], b: UInt16[Array, ""]) -> Bool[Array, ""]:
    """Whether a kind about two tiles may find one in front and the other beyond."""
    a_here, b_here = (a & _PUT) != 0, (b & _PUT) != 0
    beyond_a, beyond_b = (a & _BEYOND) != 0, (b & _BEYOND) != 0
    return is_tile(kind) & ((a_here & beyond_b) | (b_here & beyond_a))


def _goal(
    task: GridTask, end: UInt16[Array, "slots"], lying: Bool[Array, "slots"], pair: Bool[Array, ""]
) -> Bool[Array, ""]:
    """Whether the goal may hold when all rules have worked."""
    kind, tile = task.goal[0], task.goal[1]
    a, b = of_goal(end, task)
    lies, _ = of_goal(lying, task)
    # Under the agent lies what can be walked on, or what a rule about two tiles made there.
    made_there = jnp.any(is_tile(task.rules[:, 0]) & (task.rules[:, 3] == tile))
    return (
        ((a & _changes(kind)) != 0)
        | (_joins(kind, a, b) & pair)
        | ((kind == kinds.ON_TILE) & lies & (_in(WALKABLE, tile) | made_there))
        | ((kind == kinds.TILE_AT) & lies)
        | (kind == kinds.AGENT_AT)
        | own(kind)
    )


# --- two tiles side by side: are there two, and will an earlier rule leave them alone? ------------


def _pairs(task: GridTask) -> tuple[Bool[Array, "num_rules"], Bool[Array, ""]]:
    """For rules and goal about two tiles: whether such a pair can be there in time."""
    a, _ = jnp.reshape(_supply(task), (2, -1))
    rows = canonical(jnp.concatenate([task.rules, task.goal[None, :4]]))
    pair = ((rows[:, 1] != rows[:, 2]) | (a >= 2)) & ~_forestalled(rows)
    return pair[:-1], pair[-1]


def _forestalled(rows: UInt8[Array, "rows 4"]) -> Bool[Array, "rows"]:
    """Whether an earlier rule takes the same pair whenever it is there.

    It leaves floor in front. So the later row finds no pair, unless it asks for floor or a rule
    between the two makes one of its tiles.
    """
    kind, a, b, product = jnp.moveaxis(rows, -1, 0)
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)

    def equal(x: Array) -> Bool[Array, "rows rows"]:
        return x[:, None] == x

    place = jnp.arange(rows.shape[0])
    earlier = place[:, None] < place
    around = (kind == kinds.TILE | kinds.AROUND)[:, None] & equal(low) & equal(high)
    takes = around | (equal(kind) & equal(a) & equal(b))
    remade = (product[:, None] == a) | (product[:, None] == b)
    count = jnp.cumsum(remade & earlier, axis=0)
    between = count[-1] - count > 0
    forestalls = earlier & takes & is_tile(kind)[:, None] & is_tile(kind) & ~between
    return forestalls.any(0) & (a != FLOOR) & (b != FLOOR)


def _supply(task: GridTask) -> Int[Array, "slots"]:
    """How many of each slot's tile there can be at once at most, up to two.

    Nothing comes of nothing: what a rule makes lies where one of its inputs lay, or is held instead
    of it, and of two inputs one is used up.
    """
    start, made, kind = given(task), makes(task), task.rules[:, 0]
    same = task.rules[:, 1] == task.rules[:, 2]

    def step(supply: Int[Array, "slots"]) -> Int[Array, "slots"]:
        a, b = of_rules(supply, task)
        joined = jnp.where(same, jnp.where(a >= 2, a, 0), jnp.where(a * b > 0, a + b - 1, 0))
        num = jnp.where(own(kind), _MANY, jnp.where(is_tile(kind), joined, a))
        total = start + jnp.sum(jnp.where(made, num[:, None], 0), axis=0, dtype=jnp.int16)
        return jnp.minimum(total, _MANY).astype(jnp.int16)

    return until_same(step, start)
