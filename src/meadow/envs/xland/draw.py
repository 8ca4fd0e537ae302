"""Draw: a moment of the grid world as a picture, and what the agent sees of it.

For people: everything here runs on the host, one example at a time.
"""

import functools

import numpy as np
from jaxtyping import Array, Bool, UInt8

from meadow.core.errors import SpecError
from meadow.envs.xland.advance import State
from meadow.envs.xland.sprites import agent, sprites
from meadow.envs.xland.world import World

Picture = UInt8[np.ndarray, "rows columns 3"]

LIGHT = 0.2  # how far the view window is lightened towards white


def image(environment: World, state: State, size: int = 32) -> Picture:
    """The map with the agent on it, what it sees lightened.

    Args:
        size: pixels across one tile, at least 4.

    Returns:
        RGB, `[height * size, width * size, 3]`.

    Raises:
        SpecError: a batch of states, or a state of another map.
    """
    tiles, seen = map_of(environment, state), view_window(environment, state)
    picture = lightened(size)[seen.astype(np.int32), tiles]
    for y, x in np.argwhere(environment.board.cells() == int(state.position)):
        picture[y, x] = _laid_over(picture[y, x], agent(size, int(state.direction)))
    return _joined(picture)


def view_image(view: UInt8[Array | np.ndarray, "view view"], size: int = 32) -> Picture:
    """What the agent sees (`observation["view"]`), itself at the bottom centre, looking up."""
    picture = sprites(size)[np.asarray(view)]
    here = len(view) - 1, len(view) // 2
    picture[here] = _laid_over(picture[here], agent(size, 0))
    return _joined(picture)


def map_of(environment: World, state: State) -> UInt8[np.ndarray, "height width"]:
    """The map as tile bytes, without the margin that a state keeps around it."""
    board, grid = environment.board, np.asarray(state.grid)
    height, width = board.cells().shape
    if grid.shape != (board.size,):
        raise SpecError(
            f"Expected one state of a {height}x{width} map, whose grid has "
            f"shape ({board.size},), got {grid.shape}. Of a batch pick one: "
            "`jax.tree.map(lambda x: x[0], state)`."
        )
    return grid[board.cells()]


def view_of(environment: World, state: State) -> UInt8[np.ndarray, "view view"]:
    """The view as tile bytes, as the agent observes it."""
    cells = int(state.position) + environment.board.view[int(state.direction)]
    return np.asarray(state.grid)[cells].reshape(environment.view_size, environment.view_size)


def view_window(environment: World, state: State) -> Bool[np.ndarray, "height width"]:
    """Which cells of the map lie in the agent's view."""
    board = environment.board
    return np.isin(board.cells(), int(state.position) + board.view[int(state.direction)])


@functools.lru_cache(maxsize=8)
def lightened(size: int) -> UInt8[np.ndarray, "2 tiles size size 3"]:
    """Every tile as it is, and as it is in the view window. Cached, and not to be written to."""
    tiles = sprites(size)
    return np.stack([tiles, (tiles + LIGHT * (255.0 - tiles)).round().astype(np.uint8)])


def _laid_over(under: np.ndarray, over: np.ndarray) -> np.ndarray:
    alpha = over[..., 3:] / 255
    return (alpha * over[..., :3] + (1 - alpha) * under).round().astype(np.uint8)


def _joined(picture: UInt8[np.ndarray, "height width size size 3"]) -> Picture:
    height, width, size = picture.shape[:3]
    return picture.transpose(0, 2, 1, 3, 4).reshape(height * size, width * size, 3)
