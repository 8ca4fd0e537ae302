"""Minari: rows become episodes and rows again, with their true ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.core.spec import Box, Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.data.recorded import Recorded, lifted

pytest.importorskip("minari")
from meadow.interop.minari import read, write  # noqa: E402

ENDS = {1: 0.0, 4: 1.0}  # after which rows episodes end, and with which discount


def life(spec: Discrete | Box, start: float = 0.0) -> tuple:
    """Seven rows: an episode that terminates, one that is cut, and one that goes on."""
    begins = np.array([row == 0 or row - 1 in ENDS for row in range(7)])
    last = np.array([row in ENDS for row in range(7)])
    place = np.arange(7, dtype=np.float32) + start

    def moment(kind: np.ndarray, place: np.ndarray, reward: np.ndarray, discount: list) -> TimeStep:
        seen = {"place": jnp.asarray(place)[:, None], "even": jnp.asarray(place % 2 == 0)[:, None]}
        numbers = (jnp.asarray(x, jnp.float32)[:, None] for x in (reward, discount))
        step_type = jnp.asarray(kind, jnp.uint8)[:, None]
        return TimeStep(step_type, *numbers, seen, jnp.zeros((7, 1), jnp.int32))

    before = moment(
        np.where(begins, StepType.FIRST, StepType.MID), place, np.where(begins, 0, place), [1.0] * 7
    )
    # What an episode ended with is nowhere else.
    seen = np.where(last, place + 0.5, place + 1)
    after = moment(
        np.where(last, StepType.LAST, StepType.MID), seen, place + 1,
        [ENDS.get(row, 1.0) for row in range(7)],
    )  # fmt: skip
    shape = (7, 1, *(spec.shape if isinstance(spec, Box) else ()))
    kind = np.float32 if isinstance(spec, Box) else np.int32
    action = np.arange(np.prod(shape)).reshape(shape).astype(kind) % 2
    return before, jnp.asarray(action), after, jnp.asarray(last)[:, None], {}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spec", [Discrete(2), Box((3,), -2.0, 2.0)])
def test_there_and_back(spec, folder):
    rows = Recorded(lifted(*life(spec)), spec)
    dataset = write(rows, "test/there-v0")
    assert dataset.total_episodes == 3 and dataset.total_steps == 7
    again = read("test/there-v0")
    assert again.action_spec == spec and again.facts == {"minari": "test/there-v0"}

    wanted = rows.trajectory
    # The episode that went on was cut where its rows end.
    got = again.trajectory
    assert got.next.step_type[-1, 0] == StepType.LAST and got.next.discount[-1, 0] == 1
    for name in ("timestep", "action", "next", "trial_ended"):
        for one, other in zip(
            jax.tree.leaves(jax.tree.map(lambda x: x[:-1], getattr(got, name))),
            jax.tree.leaves(jax.tree.map(lambda x: x[:-1], getattr(wanted, name))),
            strict=True,
        ):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other, err_msg=f"{name} comes back as it was")
    np.testing.assert_array_equal(
        got.next.observation["place"][-1], wanted.next.observation["place"][-1]
    )


@pytest.mark.filterwarnings("ignore")
def test_lives_follow_one_another(folder):
    lives = [life(Discrete(2), start) for start in (0.0, 100.0)]
    both = jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), *lives)
    write(Recorded(lifted(*both), Discrete(2)), "test/lives-v0")
    seen = read("test/lives-v0").trajectory.timestep.observation["place"]
    np.testing.assert_array_equal(seen[:, 0], [*range(7), *range(100, 107)])


@pytest.mark.filterwarnings("ignore")
def test_spaces_that_are_not_ours_are_refused(folder):
    import gymnasium

    from meadow.interop.minari import _spec

    for space in (gymnasium.spaces.Discrete(2, start=1), gymnasium.spaces.MultiBinary(2),
                  gymnasium.spaces.Box(np.zeros(2), np.array([1.0, 2.0]))):  # fmt: skip
        with pytest.raises(SpecError, match="Expected discrete actions from 0, or a box"):
            _spec(space)
