"""Moments of the grid world set up by hand."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Key

from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.environment import State, XLand
from meadow.envs.xland.frame import Frame, advance
from meadow.envs.xland.game import Game
from meadow.tasks.grid import GridTask, grid_task
from meadow.tasks.level import Level
from meadow.tasks.tiles import EMPTY, FLOOR, WALL, parse

Place = tuple[int, int]


class Same(AbstractTaskSpace[GridTask]):
    """A space of one task."""

    task: GridTask

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        return self.task


class Corridor(AbstractTaskSpace[Level]):
    """A level: beside the blue ball it becomes a red key, to be held; to stand on lava is bad."""

    def sample(self, *, key: Key[Array, ""]) -> Level:
        level = np.full((3, 7), WALL, np.uint8)
        level[1, 1:-1] = FLOOR
        level[1, 4] = parse("blue ball")
        rules = [("agent_near", "blue ball", "red key"), ("agent_near", "pink hex", "floor")]
        task = grid_task(("agent_hold", "red key"), rules)
        failure = grid_task(("agent_on_position", 1, 1)).goal
        return Level(level, (1, 2), 1, task.goal, failure, task.rules)


@pytest.fixture(scope="session")
def small() -> XLand:
    """A room of three by five free cells, seen through a view of three."""
    return XLand("R1", 5, 7, view_size=3, max_steps=6)


@pytest.fixture(scope="session")
def chain() -> GridTask:
    """Near a blue ball it becomes a red key; holding that is the goal; two more slots are empty."""
    return grid_task(
        goal=("agent_hold", "red key"),
        rules=[("agent_near", "blue ball", "red key")],
        objects=["blue ball"],
        num_rules=3,
    )


@pytest.fixture(scope="session")
def place(small: XLand) -> Callable[..., State]:
    """A state of `small` from what lies where, and where the agent stands and looks."""

    def built(things: dict[Place, str], agent: Place = (2, 3), direction: int = 0) -> State:
        grid, cells = small.ground.base.copy(), small.board.cells()
        for where, thing in things.items():
            grid[cells[where]] = parse(thing)
        return State(
            grid=jnp.asarray(grid),
            position=jnp.int32(cells[agent]),
            direction=jnp.int32(direction),
            pocket=jnp.uint8(EMPTY),
            step=jnp.int32(0),
        )

    return built


@pytest.fixture(scope="session")
def solved(small: XLand, chain: GridTask, place: Callable[..., State]) -> list[Frame]:
    """An episode of `chain`: move beside the ball (the rule fires), pick up the key (the goal)."""
    step = eqx.filter_jit(advance)
    state = place({(1, 4): "blue ball"}, agent=(1, 2), direction=1)
    frames = [Frame(state, chain, None, None, 0, 0.0)]
    for action in (0, 3):
        state, timestep, fired = step(small, state, chain, jnp.int32(action), key=jr.key(0))
        over = bool(timestep.last())
        frames.append(Frame(state, chain, fired, action, 0, float(timestep.reward), over))
    return frames


@pytest.fixture(scope="session")
def same(chain: GridTask) -> Same:
    """Nothing but `chain`."""
    return Same(chain)


@pytest.fixture
def game(small: XLand, same: Same, place: Callable[..., State]) -> Game:
    """The first episode of `chain`, two steps from its end."""
    game = Game(small, same, seed=0)
    state = place({(1, 4): "blue ball"}, agent=(1, 2), direction=1)
    game.moments = [game.moments[0]._replace(state=state)]
    return game


@pytest.fixture(scope="session")
def corridor() -> Corridor:
    """Two steps from its goal."""
    return Corridor()
