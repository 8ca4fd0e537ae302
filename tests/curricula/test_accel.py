"""ACCEL: whose children are examined when, and that children are their parents' children."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.report import Report
from meadow.core.task import AbstractDesignSpace
from meadow.curricula.accel import ACCEL, having
from meadow.curricula.buffer import Buffer
from meadow.curricula.plr import PLR
from meadow.testing.probes import Choice


class Ladder(AbstractDesignSpace):
    """A task is a height and the foot it began from; an edit is one rung."""

    def sample(self, *, key):
        return {"height": jnp.int32(0), "foot": jr.randint(key, (), 1, 10_000)}

    def empty(self, *, key):
        return {"height": jnp.int32(0), "foot": -jr.randint(key, (), 1, 10_000)}

    def mutate(self, task, *, key):
        return task | {"height": task["height"] + 1}

    def fingerprint(self, task):
        return jnp.stack([task["height"], task["foot"]]).astype(jnp.uint32)

    def features(self, task):
        return {"height": task["height"].astype(jnp.float32)}

    def solvable(self, task):
        return task["height"] < 3


EDITS = 3
ALL = ACCEL(PLR(Ladder(), Buffer(16, staleness=0.0), score="return", candidates=8), edits=EDITS)
EASY = dataclasses.replace(ALL, parents="easy", few=2)
BOTH = dataclasses.replace(ALL, plr=dataclasses.replace(ALL.plr, parallel=True))


@eqx.filter_jit
def update(curriculum, state, ticket, returns):
    ones = jnp.ones_like(returns)
    finished = jnp.isfinite(returns)
    report = dataclasses.replace(
        Report.nothing(len(returns)),
        episodes=ones * finished,
        returns=jnp.where(finished, returns, 0),
        best=returns,
    )
    return curriculum.update(state, ticket, report)


@eqx.filter_jit
def sample(curriculum, state, key):
    return curriculum.sample(state, 8, key=key)


@eqx.filter_jit
def examine(curriculum, state, key):
    return curriculum.examine(state, key=key)


@pytest.fixture(scope="module")
def begun():
    """Eight of the simplest tasks are kept."""
    state = jax.jit(lambda key: ALL.init(key=key))(jr.key(7))
    return update(ALL, state, examine(ALL, state, jr.key(1)), jnp.arange(8.0))


def test_it_begins_with_the_simplest(begun, key):
    tasks = examine(ALL, begun, key).tasks
    assert (tasks["foot"] < 0).all() and (tasks["height"] == 0).all()
    drawn = examine(dataclasses.replace(ALL, empty=False), begun, key).tasks
    assert (drawn["foot"] > 0).all(), "without `empty`, new tasks are drawn from the space"


def test_who_has_children():
    scores = jnp.array([8.0, 2.0, -jnp.inf, 9.0])
    assert having(scores, 6, "batch", 2).tolist() == [0, 1, 2, 3, 0, 1]
    assert having(scores, 6, "easy", 2).tolist() == [1, 0, 1, 0, 1, 0]
    assert having(scores, 6, "hard", 2).tolist() == [3, 0, 3, 0, 3, 0]


@pytest.mark.parametrize(("curriculum", "expected"), [(ALL, range(8)), (EASY, [3, 1] * 4)])
def test_minimax_6_parents_are_places_in_the_batch(curriculum, expected, begun, key):
    practised = sample(ALL, begun, key)
    assert (practised.slots != jnp.arange(8)).any(), "slots must differ from places to tell"
    returns = jnp.array([8.0, 2.0, -jnp.inf, 1.0, 5.0, 6.0, 9.0, 4.0])
    state = update(curriculum, begun, practised, returns)
    children = examine(curriculum, state, key)
    feet = np.asarray(practised.tasks["foot"])[list(expected)]
    assert (children.tasks["foot"] == feet).all(), f"{curriculum.parents}: another's children"
    assert (children.tasks["height"] == EDITS).all(), "a child is `edits` edits from its parent"
    kept = state.kept.entries.tasks["foot"]
    assert (kept[children.notes.parent] == feet).all(), "the parent's slot holds another"
    assert (children.notes.generation == 1).all() and (children.slots == -1).all()


def test_children_are_examined_once_after_practice(begun, key):
    practised = update(ALL, begun, sample(ALL, begun, key), jnp.arange(8.0))
    children = examine(ALL, practised, key)
    after = update(ALL, practised, children, jnp.arange(8.0) + 10)
    assert (after.kept.entries.generation[after.kept.entries.valid] == 1).sum() == 8
    again = examine(ALL, after, key)
    assert (again.tasks["height"] == 0).all(), "without practice there are new tasks, no children"
    heirs = update(ALL, after, sample(ALL, after, key), jnp.arange(8.0))
    generations = examine(ALL, heirs, key).notes.generation
    assert generations.max() == 2, "a child's child is two generations away"


def test_in_parallel_children_and_new_tasks_are_examined(begun, key):
    assert (examine(BOTH, begun, key).tasks["height"] == 0).all()
    state = update(ALL, begun, sample(ALL, begun, key), jnp.arange(8.0))
    heights = examine(BOTH, state, key).tasks["height"]
    assert heights.tolist() == [EDITS] * 8 + [0] * 8
    practise, examined = jax.vmap(BOTH.due)(jnp.arange(50))
    assert not practise[:1].any() and practise[1:].all() and examined.all()


def test_serially_a_coin_decides_what_is_practised():
    practise, examined = jax.vmap(ALL.due)(jnp.arange(400))
    assert examined.all() and not practise[0]
    assert 0.4 < practise.mean() < 0.6, "replay is due half of the time"


def test_metrics_measure_what_is_kept(begun, key):
    state = update(ALL, begun, sample(ALL, begun, key), jnp.arange(8.0))
    state = update(ALL, state, examine(ALL, state, key), jnp.full(8, 100.0))
    told = jax.jit(ALL.metrics)(state)
    assert EDITS / 2 < told["task_height"] < EDITS, "weighed by chance, children count more"
    assert abs(told["task_solvable"] - (1 - told["task_height"] / EDITS)) < 1e-6
    assert abs(told["generation"] - told["task_height"] / EDITS) < 1e-6


def test_wrong_definitions_are_refused():
    with pytest.raises(SpecError, match="AbstractDesignSpace"):
        ACCEL(PLR(Choice(3)))
    with pytest.raises(SpecError, match="robust"):
        ACCEL(PLR(Ladder(), robust=False))
    with pytest.raises(UnknownNameError, match="easy"):
        ACCEL(PLR(Ladder()), parents="easiest")
