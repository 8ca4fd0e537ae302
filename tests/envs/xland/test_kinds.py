"""Kinds of rules and goals of your own: batched, chained with built-in ones, refused when wrong.

A row of three things faces the agent's left, front and right; only what a kind does is asked for.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.envs.xland.advance import Fired, State
from meadow.envs.xland.environment import ACTIONS, XLand
from meadow.envs.xland.near import TOGGLE, AbstractKind, Near
from meadow.tasks.grid import GridTask, check_task, grid_task
from meadow.tasks.kinds import CUSTOM
from meadow.tasks.tiles import EMPTY, name, parse


class Touch(AbstractKind):
    """Toggling a makes it the product."""

    code: int = CUSTOM[0]

    def holds(self, near, rule, action):
        return (action == TOGGLE) & (near.front == rule.a)

    def apply(self, near, rule):
        ring = [jnp.where(near.direction == d, rule.product, near.ring[d]) for d in range(4)]
        return Near(jnp.stack(ring), near.beyond, near.pocket, near.direction)


class Between(AbstractKind):
    """a is on one side of the agent and b on the opposite one; a rule then fills the pocket."""

    code: int = CUSTOM[-1]

    def holds(self, near, rule, action):
        hits = [
            (near.ring[d] == rule.a) & (near.ring[(d + 2) % 4] == rule.b) for d in range(4)
        ]  # fmt: skip
        return hits[0] | hits[1] | hits[2] | hits[3]

    def apply(self, near, rule):
        return Near(near.ring, near.beyond, rule.product, near.direction)


PLAIN = XLand("R1", 5, 5, view_size=3)
OWN = XLand("R1", 5, 5, view_size=3, kinds=(Touch(), Between()))
TOUCH, BETWEEN = Touch().code, Between().code
NUM_RULES = 3


@eqx.filter_jit
def act(
    world: XLand, state: State, task: GridTask, action: jax.Array
) -> tuple[State, Fired, jax.Array]:
    """One step and what it set off."""
    after, timestep = world.step(state, task, action, key=jr.key(0))
    return after, world.fired(state, task, action), timestep.terminated()


def scene(left: str, front: str, right: str) -> State:
    """The agent in the middle of an empty room, looking up."""
    cells, grid = OWN.board.cells(), OWN.ground.base.copy()
    places = (cells[2, 1], cells[1, 2], cells[2, 3])
    for where, what in zip(places, (left, front, right), strict=True):
        grid[where] = parse(what)
    return State(
        grid=jnp.asarray(grid),
        position=jnp.int32(cells[2, 2]),
        direction=jnp.int32(0),
        pocket=jnp.uint8(EMPTY),
        step=jnp.int32(0),
    )


def step(left: str, front: str, right: str, action: str, goal=("empty",), rules=()) -> tuple:
    """Things left, in front and right, and in the pocket; which rules fired; the goal."""
    task = grid_task(goal, rules, num_rules=NUM_RULES)
    number = jnp.int32(ACTIONS.index(action))
    state, fired, reached = act(OWN, scene(left, front, right), task, number)
    cells = OWN.board.cells()
    grid = [name(int(state.grid[i])) for i in (cells[2, 1], cells[1, 2], cells[2, 3])]
    assert bool(fired.goal) == bool(reached), "reaching a goal of one's own ends the episode"
    return (*grid, name(int(state.pocket)), fired.rules.tolist(), bool(reached))


def test_a_rule_of_ones_own_fires_where_its_condition_holds():
    rule = [(TOUCH, "red ball", 0, "blue key")]
    got = step("red ball", "red ball", "floor", "toggle", rules=rule)
    assert got[:4] == ("red ball", "blue key", "floor", "nothing"), "only the thing in front"
    assert got[4] == [True, False, False], "it says that it fired"
    for front, action in (("red ball", "turn left"), ("red hex", "toggle")):
        got = step("floor", front, "floor", action, rules=rule)
        assert got[1] == front and not any(got[4]), "a rule fired without its condition"


def test_a_goal_of_ones_own_is_reached_where_its_condition_holds():
    goal = (BETWEEN, "red ball", "blue key")
    reached = step("red ball", "floor", "blue key", "toggle", goal)
    assert reached[5], "the goal's condition holds"
    assert reached[3] == "nothing", "a goal changes nothing"
    assert not step("red ball", "blue key", "floor", "toggle", goal)[5], "they are not opposite"


def test_kinds_chain_in_the_order_of_the_rules():
    own, built_in = (TOUCH, "red ball", 0, "blue key"), ("agent_near_up", "blue key", "pink hex")
    third = (BETWEEN, "grey square", "grey star", "white hex")
    things = ("grey square", "red ball", "grey star")
    # `agent_near_up` is tried on put-down only, so of the built-in kinds `agent_hold` must chain.
    hold = ("agent_hold", "white hex", "red star")
    assert step(*things, "toggle", rules=(own, built_in))[1] == "blue key", "wrong action for it"
    got = step(*things, "pick up", rules=(third, hold))
    assert got[3] == "red star" and got[4] == [True, True, False], "the later sees the earlier"
    got = step(*things, "pick up", rules=(hold, third))
    assert got[3] == "white hex" and got[4] == [False, True, False], "the earlier saw too much"
    again = (TOUCH, "blue key", 0, "pink hex")
    got = step(*things, "toggle", rules=(own, again, third))
    assert got[1] == "pink hex" and got[3] == "white hex", "kinds of one's own chain too"
    assert got[4] == [True, True, True], "all three fired in one step"


def test_a_custom_rule_can_reach_a_custom_goal_in_the_same_step():
    goal, rule = (BETWEEN, "red ball", "blue key"), (TOUCH, "grey star", 0, "floor")
    got = step("red ball", "grey star", "blue key", "toggle", goal, [rule])
    assert got[1] == "floor" and got[5], "the goal is tested after the rules"


def _tasks(num: int) -> tuple[GridTask, State, jax.Array]:
    """Random scenes with rules of both sorts, dense enough that most steps set something off."""
    rng = np.random.default_rng(0)
    things = np.array([parse("red ball"), parse("blue key")], np.uint8)
    kinds = np.array([TOUCH, BETWEEN, *grid_kinds()], np.uint8)
    rows = np.concatenate(
        [rng.choice(kinds, (num, NUM_RULES, 1)), rng.choice(things, (num, NUM_RULES, 3))], axis=-1
    )
    goal = np.concatenate(
        [rng.choice(kinds, (num, 1)), rng.choice(things, (num, 2)), np.zeros((num, 2))], axis=-1
    )
    task = GridTask(
        goal=jnp.asarray(goal, jnp.uint8),
        rules=jnp.asarray(rows, jnp.uint8),
        objects=jnp.zeros((num, 0), jnp.uint8),
    )
    cells, grid = OWN.board.cells(), np.tile(OWN.ground.base, (num, 1))
    grid[:, cells[1:-1, 1:-1].ravel()] = rng.choice(things, (num, 9))
    state = State(
        grid=jnp.asarray(grid),
        position=jnp.full(num, cells[2, 2], jnp.int32),
        direction=jnp.asarray(rng.integers(4, size=num), jnp.int32),
        pocket=jnp.asarray(rng.choice([EMPTY, *things.tolist()], num), jnp.uint8),
        step=jnp.zeros(num, jnp.int32),
    )
    return task, state, jnp.asarray(rng.integers(len(ACTIONS), size=num), jnp.int32)


def grid_kinds() -> list[int]:
    """Two built-in kinds, as bytes."""
    task = grid_task(("empty",), [("agent_hold", "red ball", "floor"),
                                  ("tile_near", "red ball", "red ball", "floor")])  # fmt: skip
    return task.rules[:, 0].tolist()


def test_kinds_of_ones_own_are_equal_under_vmap():
    tasks, states, actions = _tasks(48)
    batched, fired, reached = act_all(states, tasks, actions)
    assert fired.rules.any(1).all() and reached.any(), "every slot fired somewhere"
    for i in range(48):
        one = jax.tree.map(lambda x: x[i], (states, tasks, actions))  # noqa: B023
        alone = act(OWN, *one)
        row = jax.tree.map(lambda x: x[i], batched), Fired(fired.rules[:, i], fired.goal[i])  # noqa: B023
        assert eqx.tree_equal(alone[0], row[0]), f"scene {i} came out otherwise in a batch"
        assert eqx.tree_equal(alone[1], row[1]), f"scene {i} set off something else in a batch"
        assert alone[2] == reached[i], f"scene {i} ended otherwise in a batch"


@jax.jit
def act_all(state, task, action):
    after, timestep = jax.vmap(lambda *args: OWN.step(*args, key=jr.key(0)))(state, task, action)
    fired = jax.vmap(OWN.fired, out_axes=Fired(1, 0))(state, task, action)
    return after, fired, timestep.terminated()


def test_kinds_of_ones_own_change_nothing_for_tasks_without_them():
    tasks, states, actions = _tasks(48)
    built_in = np.isin(np.asarray(tasks.rules[..., 0]), grid_kinds())
    rules = jnp.where(jnp.asarray(built_in)[..., None], tasks.rules, 0)
    goal = jnp.where(jnp.isin(tasks.goal[:, :1], jnp.array(grid_kinds())), tasks.goal, 0)
    tasks = GridTask(goal, rules, tasks.objects)
    for i in range(16):
        one = jax.tree.map(lambda x: x[i], (states, tasks, actions))  # noqa: B023
        assert eqx.tree_equal(act(PLAIN, *one), act(OWN, *one)), f"scene {i} differs"


def test_a_world_without_kinds_ignores_their_codes():
    task = grid_task((BETWEEN, "red ball", "blue key"), [(TOUCH, "grey star", 0, "floor")],
                     num_rules=NUM_RULES)  # fmt: skip
    state = scene("red ball", "grey star", "blue key")
    after, fired, reached = act(PLAIN, state, task, jnp.int32(ACTIONS.index("toggle")))
    np.testing.assert_array_equal(after.grid, state.grid, "nothing changes")
    assert not fired.rules.any() and not reached, "an unknown kind neither fires nor is reached"


def test_check_task_accepts_the_codes_of_ones_own_kinds():
    for code in (CUSTOM[0], CUSTOM[-1]):
        check_task(grid_task((code, "red ball"), [(code, "red ball", "red ball", "red ball")]))


@pytest.mark.parametrize("kinds", [(Touch(code=0x10),), (Touch(code=0x20),), (Touch(), Touch())])
def test_a_code_that_is_taken_is_refused(kinds):
    with pytest.raises(TaskError, match=r"different codes in 17\.\.31.*CUSTOM\[0\]"):
        XLand("R1", 5, 5, kinds=kinds)
