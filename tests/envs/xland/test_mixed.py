"""Mixed: every member is the environment it is alone, bit for bit."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import PyTree

from meadow.core.errors import TaskError
from meadow.envs.xland.environment import ACTIONS, XLand
from meadow.envs.xland.mixed import Mixed, MixedTask, MixedTasks
from meadow.tasks.grid import grid_task
from meadow.tasks.tiles import EMPTY
from meadow.tasks.trees import Trees

SEEN = ("direction", "step", "rules")
MEMBERS = (
    XLand("R1", 5, 5, view_size=3, max_steps=17, observe=SEEN),
    XLand("R4", 7, 7, view_size=5, max_steps=30, observe=SEEN, occlude=True),
    XLand("R2", 5, 9, view_size=7, max_steps=25, observe=SEEN),
)
MIXED = Mixed(MEMBERS)
# Balls and keys of one colour: goals are reached now and then by chance.
EASY = Trees(depth=0, colours=("red",), objects=("ball", "key"), goal_kinds=("agent_near",))
RULED = Trees(depth=1, colours=("red", "blue"), distractor_rules=1, rule_kinds=("agent_near",))
TASKS = MixedTasks((EASY, EASY, RULED))
NUM, TIME = 24, 40
DRAWN = jax.jit(jax.vmap(lambda k: TASKS.sample(key=k)))(jr.split(jr.key(0), 200))
STEP = jax.jit(jax.vmap(partial(MIXED.step, key=jr.key(0))))


def pick(tree: PyTree, who: np.ndarray) -> PyTree:
    """Some of a batch."""
    return jax.tree.map(lambda x: x[who], tree)


@pytest.fixture(scope="module")
def lives():
    """The lives of a mixed batch: tasks, states and time steps `[TIME + 1, NUM]`, actions."""
    tasks = pick(DRAWN, np.arange(NUM))
    reset = jax.jit(jax.vmap(lambda task, key: MIXED.reset(task, key=key)))
    told = [reset(tasks, jr.split(jr.key(1), NUM))]
    weights = jnp.array([0.5, 0.15, 0.1, 0.1, 0.1, 0.05])
    actions = jr.choice(jr.key(2), len(ACTIONS), (TIME, NUM), p=weights)
    for action in actions:
        told.append(STEP(told[-1][0], tasks, action))
    return tasks, jax.tree.map(lambda *x: np.stack(x), *told), actions


@pytest.mark.parametrize("number", range(len(MEMBERS)))
def test_every_member_lives_as_it_does_alone(lives, number: int):
    tasks, (states, timesteps), actions = lives
    member = MEMBERS[number]
    (who,) = np.nonzero(np.asarray(tasks.environment) == number)
    assert len(who) >= 4, "each member must be met"
    mine = pick(tasks.task, who)
    reset = jax.jit(jax.vmap(lambda task, key: member.reset(task, key=key)))
    step = jax.jit(jax.vmap(partial(member.step, key=jr.key(0))))
    alone = reset(mine, jr.split(jr.key(1), NUM)[who])
    for t in range(TIME + 1):
        together = jax.tree.map(lambda x, t=t: x[t][who], timesteps)
        compare(member, together, alone[1], t)
        for i, life in enumerate(who):
            now = jax.tree.map(lambda x, t=t, life=life: x[t, life], states)
            environment, state, _ = MIXED.member(now, pick(tasks, life))
            expected = jax.tree.map(lambda x, i=i: np.asarray(x[i]), alone[0])
            assert environment == member
            assert eqx.tree_equal(jax.tree.map(np.asarray, state), expected), f"state at {t}"
        if t < TIME:
            alone = step(alone[0], mine, actions[t][who])


def compare(member: XLand, together, alone, t: int) -> None:
    """A member's time steps in the mixed batch and alone."""
    for name in ("step_type", "reward", "discount"):
        mine, theirs = (np.asarray(getattr(x, name)) for x in (together, alone))
        assert (mine == theirs).all(), f"`{name}` at {t}: {mine} together, {theirs} alone"
    for name in SEEN:
        assert (together.observation[name] == alone.observation[name]).all(), f"`{name}` at {t}"
    view, size, across = together.observation["view"], member.view_size, MIXED.view_size
    left = across // 2 - size // 2
    own = view[:, across - size :, left : left + size]
    assert (own == np.asarray(alone.observation["view"])).all(), f"the view at {t}"
    outside = np.count_nonzero(view) - np.count_nonzero(own)
    assert not outside, "around a smaller view all is EMPTY"


def test_the_lives_were_not_dull(lives):
    tasks, (states, timesteps), actions = lives
    assert (timesteps.reward > 0).sum() >= 5, "goals must be reached"
    cut = (timesteps.step_type == 2) & (timesteps.discount == 1)
    assert cut.any(0).sum() >= NUM // 2, "time limits must be met, each its own"
    changed = (states.grid[1:] != states.grid[:-1]).any(-1) & (actions == ACTIONS.index("move"))
    assert set(np.asarray(tasks.environment)[np.argwhere(changed)[:, 1]]) == {2}, "rules must fire"


def test_a_batch_steps_like_each_alone(lives):
    tasks, (states, timesteps), actions = lives
    state = jax.tree.map(lambda x: x[3], states)
    one_by_one = jax.jit(lambda *x: jax.lax.map(lambda x: MIXED.step(*x, key=jr.key(0)), x))
    expected = one_by_one(state, tasks, actions[3])
    got = jax.tree.map(lambda x: jnp.asarray(x[4]), (states, timesteps))
    assert eqx.tree_equal(got, expected), "who shares a batch must not matter"


def test_tasks_are_padded_and_come_from_their_own_space():
    tasks = DRAWN
    which = np.asarray(tasks.environment)
    assert (np.bincount(which, minlength=3) > 40).all(), "each member is as likely as another"
    assert tasks.task.rules.shape[1:] == (RULED.num_rules, 4)
    assert tasks.task.objects.shape[1:] == (RULED.num_objects,)
    easy = np.asarray(tasks.task.rules)[which < 2]
    assert (
        not easy.any() and not np.asarray(tasks.task.objects)[which < 2, EASY.num_objects :].any()
    )
    assert np.asarray(tasks.task.rules)[which == 2].any((1, 2)).all(), "tasks of depth 1 have rules"


def test_one_space_for_all_is_drawn_from_once():
    once, thrice = (
        jax.make_jaxpr(lambda key, s=s: MixedTasks(s).sample(key=key))(jr.key(0)).pretty_print()
        for s in ((RULED,), (RULED, RULED, RULED))
    )
    assert len(thrice) < 1.5 * len(once), "equal spaces must not be drawn from again"


def test_says_what_does_not_go_together():
    with pytest.raises(TaskError, match="at least one environment"):
        Mixed(())
    with pytest.raises(TaskError, match=r"agree in `observe`.*number 1 \('pocket',\)"):
        Mixed((XLand(), XLand(observe=("pocket",))))
    with pytest.raises(TaskError, match="number 1 asks for `compatibility=True`"):
        Mixed((XLand(), XLand(compatibility=True)))
    with pytest.raises(TaskError, match="at most 31 cells across, got 33"):
        Mixed((XLand(occlude=True), XLand("R1", 35, 35, view_size=33)))
    with pytest.raises(TaskError, match="a space for each environment"):
        MixedTasks(())
    crowd = grid_task(("empty",), objects=[EMPTY] * 9)
    with pytest.raises(TaskError, match=r"places 9 objects.*5x5 has 9 free cells"):
        MIXED.reset(MixedTask(jnp.int32(1), crowd), key=jr.key(0))
