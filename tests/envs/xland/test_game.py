"""Game: words in, moments out; what a person sees on any screen comes from here."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Key

from meadow.core.errors import MeadowError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.xland.environment import ACTIONS, State, XLand
from meadow.envs.xland.frame import advance
from meadow.envs.xland.game import Game, Result, changes
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.level import Level
from meadow.tasks.tiles import FLOOR, WALL, parse
from meadow.testing.probes import ConstantReward


@pytest.mark.parametrize("word", ACTIONS)
def test_an_action_is_done(game: Game, small: XLand, word: str):
    action = jnp.int32(ACTIONS.index(word))
    expected, _, _ = eqx.filter_jit(advance)(small, game.state, game.task, action, key=jr.key(0))
    game.do(word)
    assert eqx.tree_equal(jax.device_get(game.state), jax.device_get(expected)), (
        f"{word} did something other than action {action}"
    )


def test_an_episode_ends_at_the_goal_and_the_next_follows(game: Game, chain: GridTask):
    for word in ("move", "pick up"):
        game.do(word)
    assert game.results == [Result("solved", 2, 0.7)], "two of six steps: 1 - 0.9 * 2 / 6"
    ended = game.state
    game.do("move")
    assert game.state is ended, "after the end actions do nothing"
    game.do("episode")
    assert game.results == [Result("solved", 2, 0.7), Result("playing", 0, 0.0)]
    assert eqx.tree_equal(game.task, chain) and game.trial == 1, "same trial, new episode"


def test_time_runs_out(game: Game):
    for _ in range(6):
        game.do("turn left")
    assert game.results == [Result("time up", 6, 0.0)]


def test_an_episode_can_be_left_and_a_task_too(game: Game):
    game.do("turn left")
    game.do("episode")
    assert game.results == [Result("left", 1, 0.0), Result("playing", 0, 0.0)]
    game.do("task")
    assert game.results == [Result("playing", 0, 0.0)] and game.trial == 2, "a new trial"


def test_undo_takes_back_a_step_and_even_the_end(game: Game):
    begun = game.state
    game.do("undo")
    assert game.state is begun, "nothing to undo at the beginning"
    for word in ("move", "pick up", "undo"):
        game.do(word)
    assert game.results == [Result("playing", 1, 0.0)], "the end is undone"
    game.do("undo")
    assert game.state is begun and game.moments[-1].changes == ()


def test_the_same_seed_is_the_same_game(small: XLand, same: AbstractTaskSpace):
    first, second, third = (Game(small, same, seed=seed) for seed in (3, 3, 4))
    assert eqx.tree_equal(first.state, second.state), "a seed decides all"
    assert not eqx.tree_equal(first.state, third.state), "another seed, another start"
    first.do("move")
    first.do("episode")
    second.do("episode")
    assert eqx.tree_equal(first.state, second.state), "what was done does not change what comes"


def test_changes_are_told_in_words(small: XLand, place: Callable[..., State]):
    before = place({(1, 1): "red ball", (2, 2): "blue closed door"})
    after = place({(2, 2): "blue open door", (3, 3): "pink hex"})
    after = eqx.tree_at(lambda s: s.pocket, after, jnp.uint8(3 * 12 + 1))
    assert changes(small, before, after) == [
        "red ball gone from row 1, column 1",
        "blue closed door at row 2, column 2 becomes blue open door",
        "pink hex appears at row 3, column 3",
        "you hold red ball now",
    ]
    assert changes(small, after, before)[-1] == "you hold nothing now"


class Levels(AbstractTaskSpace[Level]):
    """One level: a key at the left, the goal (a square) at the right, a ball that ends it badly."""

    def sample(self, *, key: Key[Array, ""]) -> Level:
        level = np.full((5, 7), WALL, np.uint8)
        level[1:-1, 1:-1] = FLOOR
        level[1, 1], level[3, 5], level[1, 5] = map(parse, ("red key", "red square", "blue ball"))
        return Level(
            map=level,
            position=(1, 2),
            direction=3,
            goal=grid_task(("agent_hold", "red key")).goal,
            failure=grid_task(("agent_near", "blue ball")).goal,
        )


def test_a_level_is_played_too():
    """Its agent has fewer actions, in another order; its task no rules."""
    environment = MiniGrid(5, 7, view_size=3, max_steps=9, actions=(2, 1, 0, 3, 6))
    game = Game(environment, Levels())
    game.do("toggle")
    assert game.results == [Result("playing", 0, 0.0)], "an action its agent does not have"
    game.do("pick up")
    assert game.results == [Result("solved", 1, 0.9)] and game.moments[-1].fired.goal
    game.do("episode")
    for word in ("turn right", "turn right", "move", "move"):
        game.do(word)
    assert game.results[-1] == Result("failed", 4, 0.0), "next to the ball it ends"


@pytest.mark.parametrize("turn", ["turn left", "turn right"])
def test_a_turn_changes_nothing_on_a_level_with_rules(corridor: AbstractTaskSpace, turn: str):
    game = Game(MiniGrid(3, 7, view_size=3, max_steps=10), corridor)
    for _ in range(4):
        game.do(turn)
        assert game.moments[-1].changes == (), f"{turn} changed the map"


def test_what_has_no_map_cannot_be_played(same: AbstractTaskSpace):
    with pytest.raises(MeadowError, match="ConstantReward does not have"):
        Game(ConstantReward(), same)
