"""A rule and a goal of your own in one file: a condition, and what it makes of the cells near by.

Use    a rule: toggling a thing while holding another makes the thing in front something new.
Bring  a goal: hold one thing while facing another.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int

from meadow.envs.xland.environment import ACTIONS, State, XLand
from meadow.envs.xland.near import TOGGLE, AbstractKind, Near, Rule
from meadow.tasks.grid import grid_task
from meadow.tasks.kinds import CUSTOM
from meadow.tasks.show import tree
from meadow.tasks.tiles import parse


class Use(AbstractKind):
    code: int = CUSTOM[0]

    def holds(self, near: Near, rule: Rule, action: Int[Array, "*batch"]) -> Bool[Array, "..."]:
        return (action == TOGGLE) & (near.front == rule.a) & (near.pocket == rule.b)

    def apply(self, near: Near, rule: Rule) -> Near:
        # Only elementwise work, no indexing: the batch, if there is one, lies in the last axis.
        ring = [jnp.where(near.direction == d, rule.product, near.ring[d]) for d in range(4)]
        return Near(jnp.stack(ring), near.beyond, near.pocket, near.direction)


class Bring(AbstractKind):
    code: int = CUSTOM[1]

    def holds(self, near: Near, rule: Rule, action: Int[Array, "*batch"]) -> Bool[Array, "..."]:
        return (near.pocket == rule.a) & (near.front == rule.b)

    def apply(self, near: Near, rule: Rule) -> Near:
        return near  # a goal changes nothing


# A grey square opens with a blue key into a yellow star, which is to be brought to a pyramid.
TASK = grid_task(
    goal=(Bring().code, "yellow star", "green pyramid"),
    rules=[(Use().code, "grey square", "blue key", "yellow star")],
    objects=["grey square", "blue key", "green pyramid"],
)
PLAN = (
    *("pick up", "turn right", "toggle"),
    *("turn left", "put down", "turn right"),
    *("pick up", "turn left", "turn left"),
)


def scene(world: XLand) -> State:
    """The agent looks up at the key, the pyramid to its left and the square to its right."""
    state, _ = world.reset(TASK, key=jr.key(0))
    cells = world.board.cells()  # the index of every cell of the map
    grid = world.ground.base.copy()
    grid[cells[2, 2]] = parse("blue key")
    grid[cells[3, 1]], grid[cells[3, 3]] = parse("green pyramid"), parse("grey square")
    new = (jnp.asarray(grid), jnp.int32(cells[3, 2]), jnp.int32(0))
    return eqx.tree_at(lambda s: (s.grid, s.position, s.direction), state, new)


def main() -> None:
    world = XLand("R1", 5, 5, kinds=(Use(), Bring()))
    print(tree(TASK), end="\n\n")
    fired, step = jax.jit(world.fired), jax.jit(world.step)
    state = scene(world)
    for action in PLAN:
        number = jnp.int32(ACTIONS.index(action))
        happened = fired(state, TASK, number)
        state, timestep = step(state, TASK, number, key=jr.key(0))
        used = "the rule makes a star" if happened.rules[0] else ""
        print(f"{action:10}  {used}{'the goal is reached' if happened.goal else ''}".rstrip())
    assert timestep.terminated(), "the plan brings the star to the pyramid"


if __name__ == "__main__":
    main()
