"""The Gymnasium door: its own checker, seeds, trials, errors, and one life equal to many."""

import dataclasses
import warnings

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.error import InvalidAction, NameNotFound, ResetNeeded, UnsupportedMode
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from meadow.core.spec import Box
from meadow.envs.published import ids
from meadow.interop.gymnasium import Env, VectorEnv, register_all
from meadow.interop.gymnasium.spaces import action_space
from meadow.rollout.life import Trial
from meadow.tasks.table import Table
from meadow.testing.probes import PROBES, Choice, Matching, TimeLimit, TMaze

NUM_ENVS = 4


@pytest.fixture(scope="module")
def env(room, tasks) -> Env:
    return Env(room, tasks, Trial(episodes=2))


@pytest.fixture(scope="module")
def envs(room, tasks) -> VectorEnv:
    return VectorEnv(room, tasks, NUM_ENVS, Trial(episodes=2))


def maze(mode: AutoresetMode) -> VectorEnv:
    return VectorEnv(TMaze(length=1), Choice(2), NUM_ENVS, Trial(episodes=2), autoreset_mode=mode)


def same(expected, got, what):
    assert expected.keys() == got.keys(), what
    for name in expected:
        np.testing.assert_array_equal(expected[name], got[name], f"{what}: {name}")


def test_gymnasiums_own_checker_finds_nothing(room, tasks):
    gymnasium.register(
        "meadow-test/Room-v0",
        entry_point="meadow.interop.gymnasium:Env",
        kwargs={"environment": room, "space": tasks},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("meadow-test/Room-v0").unwrapped)
    del gymnasium.registry["meadow-test/Room-v0"]


def test_spaces_are_those_of_the_observation(env):
    spaces = gymnasium.spaces
    assert env.observation_space == spaces.Dict(
        {
            "direction": spaces.Box(0, 1, (4,), np.float32),
            "pocket": spaces.Box(0, 255, (), np.uint8),
            "view": spaces.Box(0, 255, (3, 3), np.uint8),
        }
    )
    assert env.action_space == spaces.Discrete(6)
    assert action_space(Box((2,), -1.0, 1.0)) == spaces.Box(-1.0, 1.0, (2,), np.float32)


def test_a_seed_decides_everything(env):
    def life(seed):
        shown, told = env.reset(seed=seed)
        views = [shown["view"]]
        for action in np.random.default_rng(0).integers(0, 6, 40):
            shown, _, terminated, truncated, told = env.step(int(action))
            if terminated or truncated:
                shown, told = env.reset()
            views.append(shown["view"])
        return np.stack(views), told

    (first, told), (again, told_again), (other, _) = life(3), life(3), life(4)
    np.testing.assert_array_equal(first, again, "the same seed is the same life")
    assert told == told_again
    assert (first != other).any(), "another seed is another life"


def test_a_task_is_kept_for_a_trial_and_no_longer():
    env = Env(Matching(num=16), Choice(16), Trial(episodes=3))
    tasks = [env.reset(seed=0)]
    for _ in range(11):
        env.step(0)
        tasks.append(env.reset())
    counts = [(told["trial"], told["trial_episode"]) for _, told in tasks]
    assert counts == [(i // 3, i % 3) for i in range(12)], "trials and episodes are counted"
    shown = np.stack([shown for shown, _ in tasks]).argmax(axis=1).reshape(4, 3)
    assert (shown == shown[:, :1]).all(), "one task throughout a trial"
    assert len(set(shown[:, 0])) > 1, "the next trial draws its own task"


def test_an_abandoned_episode_counts_and_a_seed_begins_a_trial():
    env = Env(Matching(num=16), Choice(16), Trial(episodes=3))
    told = [env.reset(seed=seed)[1] for seed in (0, None, None, None, 0)]
    counts = [(each["trial"], each["trial_episode"]) for each in told]
    assert counts == [(0, 0), (0, 1), (0, 2), (1, 0), (0, 0)]


def test_an_end_terminates_and_a_cut_truncates():
    env = Env(TimeLimit(limit=2), Choice(2))
    seen = set()
    for seed in range(8):
        (first, _), (_, paid, *ends, _) = env.reset(seed=seed), env.step(0)
        assert (paid, ends) == (1.0, [False, False]), "the episode goes on"
        _, _, terminated, truncated, told = env.step(1)
        assert terminated == (first[0] == 1) and truncated != terminated
        assert told["trial_over"], "a trial of one episode is over with it"
        seen.add(terminated)
    assert seen == {True, False}, "both tasks were met"


def test_steps_that_cannot_be_done_are_refused(room, tasks):
    env = Env(room, tasks)
    with pytest.raises(ResetNeeded, match=r"env\.reset"):
        env.step(0)
    env.reset(seed=0)
    for wrong in (6, -1, 1.5, "move", [0, 1], True):
        with pytest.raises(InvalidAction, match=r"0\.\.5"):
            env.step(wrong)
    for right in (1, np.int64(5), np.array(3)):
        env.step(right)
    short = Env(Matching(num=16), Choice(16), Trial(episodes=3))
    short.reset(seed=0)
    assert short.step(0)[2]
    with pytest.raises(ResetNeeded, match="ended"):
        short.step(0)


def test_one_life_is_one_of_many(env, envs):
    """Number i of a batch seeded s lives what one life lives that is seeded s + i."""
    actions = np.random.default_rng(1).integers(0, 6, (40, NUM_ENVS))
    many = [envs.reset(seed=7), *(envs.step(row) for row in actions)]
    for i in range(NUM_ENVS):
        one, ends = env.reset(seed=7 + i), 0
        for t, told in enumerate(many):
            what = f"life {i} at {t}"
            same(one[0], {name: x[i] for name, x in told[0].items()}, f"observation, {what}")
            assert one[-1] == {name: told[-1][name][i] for name in one[-1]}, f"infos, {what}"
            if len(one) > 2:
                assert one[1:4] == tuple(x[i] for x in told[1:4]), f"reward or end, {what}"
            ended = len(one) > 2 and (one[2] or one[3])
            ends += ended
            if t < len(actions):
                one = env.reset() if ended else env.step(actions[t, i])
        assert ends > 2, "the life went through several episodes and a new trial"


def test_episodes_are_told_apart_as_gymnasium_does(envs):
    recorded = RecordEpisodeStatistics(envs)
    shown, _ = recorded.reset(seed=0)
    assert shown in envs.observation_space
    recorded.action_space.seed(0)
    returns, lengths, total, steps = [], [], np.zeros(NUM_ENVS), np.zeros(NUM_ENVS, int)
    ended = np.zeros(NUM_ENVS, bool)
    for _ in range(40):
        _, reward, terminated, truncated, _ = recorded.step(recorded.action_space.sample())
        assert not reward[ended].any(), "the step that begins an episode pays nothing"
        total, steps = np.where(ended, 0, total + reward), np.where(ended, 0, steps + 1)
        ended = terminated | truncated
        returns += list(total[ended])
        lengths += list(steps[ended])
    assert list(recorded.length_queue) == lengths and max(lengths) == 12
    np.testing.assert_allclose(recorded.return_queue, returns, err_msg="no reward is lost")


def test_the_next_episode_may_begin_within_the_step():
    """SAME_STEP lives what NEXT_STEP lives, in one row less for every end, and loses nothing."""
    left = np.zeros(NUM_ENVS, int)
    short, long = maze(AutoresetMode.SAME_STEP), maze(AutoresetMode.NEXT_STEP)
    assert short.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    halved = gymnasium.wrappers.vector.TransformObservation(
        long, lambda x: x / 2, long.observation_space
    )
    brief = [short.reset(seed=0), *(short.step(left) for _ in range(4))]
    full = [halved.reset(seed=0), *(halved.step(left) for _ in range(5))]
    # An episode has two steps: in `full` rows 0 1 2, then 3 4 5; in `brief` 0 1 2, then 2 3 4.
    for t, (begins, ends) in enumerate([(0, 0), (1, 1), (3, 2), (4, 4)]):
        np.testing.assert_array_equal(brief[t][0] / 2, full[begins][0], f"observation {t}")
        assert (brief[t][-1]["trial_episode"] == full[begins][-1]["trial_episode"]).all()
        if t:
            np.testing.assert_array_equal(brief[t][1:4], full[ends][1:4], f"reward, ends {t}")
    for t, ends in ((2, 2), (4, 5)):
        told = brief[t][-1]
        assert told["_final_obs"].all() and told["_final_info"].all()
        np.testing.assert_array_equal(np.stack(told["final_obs"]) / 2, full[ends][0])
        assert (told["final_info"]["trial_over"] == full[ends][-1]["trial_over"]).all()
    assert "final_obs" not in brief[1][-1] and "final_obs" not in brief[3][-1]
    with pytest.raises(UnsupportedMode, match="SAME_STEP"):
        maze(AutoresetMode.DISABLED)


def test_some_lives_begin_again_and_others_go_on():
    envs = maze(AutoresetMode.NEXT_STEP)
    envs.reset(seed=0)
    envs.step(np.zeros(NUM_ENVS, int))
    who = np.array([True, False, False, True])
    shown, told = envs.reset(options={"reset_mask": who})
    assert list(told["trial_episode"]) == [1, 0, 0, 1]
    np.testing.assert_array_equal(
        shown[:, :2].any(axis=1), who, "the cue is seen by who begins, only"
    )
    _, told = envs.reset(seed=[5, 6, 7, 8], options={"reset_mask": who})
    assert list(told["trial_episode"]) == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="a seed for each"):
        envs.reset(seed=[1, 2])
    with pytest.raises(TypeError, match="bools"):
        envs.reset(options={"reset_mask": [1, 0, 0, 1]})
    with pytest.raises(ValueError, match="name somebody"):
        envs.reset(options={"reset_mask": np.zeros(NUM_ENVS, bool)})
    with pytest.raises(InvalidAction, match="shape"):
        envs.step(np.zeros(NUM_ENVS - 1, int))


def test_an_end_that_is_not_in_the_mask_begins_in_the_next_step():
    """As Gymnasium's own NEXT_STEP: what is seen after it is not lost, nor a step of the next."""
    envs, left = maze(AutoresetMode.NEXT_STEP), np.zeros(NUM_ENVS, int)
    envs.reset(seed=0)
    envs.step(left)
    ended = envs.step(left)
    assert (ended[2] | ended[3]).all(), "an episode has two steps"
    who = np.array([True, False, False, True])
    shown, told = envs.reset(options={"reset_mask": who})
    np.testing.assert_array_equal(shown[~who], ended[0][~who], "others stand where they stood")
    assert list(told["trial_episode"]) == [1, 0, 0, 1]
    after = envs.step(left)
    assert list(after[-1]["trial_episode"]) == [1] * NUM_ENVS
    assert not (after[2] | after[3]).any() and not after[1][~who].any(), "and begin now"
    ended = envs.step(left)
    np.testing.assert_array_equal(ended[2] | ended[3], who, "with no step of it done before")


def test_equal_definitions_share_their_programs(room, tasks):
    one, two = Env(room, tasks), Env(dataclasses.replace(room), tasks)
    other = Env(dataclasses.replace(room, max_steps=9), tasks)
    assert one._life._programs is two._life._programs, "compiled once for all"
    assert one._life._programs is not other._life._programs


def test_tables_of_equal_shape_share_programs_and_keep_their_tasks():
    low, high = (Table(jnp.array(tasks)) for tasks in ([0, 1], [2, 3]))
    envs = [Env(Matching(num=4), table) for table in (low, high)]
    assert envs[0]._life._programs is envs[1]._life._programs
    shown = [{int(env.reset(seed=s)[0].argmax()) for s in range(8)} for env in envs]
    assert shown == [{0, 1}, {2, 3}]


def test_every_probe_can_be_announced(key):
    for environment, tasks in PROBES:
        env = Env(environment, tasks)
        shown = environment.reset(tasks.sample(key=key), key=key)[1].observation
        assert np.asarray(shown) in env.observation_space, f"{environment} shows what was told"
        assert env.render() is None and env.metadata["render_modes"] == []
        with pytest.raises(UnsupportedMode, match="none"):
            Env(environment, tasks, render_mode="rgb_array")


def test_a_moment_is_drawn_and_written(room, tasks):
    picture = Env(room, tasks, render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match="reset"):
        picture.render()
    picture.reset(seed=0)
    assert picture.render().shape == (160, 160, 3)
    many = VectorEnv(room, tasks, NUM_ENVS, Trial(episodes=2), render_mode="ansi")
    many.reset(seed=0)
    (first, *_), lines = many.render(), Env(room, tasks, render_mode="ansi")
    lines.reset(seed=0)
    assert lines.render() == first and first.startswith("#" * 10), "life 0 is drawn first"


def test_published_ids_are_known_once_asked_for():
    names = register_all()
    assert len(names) == len(ids()) and register_all() == names, "asking twice changes nothing"
    env = gymnasium.make("meadow/XLand-MiniGrid-R1-9x9-v0", max_steps=5, tasks="small")
    assert env.unwrapped.environment.time_limit == 5
    envs = gymnasium.make_vec("meadow/XLand-MiniGrid-R1-9x9-v0", num_envs=3, view_size=3)
    assert isinstance(envs, VectorEnv)
    assert envs.observation_space["view"].shape == (3, 3, 3)
    with pytest.raises(NameNotFound, match="XLand-MiniGrid-R1-9x9"):
        gymnasium.make("meadow/XLand-MiniGrid-R1-9x8-v0")
