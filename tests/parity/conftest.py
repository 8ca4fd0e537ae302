"""The peer, spoken to in our terms: its states from our bytes, its time steps as plain arrays."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.xland.environment import State, XLand
from meadow.tasks.grid import GridTask
from meadow.tasks.level import Level
from meadow.tasks.raw import to_raw
from meadow.tasks.tiles import EMPTY, NUM_COLOURS


class Place(NamedTuple):
    """A batch of moments of episodes, in nobody's terms: bytes and map coordinates."""

    grid: np.ndarray  # uint8 [batch, height, width]
    position: np.ndarray  # int32 [batch, 2], row and column
    direction: np.ndarray  # int32 [batch]
    pocket: np.ndarray  # uint8 [batch]
    step: np.ndarray  # int32 [batch]


class Outcome(NamedTuple):
    """What a step made of it."""

    place: Place
    view: np.ndarray  # uint8 [batch, view, view]
    reward: np.ndarray
    discount: np.ndarray
    step_type: np.ndarray


def split(tiles: np.ndarray) -> np.ndarray:
    """Bytes as the peer writes them, tile and colour in a last axis of two."""
    return np.stack(np.divmod(tiles, NUM_COLOURS), -1).astype(np.uint8)


def join(tiles: np.ndarray) -> np.ndarray:
    """The inverse of `split`."""
    tiles = np.asarray(tiles)
    return tiles[..., 0] * np.uint8(NUM_COLOURS) + tiles[..., 1]


def hasty(function: Callable) -> Callable:
    """`function` compiled hastily, for arguments of one shape: many programs, each run briefly."""
    hastily = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    programs = []

    def call(*args: Any) -> Any:
        if not programs:
            programs.append(jax.jit(function).lower(*args).compile(compiler_options=hastily))
        return programs[0](*args)

    return call


class Ours:
    """`step` of a batch of places."""

    def __init__(self, environment: XLand | MiniGrid, compiled: Callable = jax.jit):
        self.environment = environment
        self.cells = environment.board.cells()
        step = partial(environment.step, key=jax.random.key(0))
        self._step = compiled(jax.vmap(step))

    def at(self, **fields: np.ndarray) -> Place:
        """A place, from its fields."""
        return Place(**fields)

    def state(self, place: Place) -> State:
        """Our state of a place."""
        grid = np.full((len(place.grid), self.environment.board.size), EMPTY, np.uint8)
        grid[:, self.cells] = place.grid
        return State(
            grid=jnp.asarray(grid),
            position=jnp.asarray(self.cells[tuple(place.position.T)]),
            direction=jnp.asarray(place.direction),
            pocket=jnp.asarray(place.pocket),
            step=jnp.asarray(place.step),
        )

    def place(self, state: State) -> Place:
        """The inverse of `state`."""
        flat = np.asarray(state.position)[:, None, None] == self.cells
        position = np.argwhere(flat)[:, 1:].astype(np.int32)
        grid = np.asarray(state.grid)[:, self.cells]
        rest = (np.asarray(x) for x in (state.direction, state.pocket, state.step))
        return Place(grid, position, *rest)

    def step(self, place: Place, task: GridTask | Level, action: np.ndarray) -> Outcome:
        """One step."""
        state, said = self._step(self.state(place), task, action)
        rest = (said.observation["view"], said.reward, said.discount, said.step_type)
        return Outcome(self.place(state), *map(np.asarray, rest))


class Theirs:
    """The peer's `step` of the same places."""

    def __init__(self, peer: Any, params: Any, compiled: Callable = jax.jit):
        self.peer, self.params = peer, params
        self._step = compiled(jax.vmap(self._step_one))

    def _step_one(
        self, place: Place, goal: jax.Array, rules: jax.Array, ends: jax.Array, action: jax.Array
    ):
        from xminigrid.envs.minigrid.memory import Memory, MemoryEnvCarry
        from xminigrid.types import AgentState, EnvCarry, State, StepType, TimeStep

        state = State(
            key=jax.random.key(0),
            step_num=place.step,
            grid=place.grid,
            agent=AgentState(place.position, place.direction, place.pocket),
            goal_encoding=goal,
            rule_encoding=rules,
            carry=MemoryEnvCarry(*ends) if isinstance(self.peer, Memory) else EnvCarry(),
        )
        before = TimeStep(state, StepType.MID, jnp.float32(0), jnp.float32(1), ())
        after = self.peer.step(self.params, before, action)
        agent = after.state.agent
        place = Place(
            after.state.grid, agent.position, agent.direction, agent.pocket, after.state.step_num
        )
        return Outcome(place, after.observation, after.reward, after.discount, after.step_type)

    def step(self, place: Place, task: GridTask | Level, action: np.ndarray) -> Outcome:
        """One step."""
        place = place._replace(grid=split(place.grid), pocket=split(place.pocket))
        ends = np.zeros((len(place.grid), 2, 2), np.int32)
        if isinstance(task, Level):
            ends = np.stack([task.goal[:, 3:], task.failure[:, 3:]], 1).astype(np.int32)
            task = GridTask(
                task.goal, jnp.zeros((len(ends), 1, 4), jnp.uint8), task.pocket[:, None]
            )
        goal, rules, _ = to_raw(task)
        out = self._step(place, goal, rules, ends, action)
        out = jax.tree.map(np.asarray, out)
        place = out.place._replace(grid=join(out.place.grid), pocket=join(out.place.pocket))
        return out._replace(place=place, view=join(out.view))


@pytest.fixture(scope="session")
def quick() -> Callable[[Callable], Callable]:
    """Instead of `jax.jit`."""
    return hasty


@pytest.fixture(scope="session")
def ours() -> Callable[..., Ours]:
    """Our side of an environment."""
    return Ours


@pytest.fixture(scope="session")
def theirs() -> Callable[..., Theirs]:
    """The peer's side, of its environment and parameters."""
    return Theirs


@pytest.fixture(scope="session", name="join")
def joined() -> Callable[[np.ndarray], np.ndarray]:
    """The peer's tiles as bytes."""
    return join


@pytest.fixture(scope="session")
def both() -> Callable[[XLand], tuple[Ours, Theirs]]:
    """Ours and theirs of one environment, compiled once."""
    pytest.importorskip("xminigrid", reason='the peer is not installed: pip install ".[peers]"')
    from xminigrid.envs.xland import XLandMiniGrid

    @lru_cache
    def made(environment: XLand) -> tuple[Ours, Theirs]:
        peer = XLandMiniGrid()
        params = peer.default_params(
            height=environment.height,
            width=environment.width,
            view_size=environment.view_size,
            max_steps=environment.time_limit,
            grid_type=environment.layout,
        )
        return Ours(environment), Theirs(peer, params)

    return made


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Every field of two outcomes must agree exactly; says where they first part."""

    def check(ours: Outcome, theirs: Outcome, describe: Callable[[int], str]) -> None:
        fields = ours.place._asdict() | ours._asdict(), theirs.place._asdict() | theirs._asdict()
        for name in fields[0]:
            if name == "place":
                continue
            mine, other = (side[name] for side in fields)
            assert mine.shape == other.shape, f"{name}: {mine.shape} against {other.shape}"
            parts = np.argwhere(mine != other)
            assert not len(parts), (
                f"{name} differs from the peer's at {parts[0].tolist()} ({len(parts)} entries in "
                f"all): {mine[tuple(parts[0])]} against {other[tuple(parts[0])]}\n"
                f"{describe(int(parts[0][0]))}"
            )

    return check
