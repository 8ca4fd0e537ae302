"""A curriculum that looks at tasks besides practising them, and students who share tickets."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.random import Random
from meadow.core.curriculum import AbstractExaminer, Due, Ticket
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.curricula.buffer import Buffer
from meadow.curricula.plr import PLR
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import spent, told
from meadow.loops.sharded import Sharded
from meadow.rollout.life import Trial
from meadow.runs.folder import Run
from meadow.scores import report
from meadow.testing.probes import Choice, Matching

LOOKED = 4


class Mean(AbstractLearner):
    """Learns the mean reward of what it lived; its agent acts at random. Quick to compile."""

    def init(self, timestep, action_spec, *, key):
        return jr.uniform(key)

    def update(self, state, trajectory, *, key):
        return 0.5 * state + 0.5 * trajectory.next.reward.mean(), {"loss": state}

    def agent(self, state):
        return Random(Discrete(2))

    def score(self, state, trajectory):
        values = jnp.full_like(trajectory.next.reward, state)
        return report(trajectory, values, trajectory.next.reward - values)


class Alternating(AbstractExaminer):
    """Looks in even iterations at task 0 and 1 in turn, practises in odd ones; keeps reports."""

    def init(self, *, key):
        return Report.nothing(2, LOOKED), Report.nothing(8)

    def due(self, iteration):
        return Due(iteration % 2 == 1, iteration % 2 == 0)

    def sample(self, state, num, *, key):
        return Ticket(jr.randint(key, (num,), 0, 2), jnp.full(num, -1))

    def examine(self, state, *, key):
        return Ticket(jnp.arange(LOOKED) % 2, jnp.full(LOOKED, -1), jnp.bool_(True))

    def update(self, state, ticket, report):
        looked, practised = state
        if not jax.tree.leaves(ticket.notes):
            return looked, practised + report
        return looked + jax.tree.map(lambda x: jnp.broadcast_to(x, (2, LOOKED)), report), practised

    def metrics(self, state):
        return {"looked": state[0].episodes.sum(), "done": state[1].successes.sum()}


@pytest.fixture(scope="module")
def examining(experiment):
    return dataclasses.replace(
        experiment,
        environment=Matching(2),
        curriculum=Alternating(),
        learner=Mean(),
        trial=Trial(episodes=1),
        anew=True,
        look=3,
    )


@pytest.fixture(scope="module")
def placement(examining):
    return Compiled(examining)


def test_an_examination_changes_no_parameter_bit(placement, same_bits):
    start = placement.begin(key=jr.key(0))
    before = jax.device_get(jax.tree.map(jnp.copy, start.learner))
    after, metrics = placement.run(start, 1)
    same_bits(after.learner, before, "nobody learns from what is only looked at")
    assert metrics["practised"] == 0 and np.isnan(metrics["return"]), "nothing was practised"
    assert metrics["looked"] == 2 * LOOKED * 3, "an episode of one step, three times a life"
    after, metrics = placement.run(after, 1)
    moved = [(np.asarray(x) != y).any() for x, y in zip(
        jax.tree.leaves(after.learner), jax.tree.leaves(before), strict=True)]  # fmt: skip
    assert any(moved), "in the next iteration it learns"
    assert metrics["practised"] == 1 and 0 <= metrics["success"] <= 1
    looked, practised = after.curriculum
    assert (practised.episodes == 7).all(), "each life reports on its own task alone"
    assert (looked.episodes[0] == 3).all()


def test_an_episode_that_a_trial_cut_says_nothing():
    """An easy task is solved every time: that the last try was cut makes it no harder."""
    mid, last, cut = StepType.MID, StepType.LAST, StepType.CUT
    kinds = jnp.array([[mid, mid], [last, last], [mid, mid], [cut, cut]], jnp.uint8)
    after = TimeStep(
        step_type=kinds,
        reward=jnp.array([[0, 0], [1, 0.5], [7, 0], [7, 0]]),
        discount=jnp.array([[1, 1], [0, 1], [1, 1], [1, 1.0]]),
        observation=(),
        episode=jnp.zeros(kinds.shape, jnp.int32),
    )
    lived = Trajectory(after, (), after, kinds == cut, {}, None, after, None)
    values = jnp.array([[1, 2], [3, 4], [50, 50], [50, 50.0]])
    found = report(lived, values, -values)
    assert found.episodes.tolist() == [1, 1] and found.successes.tolist() == [1, 0]
    assert found.returns.tolist() == found.best.tolist() == [1, 0.5]
    assert found.value.tolist() == [2, 3] and found.magnitude.tolist() == [2, 3]
    metrics = {name: float(mean.value) for name, mean in told(lived).items()}
    assert metrics["success"] == 0.5 and metrics["length"] == 4


def test_means_are_over_what_was_practised(placement):
    _, two = placement.run(placement.begin(key=jr.key(0)), 2)
    progress, _ = placement.run(placement.begin(key=jr.key(0)), 1)
    _, one = placement.run(progress, 1)
    assert two["practised"] == 0.5 and two["return"] == one["return"]


def test_steps_are_counted_whoever_learns_from_them(examining):
    practice, look = examining.lives * examining.length, LOOKED * 3
    assert spent(examining, 5) == 2 * practice + 3 * look
    plain = dataclasses.replace(examining, students=3)
    assert spent(plain, 2) == 3 * (practice + look)


@pytest.mark.parametrize("at_once", [pytest.param(True, marks=pytest.mark.slow), False])
def test_seeds_share_the_schedule(examining, placement, at_once):
    seeds = Compiled(examining, seeds=2, at_once=at_once)
    progress, metrics = seeds.run(seeds.begin(key=jr.key(0)), 2)
    assert metrics["practised"].tolist() == [0.5, 0.5]
    for seed, key in enumerate(jr.split(jr.key(0), 2)):
        alone, _ = placement.run(placement.begin(key=key), 2)
        for x, y in zip(jax.tree.leaves(alone.learner), jax.tree.leaves(progress.learner),
                        strict=True):  # fmt: skip
            np.testing.assert_allclose(x, y[seed], atol=1e-5, err_msg="seed by seed")


def test_minimax_4_a_resumed_run_has_its_curriculum_and_luck(placement, same_bits, tmp_path):
    whole, _ = placement.run(placement.begin(key=jr.key(0)), 4)
    half, _ = placement.run(placement.begin(key=jr.key(0)), 2)
    run = Run.create(tmp_path / "run", {})
    run.checkpoint(2, half)
    _, restored = Run.open(tmp_path / "run").restore(jax.eval_shape(lambda x: x, half))
    again, _ = placement.run(restored, 2)
    for part in ("learner", "curriculum", "iteration"):
        same_bits(getattr(again, part), getattr(whole, part), "two and two are four")
    assert (jr.key_data(again.key) == jr.key_data(whole.key)).all()


@pytest.fixture(scope="module")
def replayed(examining):
    """Six iterations of PLR, whose buffer is soon full, on so many devices."""
    curriculum = PLR(Choice(64), Buffer(6), candidates=4)
    environment = dataclasses.replace(examining.environment, num=64)
    ranked = dataclasses.replace(examining, environment=environment, curriculum=curriculum)

    def run(devices):
        placed = (
            Sharded(ranked, devices=jax.devices()[:devices]) if devices > 1 else Compiled(ranked)
        )
        return placed.run(placed.begin(key=jr.key(0)), 6)

    return {devices: run(devices) for devices in (1, 2, 4)}


@pytest.mark.parametrize("devices", [2, 4])
def test_several_devices_keep_the_same_buffer(replayed, devices):
    (one, figures), (several, others) = replayed[1], replayed[devices]
    entries = one.curriculum.entries
    assert 0 < figures["practised"] < 1 and entries.valid.sum() == 6, "it looked and it practised"
    for x, y in zip(jax.tree.leaves(entries), jax.tree.leaves(several.curriculum.entries),
                    strict=True):  # fmt: skip
        np.testing.assert_allclose(x, y, atol=1e-5, err_msg="the buffer")
    for name, figure in figures.items():
        np.testing.assert_allclose(figure, others[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_students_live_the_same_tickets_with_their_own_luck(examining):
    class Heard(Alternating):
        def init(self, *, key):
            return Report.nothing(2, 2, LOOKED), Report.nothing(2, 8)

        def update(self, state, ticket, report):
            looked, practised = state
            if not jax.tree.leaves(ticket.notes):
                return looked, practised + report
            return looked + jax.tree.map(lambda x: jnp.stack([x, x]), report), practised

    pair = Compiled(dataclasses.replace(examining, curriculum=Heard(), students=2))
    progress, metrics = pair.run(pair.begin(key=jr.key(0)), 2)
    practised = progress.curriculum[1]
    assert practised.episodes.shape == (2, 8), "one row of reports for each student"
    assert (practised.value[0] != practised.value[1]).any(), "they are not one and the same"
    assert metrics["return"].shape == (), "metrics are means over students"


def test_minimax_2_nobody_carries_anything_into_new_lives(placement):
    start = placement.begin(key=jr.key(0))
    assert start.life is None and placement.run(start, 2)[0].life is None


def test_who_ranks_tasks_needs_lives_that_begin_anew(examining):
    with pytest.raises(SpecError, match="anew=True"):
        dataclasses.replace(examining, anew=False)
