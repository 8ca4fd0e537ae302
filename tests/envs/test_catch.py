"""Catch: the ball falls straight, walls stop the paddle, and a catch is paid when it lands."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.envs.catch import ANY, Catch

ENVIRONMENT = Catch(rows=4, columns=3)


@jax.jit
def played(task, key, actions):
    """The boards of an episode, and its other time steps."""
    state, first = ENVIRONMENT.reset(task, key=key)

    def step(state, action):
        return ENVIRONMENT.step(state, task, action, key=key)

    _, steps = jax.lax.scan(step, state, jnp.asarray(actions))
    return jnp.concatenate([first.observation[None], steps.observation]).reshape(-1, 4, 3), steps


def test_a_ball_falls_and_is_caught_or_not():
    columns = set()
    for seed in range(12):
        boards, steps = played(jnp.int32(ANY), jr.key(seed), [0, 0, 1])
        (column,) = np.flatnonzero(boards[0, 0])
        columns.add(int(column))
        for row in range(3):
            assert np.flatnonzero(boards[row, row]).tolist() == [column], "it falls straight"
        paddles = [np.flatnonzero(board[3]).tolist() for board in boards[:3]]
        assert paddles == [[1], [0], [0]], "from the middle to the left, where a wall is"
        assert steps.reward.tolist() == [0, 0, 1.0 if column == 0 else -1.0]
        assert steps.terminated().tolist() == [False, False, True], "it ends when it lands"
    assert columns == {0, 1, 2}, "it falls in any column"
    boards, _ = played(jnp.int32(2), jr.key(0), [1, 1, 1])
    assert boards[0, 0].tolist() == [0, 0, 1], "or in the task's"


def test_the_published_board_takes_nine_steps():
    _, first = Catch().reset(jnp.int32(ANY), key=jr.key(0))
    assert first.observation.shape == (50,) and float(first.observation.sum()) == 2.0


def test_a_board_without_room_to_fall_is_refused():
    with pytest.raises(SpecError, match="two rows"):
        Catch(rows=1)
