"""MiniGrid plays a level as it was drawn; goal and failure end it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.core.spec import Discrete
from meadow.envs.minigrid.environment import MiniGrid
from meadow.tasks import kinds
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import GREEN_GOAL, condition, reach, room
from meadow.tasks.tiles import FLOOR, parse

MOVE, TURN_RIGHT, PICK_UP, TOGGLE = 0, 1, 3, 5
WORLD = MiniGrid(5, 6, view_size=3, max_steps=4, observe=("direction", "pocket", "step"))
STEP = eqx.filter_jit(lambda *given: WORLD.step(*given, key=jr.key(0)))
RESET = eqx.filter_jit(lambda level, seed: WORLD.reset(level, key=jr.key(seed)))


def level(things: dict[tuple[int, int], str] | None = None, **fields) -> Level:
    """A room with things in it; the agent in its near corner looks right."""
    plan = room(5, 6)
    for where, thing in (things or {}).items():
        plan[where] = parse(thing)
    return Level(plan, **({"position": (1, 1), "direction": 1} | fields))


def lived(level: Level, *actions: int) -> list:
    """States and time steps of the actions, the reset's first."""
    moments = [RESET(level, jnp.int32(0))]
    for action in actions:
        moments.append(STEP(moments[-1][0], level, jnp.int32(action)))
    return moments


def test_a_level_begins_as_it_was_drawn():
    drawn = level({(2, 3): "red ball"}, position=(3, 4), direction=2, pocket=parse("blue key"))
    ((state, said),) = lived(drawn)
    cells = WORLD.board.cells()
    assert (np.asarray(state.grid)[cells] == drawn.map).all(), "the map is the level's"
    assert int(state.position) == cells[3, 4] and int(state.direction) == 2, "so is the agent"
    assert int(said.observation["pocket"]) == parse("blue key"), "and what it holds"
    assert said.first() and int(said.observation["step"]) == 0, "an episode begins"


def test_the_key_is_not_used():
    one, other = (RESET(level(), jnp.int32(seed)) for seed in (0, 1))
    assert eqx.tree_equal(one, other), "a reset has no luck of its own"


def test_the_goal_ends_with_a_reward():
    _, (_, before), (_, said) = lived(
        level({(1, 3): "green goal"}, goal=reach(GREEN_GOAL)), MOVE, MOVE
    )
    assert before.reward == 0 and not before.last(), "before the goal nothing ends"
    assert said.terminated() and np.isclose(said.reward, 1 - 0.9 * 2 / 4), "sooner is better"


@pytest.mark.parametrize("failing", [(kinds.ON_TILE, FLOOR), (kinds.AGENT_AT,)])
def test_the_failure_ends_without_a_reward(failing):
    failure = condition(*failing, place=(1, 2) if failing[0] == kinds.AGENT_AT else (0, 0))
    *_, (_, said) = lived(level(failure=failure), MOVE)
    assert said.terminated() and said.reward == 0, "a failure is an end and no more"


def test_reaching_both_is_success():
    both = reach(FLOOR)
    *_, (_, said) = lived(level(goal=both, failure=both), MOVE)
    assert said.terminated() and said.reward > 0, "the goal counts"


def test_time_runs_out():
    *before, (_, said) = lived(level(), *[TURN_RIGHT] * 4)
    assert not any(step.last() for _, step in before), "not before the limit"
    assert said.truncated() and said.reward == 0, "at the limit, and nothing is lost"


def test_a_level_may_have_rules():
    rule = [[kinds.HOLD, parse("red ball"), 0, parse("blue key")]]
    held = condition(kinds.HOLD, parse("blue key"))
    *_, (state, said) = lived(level({(1, 2): "red ball"}, rules=rule, goal=held), PICK_UP)
    assert int(state.pocket) == parse("blue key"), "the rule turned the ball into a key"
    assert said.terminated() and said.reward > 0, "which was the goal"


def test_actions_may_do_something_else():
    remapped = MiniGrid(5, 6, view_size=3, actions=(MOVE, TURN_RIGHT, TOGGLE))
    assert remapped.action_spec == Discrete(3), "as many actions as are listed"
    door = level({(1, 2): "red closed door"})
    state, _ = remapped.reset(door, key=jr.key(0))
    state, _ = jax.jit(remapped.step)(state, door, jnp.int32(2), key=jr.key(0))
    assert int(state.grid[remapped.board.cells()[1, 2]]) == parse("red open door"), "it toggles"


def test_what_fires_is_told():
    goal = level({(1, 2): "green goal"}, goal=reach(GREEN_GOAL), failure=reach(FLOOR))
    state, _ = WORLD.reset(goal, key=jr.key(0))
    fired = jax.jit(WORLD.fired)(state, goal, jnp.int32(MOVE))
    assert fired.goal.shape == () and bool(fired.goal), "the goal, and not the failure"
    assert fired.rules.shape == (0,), "there is no rule that could fire"


def test_limits_are_checked():
    with pytest.raises(TaskError, match="levels of 5x6, got a map of 4x4"):
        WORLD.reset(Level(room(4, 4), (1, 1), 1), key=jr.key(0))
    with pytest.raises(TaskError, match="at least 1"):
        MiniGrid(max_steps=0)
    assert MiniGrid(5, 6).time_limit == 120, "four times the map when nothing is said"
