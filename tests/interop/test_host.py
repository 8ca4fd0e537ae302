"""Environments of other libraries are stepped as they are, under our names and in our types."""

import importlib.util
import sys

import gymnasium
import jax.random as jr
import numpy as np
import pytest
from gymnasium import spaces

from meadow.core.errors import MeadowError, SpecError, UnknownNameError
from meadow.core.spec import Box, Discrete
from meadow.interop.host.dm import DmProgram
from meadow.interop.host.gymnasium import GymnasiumProgram
from meadow.interop.host.named import host, maker
from meadow.rollout.host import Luck
from meadow.rollout.host_serial import Serial


class Room(gymnasium.Env):
    """Whatever spaces it is given; echoes what is done to it."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, *, seed=None, options=None):
        self.action_space.seed(seed)
        self.observation_space.seed(seed)
        self.shown = self.observation_space.sample()
        return self.shown, {}

    def step(self, action):
        self.done = action
        assert self.action_space.contains(action), f"{action!r} is none of {self.action_space}"
        return self.observation_space.sample(), 1.0, False, True, {}


VECTOR = spaces.Box(-1.0, 1.0, (3,), np.float32)


def test_an_environment_of_gymnasium_is_lived_as_it_is():
    program, other = maker("gymnasium:CartPole-v1")(3), gymnasium.make("CartPole-v1")
    assert program.action_spec == Discrete(2) and program.observation.shape == (4,)
    np.testing.assert_array_equal(program.reset(), other.reset(seed=3)[0])
    for i in range(60):
        told, expected = program.step(np.int32(i % 2)), other.step(i % 2)
        np.testing.assert_array_equal(told.observation, expected[0])
        assert told.reward == expected[1] and told.last == (expected[2] or expected[3])
        assert told.discount == (0.0 if expected[2] else 1.0), "only what terminates ends it all"
        if told.last:
            np.testing.assert_array_equal(program.reset(), other.reset()[0])
    program.close()


def test_a_time_limit_truncates():
    program = maker("gymnasium:Pendulum-v1")(0)
    assert program.action_spec == Box((1,), -2.0, 2.0)
    program.reset()
    told = [program.step(np.zeros(1, np.float32)) for _ in range(200)]
    assert [t.last for t in told] == [False] * 199 + [True] and told[-1].discount == 1.0


def test_observations_of_many_kinds_become_arrays():
    space = spaces.Dict(
        b=spaces.Discrete(4, start=2),
        a=spaces.Tuple([spaces.Box(0, 255, (2, 2), np.uint8), spaces.MultiBinary(3)]),
        c=spaces.Box(-np.inf, np.inf, (2,), np.float64),
    )
    program = GymnasiumProgram(Room(space, spaces.Discrete(3, start=-1)), seed=0)
    example = program.observation
    assert example["a"]["0"].dtype == np.uint8 and example["b"].shape == (4,)
    assert example["c"].dtype == np.float32, "real numbers are kept as float32"
    shown = program.reset()
    assert shown["b"].sum() == 1 and shown["b"].shape == (4,), "a choice is shown as one of many"
    assert program.step(np.int32(0)).last and program._env.done == -1, "choices begin at 0"


def test_whole_numbers_of_every_width_are_shown_as_they_are():
    space = spaces.Dict(
        bits=spaces.MultiBinary(3),
        small=spaces.Box(-128, 127, (2,), np.int8),
        large=spaces.Box(-(2**31), 2**31 - 1, (2,), np.int64),
    )
    rooms = Serial(lambda seed: GymnasiumProgram(Room(space, spaces.Discrete(2)), seed), 1)
    assert {leaf.dtype for leaf in rooms.environment.observation.values()} == {np.dtype(np.int32)}
    rooms._lives[0].start([1, 2])
    one, luck = np.ones(1, bool), Luck((), jr.key_data(jr.split(jr.key(0), (1, 1))), 0)
    shown = rooms.begin(one, one, luck)[0]
    for name, numbers in rooms._lives[0]._program._env.shown.items():
        np.testing.assert_array_equal(shown[name][0], numbers, name)


def test_boxes_of_uneven_sides_are_stretched():
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 10.0])
    room = Room(VECTOR, spaces.Box(low, high, dtype=np.float64))
    program = GymnasiumProgram(room, seed=0)
    assert program.action_spec == Box((2,), -1.0, 1.0)
    program.reset()
    for given, done in (([-1, -1], low), ([1, 1], high), ([0.0, 0.2], [0, 6]), ([9, 9], high)):
        program.step(np.array(given, np.float32))
        np.testing.assert_allclose(room.done, done, atol=1e-6)


@pytest.mark.parametrize("low", [-0.4, [-0.4, -0.1]], ids=["even", "uneven"])
def test_bounds_of_float64_are_kept(low):
    box = spaces.Box(np.broadcast_to(low, 2), np.full(2, 0.4), dtype=np.float64)
    program = GymnasiumProgram(Room(VECTOR, box), seed=0)
    program.reset()
    for side in (program.action_spec.low, program.action_spec.high):
        # 0.4 of float32 is more than that of float64; the room takes what is in its box.
        program.step(np.full(2, side, np.float32))
        done = box.high if side > 0 else box.low
        np.testing.assert_allclose(program._env.done, done, rtol=1e-12)


@pytest.mark.parametrize(
    ("seen", "done", "message"),
    [
        (VECTOR, spaces.MultiDiscrete([2, 3]), "Expected a Discrete or a Box"),
        (VECTOR, spaces.Box(-np.inf, np.inf, (2,)), "finite bounds"),
        (VECTOR, spaces.Box(0, 9, (2,), np.int32), "real numbers"),
        (spaces.Text(5), spaces.Discrete(2), "observations that are arrays"),
        (spaces.Box(0, 2**31, (2,), np.int64), spaces.Discrete(2), "that int32 holds"),
        (spaces.Box(0, 2**32 - 1, (2,), np.uint32), spaces.Discrete(2), "that int32 holds"),
    ],
    ids=str,
)
def test_spaces_that_nothing_can_take_are_an_error(seen, done, message):
    with pytest.raises(SpecError, match=message):
        GymnasiumProgram(Room(seen, done))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gymnasium:CartPol-v1", "'CartPole-v1'"),
        ("gymnasium", "environment elsewhere.*'gymnasium:NAME'"),
        ("gymnasiun:CartPole-v1", "'gymnasium'"),
    ],
)
def test_a_name_that_nobody_knows_is_answered_with_close_ones(name, message):
    with pytest.raises(UnknownNameError, match=message):
        host(name)


def test_a_library_that_is_missing_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(MeadowError, match=r"needs .*'ale_py'.*pip install '\.\[atari\]'. in"):
        host("ale:Pong")


def test_environments_of_one_host_have_luck_of_their_own():
    with host("gymnasium:CartPole-v1", 3, seed=1) as three:
        for life in three._lives:
            life.start([1, 2])
        everybody = np.ones(3, bool)
        luck = Luck((), jr.key_data(jr.split(jr.key(0), (1, 3))), 0)
        seen = three.begin(everybody, everybody, luck)[0].copy()
    assert len(np.unique(seen[:, 0])) == 3, "no two begin alike"


def test_an_environment_of_dm_env_is_lived_as_it_is():
    dm_env = pytest.importorskip("dm_env")

    class Chain(dm_env.Environment):
        def observation_spec(self):
            array = dm_env.specs.Array
            return {"b": array((2,), np.float64), "a": array((), np.float64)}

        def action_spec(self):
            return dm_env.specs.BoundedArray((), np.int64, 1, 3)

        def reset(self):
            return dm_env.restart(self.seen(0))

        def step(self, action):
            assert action == 2, "choices begin at 0"
            return dm_env.termination(1.0, self.seen(1))

        def seen(self, x):
            return {"b": np.array([2.0, 3.0]), "a": np.float64(x)}

    program = DmProgram(Chain())
    assert program.action_spec == Discrete(3) and program.observation.dtype == np.float32
    np.testing.assert_array_equal(program.reset(), [0, 2, 3], "in the order of their names")
    told = program.step(np.int32(1))
    assert (told.reward, told.discount, told.last) == (1.0, 0.0, True)
    assert set(DmProgram(Chain(), flat=False).observation) == {"a", "b"}


def test_a_task_of_the_control_suite_is_lived_as_it_is():
    if importlib.util.find_spec("dm_control") is None:
        pytest.skip("dm-control is not installed")
    program = maker("dm_control:cartpole-swingup")(4)
    from dm_control import suite

    other = suite.load("cartpole", "swingup", task_kwargs={"random": 4})
    expected = other.reset()
    np.testing.assert_array_equal(program.reset(), np.concatenate([*expected.observation.values()]))
    told, expected = program.step(np.float32([0.5])), other.step([0.5])
    np.testing.assert_array_equal(
        told.observation, np.concatenate([*expected.observation.values()])
    )
    assert told.reward == expected.reward and told.discount == 1.0 and not told.last
    with pytest.raises(UnknownNameError, match="cartpole-swingup"):
        maker("dm_control:cartpole-swing")(0)


def test_a_game_is_preprocessed_as_results_are_published():
    pytest.importorskip("ale_py")
    pytest.importorskip("cv2")
    program = maker("ale:Breakout")(2)
    assert program.observation.shape == (84, 84, 1) and program.observation.dtype == np.uint8
    other = gymnasium.make("ALE/Breakout-v5", frameskip=1, repeat_action_probability=0.0)
    other = gymnasium.wrappers.AtariPreprocessing(other, noop_max=30)
    np.testing.assert_array_equal(program.reset()[..., 0], other.reset(seed=2)[0])
    for action in (1, 2, 2, 3, 0) * 8:
        told, expected = program.step(np.int32(action)), other.step(action)
        np.testing.assert_array_equal(told.observation[..., 0], expected[0])
        assert told.reward == expected[1] and told.last == expected[2]
    with pytest.raises(UnknownNameError, match="Breakout"):
        maker("ale:Breakou")(0)


def test_a_setting_of_bsuite_is_lived_as_it_is(capsys):
    pytest.importorskip("bsuite")
    program = maker("bsuite:catch/0")(0)
    assert program.action_spec == Discrete(3) and program.observation.shape == (50,)
    assert program.reset().sum() == 2, "the ball and the paddle"
    told = [program.step(np.int32(1)) for _ in range(9)]
    assert told[-1].last and told[-1].discount == 0.0 and abs(told[-1].reward) == 1.0
    assert capsys.readouterr().out == "", "it does not chatter"
    with pytest.raises(UnknownNameError, match="catch/"):
        maker("bsuite:catc/0")(0)
