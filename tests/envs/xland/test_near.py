"""What one step does, scene by scene: actions, rules, goals and the corner cases of their order.

A scene shows the inside of a walled 7x7 map, before and after; rows left out are floor. The arrow
is the agent, letters are things, `_` is nothing.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.timestep import StepType, TimeStep
from meadow.envs.xland.environment import ACTIONS, Fired, State, XLand
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.tiles import name, parse

ENVIRONMENT = XLand("R1", 7, 7)
INSIDE = ENVIRONMENT.board.cells()[1:-1, 1:-1]
ARROWS = "^>v<"
THINGS = {
    ".": "floor", ",": "red floor", "_": "nothing",
    "A": "red ball", "B": "blue square", "C": "green star", "D": "pink hex", "G": "red goal",
    "k": "red key", "g": "green key",
    "L": "red locked door", "S": "red closed door", "O": "red open door",
}  # fmt: skip


class Case(NamedTuple):
    """A step. Rules and the goal are as in `grid_task`, with letters for tiles."""

    action: str
    scene: str
    rules: tuple = ()
    goal: tuple = ("empty",)
    reached: bool = False
    pocket: str = "_"
    then_pocket: str = "_"
    under: str = "."
    then_under: str = "."


JOIN = (("tile_near", "A", "B", "C"),)
MEET = (("agent_near", "B", "C"),)

CASES = {
    # --- actions ------------------------------------------------------------------------------
    "move onto floor": Case("move", """
        .....   .....
        .....   ..^..
        ..^..   ....."""),
    "move onto a goal": Case("move", """
        .....   .....
        ..G..   ..^..
        ..^..   .....""", then_under="G"),
    "move through an open door": Case("move", """
        .....   .....
        ..O..   ..^..
        ..^..   .....""", then_under="O"),
    "an object blocks": Case("move", """
        .....   .....
        ..A..   ..A..
        ..^..   ..^.."""),
    "a closed door blocks": Case("move", """
        .....   .....
        ..>S.   ..>S."""),
    "a hole blocks": Case("move", """
        .....   .....
        ..>_.   ..>_."""),
    "a wall blocks": Case("move", """
        ..^..   ..^.."""),
    "turn right": Case("turn right", """
        ..A..   ..A..
        ..^..   ..>.."""),
    "turn right again": Case("turn right", """
        ..A..   ..A..
        ..<..   ..^.."""),
    "turn left": Case("turn left", """
        ..A..   ..A..
        ..^..   ..<.."""),
    "pick up": Case("pick up", """
        .A<..   ..<..""", then_pocket="A"),
    "hands are full": Case("pick up", """
        .A<..   .A<..""", pocket="B", then_pocket="B"),
    "floor fills a hand": Case("pick up", """
        .A<..   .A<..""", pocket=".", then_pocket="."),
    "a goal cannot be taken": Case("pick up", """
        .G<..   .G<.."""),
    "put down": Case("put down", """
        ..v..   ..v..
        .....   ..A..""", pocket="A"),
    "put down on floor of any colour": Case("put down", """
        ..v..   ..v..
        ..,..   ..A..""", pocket="A"),
    "nothing is put on a goal": Case("put down", """
        ..v..   ..v..
        ..G..   ..G..""", pocket="A", then_pocket="A"),
    "nothing is put on an open door": Case("put down", """
        ..v..   ..v..
        ..O..   ..O..""", pocket="A", then_pocket="A"),
    "a goal can be put down": Case("put down", """
        ..v..   ..v..
        .....   ..G..""", pocket="G"),
    "floor can be put down": Case("put down", """
        ..v..   ..v..
        ..,..   .....""", pocket="."),
    "a key opens its lock and is kept": Case("toggle", """
        ..L..   ..O..
        ..^..   ..^..""", pocket="k", then_pocket="k"),
    "another key does not fit": Case("toggle", """
        ..L..   ..L..
        ..^..   ..^..""", pocket="g", then_pocket="g"),
    "a closed door needs no key": Case("toggle", """
        ..S..   ..O..
        ..^..   ..^.."""),
    "an open door is closed": Case("toggle", """
        ..O..   ..S..
        ..^..   ..^.."""),
    # --- rules about two tiles ----------------------------------------------------------------
    "an empty hand joins what lies together": Case("put down", """
        .....   .....
        ..AB.   ...C.
        ..^..   ..^..""", JOIN),
    "only putting down joins": Case("toggle", """
        .....   .....
        ..AB.   ..AB.
        ..^..   ..^..""", JOIN, ("tile_near", "A", "B")),
    "all partners change and the placed tile becomes floor": Case("put down", """
        ..B..   ..C..
        .B.B.   .C.C.
        ..^..   ..^..""", JOIN, pocket="A"),
    "the placed tile may be the second": Case("put down", """
        ..A..   ..C..
        .....   .....
        ..^..   ..^..""", JOIN, pocket="B"),
    "two tiles alike": Case("put down", """
        ..A..   ..C..
        .....   .....
        ..^..   ..^..""", (("tile_near", "A", "A", "C"),), pocket="A"),
    "both tiles vanish": Case("put down", """
        ..B..   .....
        .....   .....
        ..^..   ..^..""", (("tile_near", "A", "B", "."),), pocket="A"),
    "the tile under the agent takes part": Case("put down", """
        .....   .....
        .....   .....
        ..^..   ..^..""", (("tile_near", "G", "A", "C"),), pocket="A", under="G", then_under="C"),
    "b above a": Case("put down", """
        ..B..   ..C..
        .....   .....
        ..^..   ..^..""", (("tile_near_up", "A", "B", "C"),), pocket="A"),
    "a above b is not b above a": Case("put down", """
        ..A..   ..A..
        .....   ..B..
        ..^..   ..^..""", (("tile_near_up", "A", "B", "C"),), pocket="B"),
    "b below a, with b placed": Case("put down", """
        ..A..   ..C..
        .....   .....
        ..^..   ..^..""", (("tile_near_down", "A", "B", "C"),), pocket="B"),
    "b right of a": Case("put down", """
        .....   .....
        ...B.   ...C.
        ..^..   ..^..""", (("tile_near_right", "A", "B", "C"),), pocket="A"),
    "b left of a": Case("put down", """
        .....   .....
        .B.B.   .C.B.
        ..^..   ..^..""", (("tile_near_left", "A", "B", "C"),), pocket="A"),
    # --- rules about the agent ----------------------------------------------------------------
    "a blocked move meets": Case("move", """
        .....   .....
        ..B..   ..C..
        ..>B.   ..>C.""", MEET, ("agent_near", "C"), reached=True),
    "a turn does not meet": Case("turn left", """
        .....   .....
        ..B..   ..B..
        ..>B.   ..^B.""", MEET, ("agent_near", "B")),
    "a move meets what lies round the new cell": Case("move", """
        .B...   .B...
        .>.B.   ..>C.
        ..B..   ..C..""", MEET),
    "what is met vanishes": Case("move", """
        ..>B.   ..>..""", (("agent_near", "B", "."),)),
    "putting down meets only by direction": Case("put down", """
        .....   .....
        ..B..   ..D..
        .A<..   .A<..""", (*MEET, ("agent_near_up", "B", "D"))),
    "directions are the map's": Case("move", """
        .AvA.   .AvC.
        ..A..   ..A..""", (("agent_near_right", "A", "C"),)),
    "below": Case("move", """
        .A<A.   .A<A.
        ..A..   ..C..""", (("agent_near_down", "A", "C"),)),
    "to the left": Case("move", """
        .AvA.   .CvA.
        ..A..   ..A..""", (("agent_near_left", "A", "C"),)),
    "held tiles change": Case("pick up", """
        .A<..   ..<..""", (("agent_hold", "A", "C"),), ("agent_hold", "C"), True, "_", "C"),
    "so do those held before": Case("pick up", """
        ..^..   ..^..""", (("agent_hold", "A", "C"),), ("agent_hold", "C"), True, "A", "C"),
    "a held tile that vanishes leaves floor in the hand": Case("pick up", """
        .A<..   ..<..""", (("agent_hold", "A", "."),), then_pocket="."),
    "a hand may hold a goal": Case("pick up", """
        .A<..   ..<..""", (("agent_hold", "A", "G"),), then_pocket="G"),
    # --- order --------------------------------------------------------------------------------
    "a later rule sees what an earlier one left": Case("put down", """
        ..B..   ..C..
        .B.B.   .CDC.
        ..^..   ..^..""", (*JOIN, ("agent_near_up", ".", "D")), pocket="A"),
    "an earlier rule does not see what a later one makes": Case("put down", """
        .....   .....
        ..AB.   ...C.
        ..^..   ..^..""", (("agent_near_up", ".", "D"), *JOIN)),
    "rules chain in one step": Case("pick up", """
        .A<..   ..<..""", (("agent_hold", "A", "B"), ("empty",), ("agent_hold", "B", "C")),
        then_pocket="C"),
    # --- goals --------------------------------------------------------------------------------
    "an empty hand reaches a goal": Case("put down", """
        .....   .....
        ..AB.   ..AB.
        ..^..   ..^..""", (), ("tile_near", "A", "B"), True),
    "a goal about the product waits": Case("put down", """
        .....   .....
        .B.D.   .C.D.
        ..^..   ..^..""", JOIN, ("tile_near", "C", "D"), pocket="A"),
    "a rule can spoil the goal": Case("put down", """
        ..A..   ..C..
        .....   .....
        ..^..   ..^..""", (("tile_near_down", "A", "B", "C"),), ("tile_near_down", "A", "B"),
        pocket="B"),
    "b below a is a goal": Case("put down", """
        ..A..   ..A..
        .....   ..B..
        ..^..   ..^..""", (), ("tile_near_down", "A", "B"), True, pocket="B"),
    "stand on": Case("move", """
        ..>G.   ...>.""", (), ("agent_on_tile", "G"), True, then_under="G"),
    "a blocked move stands too": Case("move", """
        ..>A.   ..>A.""", (), ("agent_on_tile", "G"), True, under="G", then_under="G"),
    "a turn does not stand": Case("turn left", """
        ..>..   ..^..""", (), ("agent_on_tile", "G"), under="G", then_under="G"),
    "a tile at its place counts on any step": Case("turn left", """
        .....   .....
        ..>.A   ..^.A""", (), ("tile_on_position", "A", 2, 5), True),
    "another tile at the place": Case("turn left", """
        .....   .....
        ..>.A   ..^.A""", (), ("tile_on_position", "B", 2, 5)),
    "the agent at its place counts on any step": Case("toggle", """
        .....   .....
        ..>..   ..>..""", (), ("agent_on_position", 2, 3), True),
    "near by direction": Case("put down", """
        ..>A.   ..>A.""", (), ("agent_near_right", "A"), True),
    "not near by another direction": Case("put down", """
        ..>A.   ..>A.""", (), ("agent_near_left", "A")),
    "holding counts on pick-up only": Case("move", """
        ..>..   ...>.""", (), ("agent_hold", "A"), pocket="A", then_pocket="A"),
}  # fmt: skip


@jax.jit
def act(state: State, task: GridTask, action: jax.Array) -> tuple[State, TimeStep, Fired]:
    """One step, and what it set off."""
    fired = ENVIRONMENT.fired(state, task, action)
    return *ENVIRONMENT.step(state, task, action, key=jr.key(0)), fired


def build(scene: list[str], under: str, pocket: str) -> State:
    """The state of a drawn map."""
    rows = [list(row) for row in scene] + [["."] * 5] * (5 - len(scene))
    (y, x), arrow = next(
        ((y, x), c) for y, row in enumerate(rows) for x, c in enumerate(row) if c in ARROWS
    )
    rows[y][x] = under
    grid = ENVIRONMENT.ground.base.copy()
    grid[INSIDE] = [[parse(THINGS[c]) for c in row] for row in rows]
    return State(
        grid=jnp.asarray(grid),
        position=jnp.asarray(INSIDE[y, x]),
        direction=jnp.int32(ARROWS.index(arrow)),
        pocket=jnp.uint8(parse(THINGS[pocket])),
        step=jnp.int32(0),
    )


def draw(state: State) -> str:
    """What `build` read, with the tile under the agent and the pocket."""
    letters = {parse(tile): letter for letter, tile in THINGS.items()}
    read = lambda byte: letters.get(int(byte), f"({name(int(byte))})")  # noqa: E731
    grid, position = np.asarray(state.grid), int(state.position)
    rows = [
        "".join(ARROWS[int(state.direction)] if i == position else read(grid[i]) for i in row)
        for row in INSIDE
    ]
    return "\n".join([*rows, f"on {read(grid[position])}, holding {read(state.pocket)}"])


def spell(row: tuple) -> tuple:
    """A rule or a goal with its letters as names."""
    return (row[0], *(THINGS[x] if isinstance(x, str) else x for x in row[1:]))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_step_makes_of_the_scene(case: Case):
    before, after = zip(*(line.split() for line in case.scene.split("\n")[1:]), strict=True)
    task = grid_task(spell(case.goal), [spell(rule) for rule in case.rules], num_rules=3)
    state, timestep, fired = act(
        build(list(before), case.under, case.pocket), task, jnp.int32(ACTIONS.index(case.action))
    )
    expected = build(list(after), case.then_under, case.then_pocket)
    assert draw(state) == draw(expected), "the scene came out otherwise"
    expected = eqx.tree_at(lambda s: s.step, expected, jnp.int32(1))
    assert eqx.tree_equal(state, expected), "the step count or the margin came out otherwise"
    assert bool(fired.goal) == case.reached, "the goal was misjudged"
    assert bool(timestep.terminated()) == case.reached, "reaching the goal ends the episode"
    assert int(timestep.step_type) == (StepType.LAST if case.reached else StepType.MID)


def test_says_which_rules_fired():
    rules = [("tile_near", "A", "B", "C"), ("agent_hold", "A", "D"), ("agent_near_up", ".", "D")]
    task = grid_task(("empty",), [spell(rule) for rule in rules])
    state = build([".....", "...B.", "..^.."], ".", "A")
    _, _, fired = act(state, task, jnp.int32(ACTIONS.index("put down")))
    assert fired.rules.tolist() == [True, False, True], "the wrong rules are said to have fired"


def test_a_goal_that_holds_already_waits_for_its_action():
    task = grid_task(spell(("agent_near", "A")), num_rules=3)
    state = build(["..^..", "..A.."], ".", "_")
    state, timestep, _ = act(state, task, jnp.int32(ACTIONS.index("turn right")))
    assert not timestep.last(), "a turn cannot reach a goal about neighbours"
    _, timestep, _ = act(state, task, jnp.int32(ACTIONS.index("turn right")))
    assert not timestep.last(), "nor can the second one"
    _, timestep, _ = act(build(["..^..", "..A.."], ".", "_"), task, jnp.int32(0))
    assert timestep.terminated(), "a blocked move can"
