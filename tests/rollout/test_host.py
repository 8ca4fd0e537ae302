"""Lives of Python environments: what a trajectory promises, and what becomes of those that fail."""

import importlib.util
import itertools
import os
import signal
import sys
import warnings
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.agent import AbstractAgent
from meadow.core.errors import MeadowError, SpecError
from meadow.core.timestep import StepType
from meadow.replay.replay import Replay
from meadow.replay.truncate import truncate
from meadow.rollout.host import Luck
from meadow.rollout.host_collect import Collector
from meadow.rollout.host_compiled import Hosted
from meadow.rollout.host_serial import Serial
from meadow.rollout.host_workers import Workers
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living

HERE, LIVES, LENGTH = Path(__file__).parent, 3, 9
ONCE = Trial(episodes=1)
spec = importlib.util.spec_from_file_location("clockwork", HERE / "clockwork.py")
assert spec is not None and spec.loader is not None
clockwork = sys.modules["clockwork"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clockwork)
Clockwork = clockwork.Clockwork


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Workers are given the path of this process."""
    monkeypatch.syspath_prepend(str(HERE))


def luck_of(key, num: int, length: int = LENGTH) -> Luck:
    """As `Living.collect` deals it."""
    key_rows, key_after = jr.split(key)
    keys = jnp.concatenate([jr.split(key_rows, length), key_after[None]])
    each = jax.vmap(jax.vmap(jr.fold_in, (None, 0)), (0, None))(keys, jnp.arange(num))
    return Luck(jnp.zeros(num, jnp.int32), jr.key_data(each), 0)


class Harmless(AbstractAgent):
    """Misbehaves never; remembers how often it acted."""

    def init_memory(self):
        return jnp.int32(0)

    def act(self, memory, timestep, *, key):
        lived = jnp.where(timestep.begins_trial(), 0, memory) + 1
        return lived, jnp.int32(clockwork.GOOD), {"lived": lived}


def waiting(host):
    """Lives that wait for their first episode."""
    return unborn(host.environment, Harmless(), jnp.zeros(host.num, jnp.int32))


def collector_of(host, agent, trial=ONCE, length=LENGTH) -> Collector:
    """Which has started them."""
    collector = Collector(host, lambda _: agent, trial, length)
    collector.start(waiting(host), 7)
    return collector


def chunks_of(collector, num: int) -> list:
    """Chunks lived one after the other."""
    whole = jax.jit(collector.trajectory)
    keys = [luck_of(jr.key(i), LIVES, collector._length) for i in range(num)]
    return [jax.device_get(whole(collector.collect((), key))) for key in keys]


def joined(chunks: list):
    """Rows of chunks, one after the other."""
    parts = [(c.timestep, c.action, c.next, c.trial_ended, c.record) for c in chunks]
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def failing(steps: set[int]):
    """Environments that raise in the so-manieth steps of all that are made, and those steps."""
    counter = itertools.count(1)

    class Failing(Clockwork):
        def step(self, action):
            return super().step(clockwork.RAISE if next(counter) in steps else action)

    return Failing


@pytest.mark.parametrize("trial", [Trial(episodes=2), Trial(steps=7), Trial(episodes=3, steps=8)])
def test_a_compiled_environment_is_lived_as_in_a_compiled_rollout(clock, diary, trial):
    tasks = jnp.array([1, 3, 4], jnp.int32)
    collector = Collector(Hosted(clock, LIVES), lambda _: diary, trial, LENGTH)
    life = unborn(clock, diary, tasks)
    collector.start(life, 0)
    living, finish = Living(clock, trial), jax.jit(collector.trajectory)
    collect = jax.jit(lambda life, key: living.collect(diary, life, tasks, LENGTH, key=key))
    for key in (jr.key(0), jr.key(1)):
        life, expected = collect(life, key)
        lived = collector.collect((), luck_of(key, LIVES)._replace(tasks=tasks))
        got = finish(lived)
        pairs = zip(
            jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True
        )
        for (where, x), y in pairs:
            law = f"{jax.tree_util.keystr(where)} of a chunk is the compiled rollout's"
            assert x.dtype == y.dtype, law
            np.testing.assert_array_equal(x, y, law)
        now = jax.jit(collector.life)(lived, collector._host.playing, life.number)
        for x, y in zip(jax.tree.leaves(now), jax.tree.leaves(life), strict=True):
            np.testing.assert_array_equal(x, y, "and so are the lives after it")


def check_laws(timestep, next_, trial_ended) -> None:
    """What any rows of clockworks keep to."""
    last, first = next_.step_type >= StepType.LAST, timestep.step_type == StepType.FIRST
    assert not (timestep.step_type >= StepType.LAST).any(), "nobody acts where an episode ended"
    assert not (next_.step_type == StepType.FIRST).any(), "`next` is before any reset"
    count, after = timestep.observation["count"], next_.observation["count"]
    np.testing.assert_array_equal(after, count + 1, "`next` is what came of the row's own step")
    np.testing.assert_array_equal(next_.reward, after[..., 0], "with its own reward")
    np.testing.assert_array_equal(
        next_.observation["born"], timestep.observation["born"], "of the same environment"
    )
    np.testing.assert_array_equal(first[1:], last[:-1], "a row follows an end, or goes on")
    assert (count[first] == 0).all(), "an episode begins where a reset leads"
    goes_on = ~last[:-1]
    np.testing.assert_array_equal(count[1:][goes_on], after[:-1][goes_on], "else where it was")
    begins = first & (timestep.episode == 0)
    np.testing.assert_array_equal(begins[1:], trial_ended[:-1], "a trial begins where one ended")


@pytest.mark.parametrize("trial", [Trial(episodes=1), Trial(episodes=2), Trial(steps=5)], ids=str)
def test_rows_of_programs_keep_what_a_trajectory_promises(trial):
    collector = collector_of(Serial(Clockwork, LIVES), Harmless(), trial)
    chunks = chunks_of(collector, 3)
    timestep, _, next_, trial_ended, record = joined(chunks)
    check_laws(timestep, next_, trial_ended)
    assert timestep.observation["count"].dtype == np.float32, "kept as it was announced"
    lived, steps = record["lived"], 0
    for t, begins in enumerate((timestep.step_type == StepType.FIRST) & (timestep.episode == 0)):
        steps = np.where(begins, 0, steps) + 1
        np.testing.assert_array_equal(lived[t], steps, "memory is carried, and is the agent's")
    for one, two in itertools.pairwise(chunks):
        np.testing.assert_array_equal(one.final_memory, two.memory, "chunks hand memory on")
        ended = one.trial_ended[-1]
        seen, then = one.after.observation["count"], two.timestep.observation["count"][0]
        np.testing.assert_array_equal(seen[~ended], then[~ended], "`after` is seen next")
        final = one.next.observation["count"][-1]
        np.testing.assert_array_equal(seen[ended], final[ended], "or the end of the trial")
    assert collector.cut is None, "nothing was cut"


@pytest.mark.parametrize("trial", [Trial(episodes=1), Trial(episodes=2)], ids=str)
@pytest.mark.parametrize("steps", [{1}, {8}, {8, 9, 10}, {27, 28, 31, 40}], ids=str)
def test_a_row_whose_outcome_is_unknown_never_comes_to_be(steps, trial):
    host = Serial(failing(steps), LIVES, on_error="restart")
    collector = collector_of(host, Harmless(), trial)
    with pytest.warns(RuntimeWarning, match="a spring broke.*It is begun anew"):
        chunks = chunks_of(collector, 1)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        rest = jax.jit(collector.trajectory)(collector.collect((), luck_of(jr.key(5), LIVES)))
    assert collector.cut is None or 28 in steps, "who fails within a chunk is cut in it"
    timestep, _, next_, trial_ended, _ = joined(chunks)
    check_laws(timestep, next_, trial_ended)
    born = timestep.observation["born"]
    changed = np.diff(born, axis=0) != 0
    if not steps & {1, 27, 28}:
        assert changed.any(), "somebody was begun anew"
    assert (next_.step_type[:-1][changed] == StepType.LAST).all(), "after its last row ended"
    cut = (next_.step_type == StepType.LAST) & (next_.discount == 1)
    whole = next_.observation["count"][..., 0] == 1 + (born + 1) % 4
    assert cut.any() or whole.any()
    rest = jax.device_get(rest)
    check_laws(rest.timestep, rest.next, rest.trial_ended)


def test_who_fails_in_the_first_row_of_a_chunk_is_told_to_the_store():
    host = Serial(failing({LIVES * 2 + 1}), LIVES, seed=3, on_error="restart")
    collector = collector_of(host, Harmless(), length=2)
    first = chunks_of(collector, 1)[0]
    with pytest.warns(RuntimeWarning, match="Environment 0 .* begun anew"):
        second = chunks_of(collector, 1)[0]
    went_on = first.next.step_type[-1] != StepType.LAST
    assert second.timestep.step_type[0, 0] == StepType.FIRST, "it began another episode"
    if went_on[0]:
        who, stood = collector.cut
        assert who.tolist() == [True, False, False], "of which the store heard no end"
        seen = collector.observation(stood)["count"]
        np.testing.assert_array_equal(seen, first.next.observation["count"][-1])
    else:
        assert collector.cut is None, "its episode had ended"


@pytest.mark.parametrize("ends", [None, 20])
def test_no_window_runs_on_past_a_cut(ends):
    collector = collector_of(Serial(Clockwork, LIVES), Harmless(), length=2)
    store = Replay(60, length=4, ends=ends)
    whole, add, cut = map(jax.jit, (collector.trajectory, store.add, truncate))
    state, lived, cuts = None, None, []
    for i in range(12):
        if i % 3 == 2:
            collector.start(standing(collector, lived), i)
            if collector.cut is not None:
                who, stood = collector.cut
                state, collector.cut = cut(state, collector.observation(stood), who), None
                cuts.append(int(who.sum()))
        lived = whole(collector.collect((), luck_of(jr.key(i), LIVES, 2)))
        state = add(store.init(lived) if state is None else state, lived)
    assert sum(cuts) > 2, "this test cuts episodes"
    drawn = store.sample(state, 256, key=jr.key(0)).trajectory
    known = np.asarray(drawn.weight) > 0
    born = np.asarray(drawn.timestep.observation["born"])
    rows, last = np.asarray(drawn.timestep.observation["count"])[..., 0], drawn.next.step_type == 2
    same = ~np.asarray(last)[:-1]
    assert (born[1:] == born[:-1])[same & known].all(), "a window goes on in another environment"
    assert (rows[1:] == rows[:-1] + 1)[same & known].all(), "or in another episode"
    after = np.asarray(drawn.next.observation["count"])[..., 0]
    np.testing.assert_array_equal(after[:, known], rows[:, known] + 1, "ends are the true ones")


def standing(collector, lived):
    """Where lives stand after a chunk."""
    blank = waiting(collector._host)
    now = (lived.after, lived.final_memory, jnp.zeros(LIVES, bool))
    return eqx.tree_at(lambda l: (l.timestep, l.memory, l.over), blank, now)


MISDEEDS = {
    clockwork.RAISE: (MeadowError, "raised RuntimeError: a spring broke .*in step 1"),
    clockwork.NAN: (SpecError, "paid nan with discount .*finite reward"),
    clockwork.SHAPE: (SpecError, r"showed .*float32\[3\] in step 1.*announced.*float32\[2\]"),
    clockwork.TYPE: (SpecError, r"showed \['born'\]float32\[\].*announced int32\[\]"),
    clockwork.PARTS: (SpecError, r"showed \['count'\]float64\[2\] in step 1"),
}


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_an_environment_that_breaks_its_word_is_an_error_that_says_where(misdeed):
    kind, message = MISDEEDS[misdeed]
    host = Serial(Clockwork, LIVES, name="clockwork")
    everybody, luck = np.ones(LIVES, bool), luck_of(jr.key(0), LIVES)
    host.start(waiting(host), 0)
    host.begin(everybody, everybody, luck)
    actions = np.array([0, misdeed, 0], np.int32)
    with pytest.raises(kind, match=f"Environment 1 of clockwork {message}") as caught:
        host.step(actions, luck)
    assert "on_error='restart'" in str(caught.value), "and what can be done"


def test_who_always_fails_is_not_begun_anew_for_ever():
    host = Serial(failing(set(range(1, 100))), LIVES, on_error="restart")
    with pytest.raises(MeadowError, match=r"failed 3 times in a row"), pytest.warns(RuntimeWarning):
        chunks_of(collector_of(host, Harmless()), 1)


def test_workers_live_what_is_lived_in_this_process():
    serial = chunks_of(collector_of(Serial(Clockwork, LIVES, seed=5), Harmless()), 1)
    with Workers(Clockwork, LIVES, 1, seed=5, name="clockwork", on_error="restart") as host:
        chunks = chunks_of(collector_of(host, Harmless()), 1)
        for x, y in zip(jax.tree.leaves(chunks), jax.tree.leaves(serial), strict=True):
            np.testing.assert_array_equal(x, y, "where a program runs changes nothing")
        everybody, luck = np.ones(LIVES, bool), luck_of(jr.key(0), LIVES)
        host.begin(everybody, everybody, luck)
        with pytest.warns(RuntimeWarning, match="Environment 2 of clockwork raised.*begun anew"):
            lost = host.step(np.array([0, 0, clockwork.RAISE], np.int32), luck).lost
        assert lost.tolist() == [False, False, True], "who fails is lost alone"
        processes = [worker.process for worker in host._workers]
    assert not any(process.is_alive() for process in processes), "workers end with their host"
    with pytest.raises(MeadowError, match="closed"):
        host.step(np.zeros(LIVES, np.int32), luck)


def test_workers_do_not_hear_what_a_terminal_sends_to_all():
    with Workers(Clockwork, 1, 1, name="clockwork") as host:
        one, luck = np.ones(1, bool), luck_of(jr.key(0), 1)
        pid = host._workers[0].process.pid
        os.kill(pid, signal.SIGINT)  # while it is spawned
        host.start(waiting(host), 0)
        host.begin(one, one, luck)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        told = host.step(np.zeros(1, np.int32), luck)
        assert told.reward.tolist() == [1.0], "it lives on until it is told to end"
        assert host._workers[0].process.pid == pid


def test_an_interrupted_question_closes_the_workers():
    class Interrupted(Exception):
        """As of a second Ctrl-C."""

    def hear(number, frame):
        raise Interrupted

    host = Workers(Clockwork, 1, 1, name="clockwork")
    one, luck = np.ones(1, bool), luck_of(jr.key(0), 1)
    host.start(waiting(host), 0)
    host.begin(one, one, luck)
    before = signal.signal(signal.SIGALRM, hear)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupted):
            host.step(np.array([clockwork.HANG], np.int32), luck)
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(MeadowError, match="closed"):
        host.step(np.zeros(1, np.int32), luck)


def test_who_dies_in_every_reset_is_not_begun_anew_for_ever():
    with Workers(clockwork.Stillborn, 1, 1, name="clockwork", on_error="restart") as host:
        one, luck = np.ones(1, bool), luck_of(jr.key(0), 1)
        host.start(waiting(host), 0)
        for _ in range(2):
            with pytest.warns(RuntimeWarning, match="died .exit code 4.*begun anew"):
                assert host.begin(one, one, luck)[1].all()
        with pytest.raises(MeadowError, match="died .*It fell 3 times"):
            host.begin(one, one, luck)


@pytest.mark.slow
def test_who_dies_in_every_step_is_not_excused_by_its_neighbours():
    with Workers(Clockwork, 2, 2, name="clockwork", on_error="restart") as host:
        who, luck = np.ones(2, bool), luck_of(jr.key(0), 2)
        host.start(waiting(host), 0)
        for _ in range(2):
            host.begin(who, who, luck)
            with pytest.warns(RuntimeWarning, match="1 to 1 of clockwork died.*begun anew"):
                who = host.step(np.array([0, clockwork.DIE], np.int32), luck).lost
            assert who.tolist() == [False, True]
        host.begin(who, who, luck)
        with pytest.raises(MeadowError, match="1 to 1 of clockwork died.*It fell 3 times"):
            host.step(np.array([0, clockwork.DIE], np.int32), luck)


@pytest.mark.parametrize("workers", [0, -1, LIVES + 1])
def test_workers_are_from_one_to_as_many_as_programs(workers):
    with pytest.raises(SpecError, match=rf"1 to {LIVES} workers .* got {workers}. Write"):
        Workers(Clockwork, LIVES, workers, name="clockwork")


@pytest.mark.slow
@pytest.mark.parametrize("misdeed", [clockwork.DIE, clockwork.HANG])
def test_a_worker_that_falls_is_replaced_and_its_lives_are_lost(misdeed):
    timeout = 2.0 if misdeed == clockwork.HANG else 60.0
    with Workers(Clockwork, LIVES, 2, timeout=timeout, on_error="restart") as host:
        everybody, luck = np.ones(LIVES, bool), luck_of(jr.key(0), LIVES)
        host.start(waiting(host), 0)
        host.begin(everybody, everybody, luck)
        with pytest.warns(RuntimeWarning, match=r"environments 1 to 2 .* (died|did not answer)"):
            lost = host.step(np.array([0, misdeed, 0], np.int32), luck).lost
        assert lost.tolist() == [False, True, True], "with a worker its lives are lost"
        _, again = host.begin(lost, everybody, luck)
        assert not again.any(), "its successor begins episodes"
        assert host.step(np.zeros(LIVES, np.int32), luck, lost).reward[1:].tolist() == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("misdeed", "message"),
    [
        (clockwork.HANG, "did not answer within 1 seconds"),
        (clockwork.DIE, "died"),
        (clockwork.NAN, "paid nan"),
    ],
)
def test_a_worker_that_hangs_dies_or_breaks_its_word_ends_the_run(misdeed, message):
    host = Workers(Clockwork, 1, 1, timeout=1.0, name="clockwork")
    one, luck = np.ones(1, bool), luck_of(jr.key(0), 1)
    host.start(waiting(host), 0)
    host.begin(one, one, luck)
    with pytest.raises(MeadowError, match=f"{message}.*on_error='restart'"):
        host.step(np.array([misdeed], np.int32), luck)
    assert not any(w.process.is_alive() for w in host._workers), "and leaves nobody behind"
