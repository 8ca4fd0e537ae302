"""Occlusion against both peers: the port for JAX, and MiniGrid itself with its own crop."""

import jax
import numpy as np
import pytest

from meadow.envs.xland.environment import XLand
from meadow.envs.xland.observe import view
from meadow.envs.xland.occlusion import visible
from meadow.tasks.tiles import FLOOR, IS_FLOOR, WALL, parse

SIZES = (3, 7, 11)
DOORS = [parse(f"red {state} door") for state in ("locked", "closed", "open")]
PALETTE = np.array([WALL, *DOORS, parse("blue ball"), parse("green goal"), FLOOR], np.uint8)
BATCH = 512


def draw(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random tiles, from hardly any that block sight to nearly all."""
    rng = np.random.default_rng(seed)
    bare = rng.random(shape) < rng.random((shape[0], 1, 1))
    return np.where(bare, FLOOR, rng.choice(PALETTE, shape)).astype(np.uint8)


@pytest.mark.parity
@pytest.mark.parametrize("size", SIZES)
def test_the_port_lights_the_same_cells(size: int):
    peer = pytest.importorskip("xminigrid.core.observation")
    views = draw((BATCH, size, size), size)
    theirs = jax.jit(jax.vmap(peer.generate_viz_mask_minigrid))(np.stack(np.divmod(views, 12), -1))
    parts = (np.asarray(jax.jit(visible)(views)) != np.asarray(theirs)).any((1, 2))
    assert not parts.any(), f"{parts.sum()} of {BATCH} views differ, the first is {views[parts][0]}"


@pytest.fixture(scope="module")
def farama():
    """What MiniGrid says is seen of a map, `[view, view]`, from a place in a direction."""
    core = pytest.importorskip("minigrid.core.grid")
    from minigrid.core.world_object import Ball, Door, Goal, Wall
    from minigrid.minigrid_env import MiniGridEnv

    make = {
        WALL: Wall,
        DOORS[0]: lambda: Door("red", is_locked=True),
        DOORS[1]: lambda: Door("red"),
        DOORS[2]: lambda: Door("red", is_open=True),
        parse("blue ball"): lambda: Ball("blue"),
        parse("green goal"): Goal,
        FLOOR: lambda: None,
    }

    class Moment(MiniGridEnv):
        def __init__(self, tiles: np.ndarray, view_size: int):
            self.tiles = tiles
            super().__init__(
                mission_space=None,
                height=len(tiles),
                width=len(tiles[0]),
                agent_view_size=view_size,
                max_steps=1,
            )

    def seen(tiles: np.ndarray, place: np.ndarray, direction: int, size: int) -> np.ndarray:
        env = Moment.__new__(Moment)  # only its crop is asked, which needs no spaces
        env.grid = core.Grid(tiles.shape[1], tiles.shape[0])
        for y, x in np.ndindex(tiles.shape):
            env.grid.set(x, y, make[tiles[y, x]]())
        env.agent_pos, env.agent_dir = tuple(place[::-1]), (direction - 1) % 4
        env.agent_view_size, env.see_through_walls, env.carrying = size, False, None
        return env.gen_obs_grid()[1].T

    return seen


@pytest.mark.parity
@pytest.mark.parametrize("size", SIZES)
def test_minigrid_lights_the_same_cells_of_walled_maps(farama, both, size: int):
    ours, _ = both(XLand("R1", 9, 11, size))
    num = 48
    maps = np.full((num, 9, 11), WALL, np.uint8)
    maps[:, 1:-1, 1:-1] = draw((num, 7, 9), size)
    rng = np.random.default_rng(size)
    place = np.stack([rng.integers(1, 8, num), rng.integers(1, 10, num)], -1).astype(np.int32)
    direction = (np.arange(num) % 4).astype(np.int32)
    zeros = np.zeros(num, np.int32)
    state = ours.state(
        ours.at(grid=maps, position=place, direction=direction, pocket=zeros.astype(np.uint8),
                step=zeros)
    )  # fmt: skip
    window = view(ours.environment.board, state, size)
    mine = np.asarray(visible(window))
    assert IS_FLOOR[np.asarray(window)].any(), "the maps must not be all wall"
    for i in range(num):
        theirs = farama(maps[i], place[i], int(direction[i]), size)
        assert (mine[i] == theirs).all(), f"from {place[i]} facing {direction[i]} of\n{maps[i]}"
