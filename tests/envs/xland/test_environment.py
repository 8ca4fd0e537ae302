"""XLand as an environment: its batched form, what a reset draws, what is seen, when it ends."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.timestep import StepType
from meadow.envs.xland.environment import ACTIONS, XLand
from meadow.envs.xland.observe import EXTRAS
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.published import regenerate
from meadow.tasks.tiles import COLOURS, FLOOR, IS_FLOOR, OPAQUE, TILES, parse

NUM, TIME = 16, 60
CROWDED = XLand("R2", 7, 9, max_steps=25, observe=EXTRAS)  # 30 free cells
BLIND = XLand("R2", 7, 9, view_size=1, max_steps=25)
STEP = partial(CROWDED.step, key=jr.key(0))
TOGETHER = jax.jit(jax.vmap(STEP))


def reset_many(environment: XLand, task: GridTask, num: int):
    """`num` resets of one task."""
    reset = jax.jit(jax.vmap(lambda key: environment.reset(task, key=key)))
    return reset(jr.split(jr.key(1), num))


def begin(environment: XLand, tasks: GridTask):
    """A reset of every task."""
    keys = jr.split(jr.key(1), NUM)
    return jax.jit(jax.vmap(lambda t, k: environment.reset(t, key=k)[0]))(tasks, keys)


@pytest.fixture(scope="module")
def moment():
    """States, tasks and actions, `[NUM, ...]`."""
    tasks = regenerate("medium", NUM)
    return begin(CROWDED, tasks), tasks, jr.randint(jr.key(2), (NUM,), 0, len(ACTIONS))


# --- the batched form ---------------------------------------------------------------------------


@pytest.mark.parametrize("environment", [CROWDED, BLIND], ids=["crowded", "blind"])
def test_a_batch_steps_like_each_alone(environment):
    step = partial(environment.step, key=jr.key(0))
    together = TOGETHER if environment is CROWDED else jax.jit(jax.vmap(step))
    one_by_one = jax.jit(lambda *given: jax.lax.map(lambda one: step(*one), given))
    fired = jax.jit(jax.vmap(lambda *given: environment.fired(*given).rules.any()))
    tasks = regenerate("medium", NUM)
    state, busy = begin(environment, tasks), []
    for t in range(TIME):
        action = jr.randint(jr.key(t), (NUM,), 0, len(ACTIONS))
        busy.append(fired(state, tasks, action).any())
        expected = one_by_one(state, tasks, action)
        got = together(state, tasks, action)
        assert eqx.tree_equal(got, expected), f"step {t}: who shares a batch must not matter"
        state, _ = got
    assert any(busy) and not all(busy), "the test must see steps with and without a rule"


def test_a_batch_of_batches_steps_alike(moment):
    def fold(tree):
        return jax.tree.map(lambda x: x.reshape(4, 4, *x.shape[1:]), tree)

    got = jax.jit(jax.vmap(jax.vmap(STEP)))(*fold(moment))
    assert eqx.tree_equal(got, fold(TOGETHER(*moment))), "nested vmap must change nothing"


def test_a_task_may_be_shared(moment):
    state, tasks, action = moment
    one = jax.tree.map(lambda x: x[0], tasks)
    every = jax.tree.map(lambda x: jnp.broadcast_to(x, (NUM, *x.shape)), one)
    got = jax.jit(jax.vmap(STEP, in_axes=(0, None, 0)))(state, one, action)
    assert eqx.tree_equal(got, TOGETHER(state, every, action)), "one task may be everybody's"


def test_a_batch_may_be_spread_over_devices(moment):
    mesh = jax.make_mesh((2,), ("device",), axis_types=(jax.sharding.AxisType.Auto,))
    each = PartitionSpec("device")
    spread = jax.shard_map(jax.vmap(STEP), mesh=mesh, in_specs=each, out_specs=each)
    got, expected = jax.jit(spread)(*moment), TOGETHER(*moment)
    assert eqx.tree_equal(*jax.device_get((got, expected))), "devices must change nothing"


# --- what a reset draws -------------------------------------------------------------------------

OBJECTS = ("red ball", "blue key", "green star")
PADDED = grid_task(("empty",), objects=OBJECTS, num_objects=5)


@pytest.fixture(scope="module")
def maps():
    """Many resets of one task in two rooms: the maps and the agents' cells in them."""
    state, _ = reset_many(CROWDED, PADDED, 6000)
    cells = CROWDED.board.cells()
    where = np.argmax(np.asarray(state.position)[:, None] == cells.reshape(-1), 1)
    return np.asarray(state.grid)[:, cells], where, np.asarray(state.direction)


def assert_uniform(counts: np.ndarray, what: str):
    """Chi-square; the bound is passed once in 10,000 times by chance."""
    expected, free = counts.sum() / counts.size, counts.size - 1
    statistic = ((counts - expected) ** 2 / expected).sum()
    bound = free * (1 - 2 / (9 * free) + 3.72 * np.sqrt(2 / (9 * free))) ** 3
    assert statistic < bound, f"{what} must be uniform: {counts.tolist()}"


def test_objects_and_agent_get_cells_of_their_own(maps):
    grid, where, _ = maps
    for tile in OBJECTS:
        assert ((grid == parse(tile)).sum((1, 2)) == 1).all(), f"there must be one {tile}"
    assert ((grid == FLOOR).sum((1, 2)) == 30 - len(OBJECTS)).all(), "padding places nothing"
    under = np.take_along_axis(grid.reshape(len(grid), -1), where[:, None], 1)
    assert (under == FLOOR).all(), "the agent must begin on free floor"


def test_every_free_cell_is_as_likely(maps):
    grid, where, _ = maps
    floor = CROWDED.ground.layout.floor
    assert_uniform(np.bincount(where, minlength=63)[floor], "the agent's cell")
    for tile in OBJECTS:
        places = (grid == parse(tile)).sum(0).reshape(-1)
        assert places[floor].sum() == places.sum(), f"{tile} was placed off the floor"
        assert_uniform(places[floor], f"the cell of the {tile}")


def test_every_direction_is_as_likely(maps):
    assert_uniform(np.bincount(maps[2], minlength=4), "the direction")


def test_doors_stand_on_their_lines_in_six_colours():
    environment = XLand("R4", 9, 9)
    state, _ = reset_many(environment, PADDED, 3000)
    grid = np.asarray(state.grid)[:, environment.board.cells()].reshape(3000, -1)
    doors = grid // len(COLOURS) == TILES.index("closed door")
    assert (doors.sum(1) == 4).all(), "there must be one door for each wall between rooms"
    for line in environment.ground.layout.doors:
        assert (doors[:, line].sum(1) == 1).all(), "a wall between rooms has one door"
        assert_uniform(doors[:, line].sum(0), "a door's place")
    colours = np.bincount(grid[doors] % len(COLOURS), minlength=len(COLOURS))
    assert_uniform(colours[1:7], "a door's colour")
    assert colours.sum() == colours[1:7].sum(), "doors are red to grey"
    walls = OPAQUE[grid] == OPAQUE[environment.ground.layout.base.reshape(-1)]
    assert walls.all(), "nothing else may be built or torn down"


def test_the_same_key_draws_the_same_map(key):
    reset = jax.jit(CROWDED.reset)
    assert eqx.tree_equal(reset(PADDED, key=key), reset(PADDED, key=key)), "a reset is a function"
    others = reset(PADDED, key=jr.key(123))
    assert not eqx.tree_equal(reset(PADDED, key=key)[0], others[0]), "and its key is used"


def test_the_objects_must_fit(key):
    crowd = grid_task(("empty",), objects=["red ball"] * 30)
    with pytest.raises(TaskError, match=r"30 objects.*R2 of 7x9 has 30 free cells.*larger map"):
        CROWDED.reset(crowd, key=key)
    full = grid_task(("empty",), objects=["red ball"] * 29)
    state, _ = jax.jit(CROWDED.reset)(full, key=key)
    assert int(IS_FLOOR[np.asarray(state.grid)].sum()) == 1, "one cell is left, for the agent"


# --- what is seen -------------------------------------------------------------------------------


def test_extras_are_seen_on_request_only(key):
    task = grid_task(("agent_hold", "red ball"), [("agent_near", "red ball", "blue key")], ())
    state, timestep = jax.jit(CROWDED.reset)(task, key=key)
    seen = timestep.observation
    assert set(seen) == {"view", *EXTRAS}, "everything asked for, and nothing else"
    facing = jax.nn.one_hot(state.direction, 4)
    held = {"direction": facing, "pocket": state.pocket, "step": state.step}
    for name, value in (held | {"goal": task.goal, "rules": task.rules}).items():
        assert jnp.array_equal(seen[name], value), f"`{name}` must say what is so"
    _, plain = jax.eval_shape(XLand("R2", 7, 9).reset, task, key=key)
    assert set(plain.observation) == {"view"}, "nothing is shown unasked"


def test_the_goal_and_the_rules_stay_hidden(moment):
    state, tasks, _ = moment
    silent = jnp.full(NUM, ACTIONS.index("turn left"), jnp.int32)  # sets nothing off
    others = GridTask(jnp.roll(tasks.goal, 1, 0), jnp.roll(tasks.rules, 1, 0), tasks.objects)
    seen, elsewhere = (TOGETHER(state, t, silent)[1].observation for t in (tasks, others))
    for name in {"view", *EXTRAS} - {"goal", "rules"}:
        assert jnp.array_equal(seen[name], elsewhere[name]), f"`{name}` tells what is hidden"


# --- when it ends -------------------------------------------------------------------------------


def timed(moment, step: int, action: str, goal: tuple):
    """The time step of an action after `step` steps, with a red ball in the hand."""
    state, tasks, _ = moment
    state = eqx.tree_at(
        lambda s: (s.step, s.pocket),
        state,
        (jnp.full(NUM, step, jnp.int32), jnp.full(NUM, parse("red ball"), jnp.uint8)),
    )
    goals = jnp.tile(grid_task(goal).goal, (NUM, 1))
    tasks = GridTask(goals, jnp.zeros_like(tasks.rules), tasks.objects)
    timestep = TOGETHER(state, tasks, jnp.full(NUM, ACTIONS.index(action), jnp.int32))[1]
    return jax.tree.map(lambda x: x[0], timestep)


@pytest.mark.parametrize("step", [0, 23, 24, 25])
def test_the_time_limit_cuts_exactly_once(moment, step):
    timestep = timed(moment, step, "turn left", ("empty",))
    cut = step + 1 == 25
    assert timestep.step_type == (StepType.LAST if cut else StepType.MID)
    assert timestep.discount == 1, "after a time limit something would have followed"
    assert timestep.reward == 0


@pytest.mark.parametrize("step", [0, 12, 24])
def test_reaching_the_goal_pays_less_the_later(moment, step):
    timestep = timed(moment, step, "pick up", ("agent_hold", "red ball"))
    assert timestep.terminated(), "a goal terminates, also at the time limit"
    expected = 1 - 0.9 * (step + 1) / 25
    assert timestep.reward == pytest.approx(expected, abs=1e-6), "1 - 0.9 * step / max_steps"


def test_the_time_limit_follows_the_size():
    assert XLand("R2", 7, 9).time_limit == 3 * 7 * 9
    assert CROWDED.time_limit == 25


# --- what cannot be built -----------------------------------------------------------------------


def test_says_what_cannot_be_built():
    with pytest.raises(UnknownNameError, match="layout"):
        XLand("R5")
    with pytest.raises(TaskError, match="needs height and width"):
        XLand("R9", 5, 5)
    with pytest.raises(TaskError, match="must be odd"):
        XLand(view_size=4)
    with pytest.raises(TaskError, match="at least 1"):
        XLand(max_steps=0)
    with pytest.raises(UnknownNameError, match=r"pockets.*Did you mean 'pocket'"):
        XLand(observe=("pockets",))
