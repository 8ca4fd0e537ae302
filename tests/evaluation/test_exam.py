"""Exams: every attempt is one episode by itself, counted exactly, whoever else is in the queue."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition
from meadow.evaluation.exam import Exam, _lived, _luck, _Queue, judge
from meadow.rollout.life import Trial
from meadow.rollout.live import Living

TASKS, ATTEMPTS = 7, 3


class Script(NamedTuple):
    """A task: how its episode goes."""

    length: Int[Array, "*tasks"]
    reward: Float[Array, "*tasks"]
    terminates: Bool[Array, "*tasks"]


class Stage(AbstractEnvironment[Script, Int[Array, ""]]):
    """Plays the script: `scale` times the reward at every step.

    What is shown is the luck of the moment, so that somebody's luck can be told from another's.
    """

    scale: float

    @property
    def action_spec(self) -> Discrete:
        return Discrete(2)

    def reset(self, task: Script, *, key: Key[Array, ""]) -> tuple[Int[Array, ""], TimeStep]:
        return jnp.int32(0), restart(jr.uniform(key, (1,)))

    def step(
        self, state: Int[Array, ""], task: Script, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], TimeStep]:
        state = state + 1
        over = state == task.length
        reward = self.scale * task.reward * action
        done = over & task.terminates
        return state, transition(
            reward, jr.uniform(key, (1,)), terminated=done, truncated=over & ~done
        )


class Always(AbstractAgent[Int[Array, ""]]):
    """Takes action 1, as long as its memory is clear where an episode begins."""

    def init_memory(self) -> Int[Array, ""]:
        return jnp.int32(7)  # not what it remembers once it has begun

    def act(self, memory: Int[Array, ""], timestep: TimeStep, *, key: Any) -> tuple:
        memory = jnp.where(timestep.begins_trial(), 0, memory)
        alone = (timestep.episode == 0) & (memory < 9) & (timestep.first() == (memory == 0))
        return memory + 1, jnp.where(alone, 1, 0), None


class Lucky(AbstractAgent[tuple[()]]):
    """Acts by chance, and by what it is shown."""

    def init_memory(self) -> tuple[()]:
        return ()

    def act(self, memory: tuple[()], timestep: TimeStep, *, key: Key[Array, ""]) -> tuple:
        return memory, (jr.uniform(key) < timestep.observation[0]).astype(jnp.int32), None


def scripts(num: int, seed: int = 0) -> Script:
    """Episodes of very different length, with every kind of end."""
    rng = np.random.default_rng(seed)
    return Script(
        length=jnp.asarray(rng.integers(1, 9, num), jnp.int32),
        reward=jnp.asarray(rng.choice([-1.0, 0.0, 0.5, 1.0], num), jnp.float32),
        terminates=jnp.asarray(rng.random(num) < 0.6),
    )


EXAM = Exam("all", Stage(1.0), scripts(TASKS), ATTEMPTS)


@pytest.mark.parametrize("lives", [1, 5, 1000])
def test_every_attempt_is_counted_exactly(lives):
    """With a queue of one after another, of several at a time, and with more places than wait."""
    outcome = judge(Always(), [EXAM], lives=lives, key=jr.key(0))["all"]
    length, reward, terminates = map(np.asarray, EXAM.tasks)
    expected = {
        "lengths": length,
        "returns": length * reward,
        "success": terminates & (reward > 0),
    }
    for name, each in expected.items():
        rows = np.repeat(each[:, None], ATTEMPTS, axis=1)
        np.testing.assert_array_equal(getattr(outcome, name), rows, f"{name} [tasks, attempts]")
    assert expected["success"].any() and not expected["success"].all()


def test_luck_depends_on_no_other_set_and_on_no_place():
    tasks = scripts(TASKS)
    others = [
        Exam("before", Stage(1.0), scripts(4, seed=1), 2),
        EXAM,
        Exam("another world", Stage(2.0), tasks, ATTEMPTS),
    ]
    alone = judge(Lucky(), [EXAM], lives=3, key=jr.key(0))["all"]
    beside = judge(Lucky(), others, lives=5, key=jr.key(0))
    assert list(beside) == ["before", "all", "another world"], "in the order they were given"
    assert beside["before"].returns.shape == (4, 2)
    np.testing.assert_array_equal(beside["all"].returns, alone.returns, "whoever is beside it")
    doubled = beside["another world"].returns
    np.testing.assert_array_equal(doubled, 2 * alone.returns, "each set in its own environment")


def test_attempts_are_independent_and_the_key_decides():
    exam = Exam(
        "long", Stage(1.0), Script(jnp.int32([8] * 64), jnp.ones(64), jnp.ones(64, bool)), 2
    )
    one, other = (judge(Lucky(), [exam], key=jr.key(seed))["long"].returns for seed in (0, 1))
    assert np.std(one) > 0.5, "an agent that acts by chance fares differently"
    pairs = {
        "attempts": one.T,
        "keys": (one[:, 0], other[:, 0]),
        "tasks": (one[:-1, 0], one[1:, 0]),
    }
    for name, pair in pairs.items():
        share = np.corrcoef(*pair)[0, 1]
        assert abs(share) < 0.4, f"{name} have luck in common: correlation {share:.2f}"


def test_a_limit_cuts_what_does_not_end():
    endless = Script(jnp.int32([0, 2]), jnp.ones(2), jnp.ones(2, bool))
    exam = Exam("endless", Stage(1.0), endless, 1, limit=5)
    outcome = judge(Always(), [exam], key=jr.key(0))["endless"]
    np.testing.assert_array_equal(outcome.lengths[:, 0], [5, 2], "cut at the limit")
    np.testing.assert_array_equal(outcome.success[:, 0], [False, True], "and that is no success")


def test_jaxued_7_what_an_exam_holds_does_not_grow_with_its_time():
    def held(limit):
        living = Living(Stage(1.0), Trial(episodes=1, steps=limit))
        queue = _Queue(scripts(TASKS), jnp.arange(TASKS), jnp.arange(TASKS))
        lowered = _lived.lower(living, Always(), queue, 4, key=jr.key(0))
        return lowered.compile().compiled.memory_analysis().temp_size_in_bytes

    assert held(8) == held(4096), "states are not kept"


def test_luck_does_not_repeat_in_long_episodes_and_stays_in_short_ones():
    number = jnp.arange(0, 2**20, 2**16 - 1)
    step = jnp.arange(0, 2**18)
    luck = np.stack([_luck(jnp.full_like(step, n), step) for n in number])
    assert all(len(set(row.tolist())) == len(step) for row in luck), "every step has its own"
    short = (number[:, None] + (step[:4096] << 20)).astype(jnp.int32)
    np.testing.assert_array_equal(luck[:, :4096], short, "figures that were published stay")
    assert len(set(luck[:, :4096].ravel().tolist())) == short.size, "which no two attempts share"


def test_what_is_no_exam_is_refused():
    empty = jax.tree.map(lambda x: x[:0], EXAM.tasks)
    for exams, message in [
        ([EXAM, EXAM], r"name of its own.*\['all'\]"),
        ([Exam("none", Stage(1.0), empty, 1)], "'none' needs at least one task.*0 tasks"),
        ([Exam("never", Stage(1.0), EXAM.tasks, 0)], "one attempt, got 7 tasks and 0 attempts"),
        ([Exam("many", Stage(1.0), EXAM.tasks, 2**18)], "1,835,008 in all; .* for 1,048,576"),
    ]:
        with pytest.raises(SpecError, match=message):
            judge(Always(), exams, key=jr.key(0))
