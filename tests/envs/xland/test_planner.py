"""Planner: what it finds can be done and is shortest; where it finds nothing, nothing can be done.

Its exhaustive searches are also what the proofs of `meadow.tasks.closure` are held against.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.core.spec import Box
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.xland.environment import State, XLand
from meadow.envs.xland.planner import Plan, Status, plan
from meadow.tasks import kinds, tiles
from meadow.tasks.closure import solvable
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.level import Level
from meadow.tasks.trees import Trees

ROOM = XLand("R1", 4, 5, view_size=3)  # two by three free cells
TREES = Trees(depth=1, colours=("red", "blue"), goal_kinds=("agent_hold", "agent_near",
              "tile_near_left"), distractor_rules=1)  # fmt: skip
NUM_RULES, NUM_OBJECTS = TREES.num_rules, 3
DEPTH = 3  # to which everything is tried without remembering any state

reset = jax.jit(lambda task, key: ROOM.reset(task, key=key)[0])
step = jax.jit(lambda state, task, action: ROOM.step(state, task, action, key=jr.key(0)))
may_be_solved = jax.jit(solvable)


@jax.jit
def brute_force(state: State, task: GridTask) -> jax.Array:
    """The length of the shortest rewarded sequence of at most DEPTH actions, else a large one."""
    num = ROOM.action_spec.num
    sequences = jnp.stack(jnp.unravel_index(jnp.arange(num**DEPTH), (num,) * DEPTH), -1)

    def live(actions: jax.Array) -> jax.Array:
        def one(state: State, action: jax.Array) -> tuple:
            state, timestep = ROOM.step(state, task, action, key=jr.key(0))
            return state, timestep.reward > 0

        _, won = jax.lax.scan(one, state, actions)
        return jnp.where(won.any(), jnp.argmax(won) + 1, 999)

    return jax.vmap(live)(sequences).min()


def small(task: GridTask) -> GridTask | None:
    """The task with room for three objects, if it has no more."""
    fits = not task.objects[NUM_OBJECTS:].any()
    return eqx.tree_at(lambda t: t.objects, task, task.objects[:NUM_OBJECTS]) if fits else None


@pytest.fixture(scope="module")
def trees() -> list[tuple[GridTask, State, Plan]]:
    """Small tasks drawn at random, how they begin, and what was found."""
    keys = jr.split(jr.key(0), 90)
    tasks = jax.jit(jax.vmap(lambda key: TREES.sample(key=key)))(keys)
    tasks = jax.tree.map(np.asarray, tasks)
    some = [small(jax.tree.map(lambda x: x[i], tasks)) for i in range(len(keys))]  # noqa: B023
    begun = [(t, reset(t, key)) for t, key in zip(some, keys, strict=True) if t is not None]
    return [(task, state, plan(ROOM, state, task)) for task, state in begun]


def test_plans_reach_the_goal_and_not_before_their_end(trees):
    found = [x for x in trees if x[2].status is Status.FOUND]
    assert len(found) > 30, "most tasks can be solved"
    assert max(len(plan.actions) for *_, plan in found) > 9, "some of them in many steps"
    for task, state, plan_found in found:
        rewards = []
        for action in plan_found.actions:
            state, timestep = step(state, task, action)
            rewards.append(timestep.reward.item())
        num = len(rewards)
        assert not any(rewards[:-1]), "a plan ends with its first reward"
        assert rewards[-1] == pytest.approx(1 - 0.9 * num / ROOM.time_limit), "which is the goal's"
        assert timestep.terminated(), "and ends the episode"
        assert may_be_solved(task), "what was solved was not called impossible"


def test_no_plan_is_longer_than_it_must_be(trees):
    lengths = []
    for task, state, found in trees:
        shortest = brute_force(state, task).item()
        ours = len(found.actions) if found.status is Status.FOUND else 999
        assert min(ours, shortest) > DEPTH or ours == shortest, "nothing shorter solves the task"
        lengths.append(shortest)
    assert {1, 2, 3} <= set(lengths), "plans of every short length were compared"


# Whatever may stand in a rule or goal, sensible or not, but nothing that leads out of the room.
INPUTS = [tiles.parse(x) for x in ("red ball", "blue ball", "red key", "red goal", "floor")]
PRODUCTS = [*INPUTS, tiles.WALL, tiles.EMPTY, tiles.parse("red open door")]
OBJECTS = INPUTS[:4]


def anything(rng: np.random.Generator) -> GridTask:
    """A task of any kinds and tiles; it begins with one or two objects that it speaks of."""
    rows = [kind for kind in kinds.RULE_BYTES if kind != kinds.NEVER]
    goals = [kind for kind in kinds.GOAL_BYTES if kind not in (kinds.NEVER, kinds.AGENT_AT)]
    rules, objects = np.zeros((NUM_RULES, 4), np.uint8), np.zeros(NUM_OBJECTS, np.uint8)
    for row in range(rng.integers(NUM_RULES + 1)):
        a, b = rng.choice(INPUTS, 2)
        rules[row] = rng.choice(rows), a, b, rng.choice(PRODUCTS)
    goal = np.array([rng.choice(goals), *rng.choice(INPUTS, 2), *rng.integers(1, 3, 2)], np.uint8)
    spoken_of = np.intersect1d(np.append(rules[:, 1:3], goal[1:3]), OBJECTS)
    num = rng.integers(1, 3)
    objects[:num] = rng.choice(spoken_of if spoken_of.size else OBJECTS, num)
    return GridTask(*map(jnp.asarray, (goal, rules, objects)))


def test_what_is_called_impossible_has_no_plan():
    rng, ends = np.random.default_rng(0), []
    for i in range(120):
        task = anything(rng)
        able = bool(may_be_solved(task))
        found = plan(ROOM, reset(task, jr.key(i)), task)
        assert able or found.status is Status.IMPOSSIBLE, f"a plan for a refuted task: {task}"
        ends.append((able, found.status))
    for end in ((False, Status.IMPOSSIBLE), (True, Status.FOUND), (True, Status.IMPOSSIBLE)):
        assert ends.count(end) > 4, f"tasks of every sort were compared, also {end}"


def fetch(*objects: str, goal: str = "red ball") -> GridTask:
    return grid_task(
        ("agent_hold", goal), objects=objects, num_rules=NUM_RULES, num_objects=NUM_OBJECTS
    )


def test_every_state_is_tried_once():
    task = fetch()
    found = plan(ROOM, reset(task, jr.key(0)), task)
    assert found.status is Status.IMPOSSIBLE and not found.actions.size
    assert found.expanded == 6 * 4, "an agent alone has six cells and four directions"
    task = fetch("blue key")
    assert plan(ROOM, reset(task, jr.key(0)), task).expanded == 4 * (6 * 5 + 6), (
        "a key lies on one of five other cells, or is held"
    )


def test_the_limit_is_kept():
    task = fetch("blue key")
    state = reset(task, jr.key(0))
    num = plan(ROOM, state, task).expanded
    given_up = plan(ROOM, state, task, limit=num - 1)
    assert given_up.status is Status.GAVE_UP, "with one state left, nothing is proven"
    assert given_up.expanded == num - 1, "as many were tried as were allowed"
    assert plan(ROOM, state, task, limit=num).status is Status.IMPOSSIBLE, "so many are enough"


def test_the_time_limit_bounds_a_plan(trees):
    task, state, found = max(trees, key=lambda x: len(x[2].actions))
    num = len(found.actions)
    late = eqx.tree_at(lambda s: s.step, state, jnp.int32(ROOM.time_limit - num))
    just = plan(ROOM, late, task)
    assert just.actions.tolist() == found.actions.tolist(), "the last step still counts"
    too_late = eqx.tree_at(lambda s: s.step, state, jnp.int32(ROOM.time_limit - num + 1))
    assert plan(ROOM, too_late, task).status is Status.IMPOSSIBLE, "there is no time left"
    over = eqx.tree_at(lambda s: s.step, state, jnp.int32(ROOM.time_limit))
    assert plan(ROOM, over, task).expanded == 0, "and nothing is tried when it is over"


def test_other_environments_are_planned_in_too():
    """A corridor: the goal lies four steps ahead, with a trap on the way in one of two levels."""
    hall = np.full((3, 7), tiles.WALL)
    hall[1, 1:-1] = tiles.FLOOR
    goal, nothing = [kinds.AGENT_AT, 0, 0, 1, 5], [kinds.NEVER, 0, 0, 0, 0]
    trap = [kinds.AGENT_AT, 0, 0, 1, 3]
    environment = MiniGrid(3, 7, view_size=3)
    reset_level = jax.jit(lambda level: environment.reset(level, key=jr.key(0))[0])
    free, trapped = (Level(hall, (1, 1), 0, goal=goal, failure=x) for x in (nothing, trap))
    found = plan(environment, reset_level(free), free)
    assert found.actions.tolist() == [1, 0, 0, 0, 0], "turn right, then four steps"
    found = plan(environment, reset_level(trapped), trapped)
    assert found.status is Status.IMPOSSIBLE, "no plan leads through a failure"
    assert found.expanded == 2 * 4, "nothing beyond the trap is ever seen"


class Steered:
    """Something with an action that cannot be tried in all its values."""

    time_limit = 1
    action_spec = Box((), 0.0, 1.0)
    step = ROOM.step


def test_only_discrete_actions_can_all_be_tried():
    task = fetch()
    with pytest.raises(SpecError, match="`Discrete` actions, got Box"):
        plan(Steered(), reset(task, jr.key(0)), task)
