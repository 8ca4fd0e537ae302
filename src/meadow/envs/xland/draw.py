"""Draw: a moment of the grid world as a picture, and what the agent sees of it.

For people: everything here runs on the host, one example at a time.
"""

import functools

import jax
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from meadow.core.errors import SpecError
from meadow.envs.xland.advance import State
from meadow.envs.xland.occlusion import visible
from meadow.envs.xland.sprites import occupied, sprites
from meadow.envs.xland.world import World
from meadow.tasks.tiles import EMPTY

Picture = UInt8[np.ndarray, "rows columns 3"]

_visible = jax.jit(visible)


def image(environment: World, state: State, size: int = 32, look: str = "meadow") -> Picture:
    """The map with the agent on it, what it sees lightened.

    Args:
        size: pixels across one tile, at least 4.
        look: of the sprites: "meadow", or "published" for XLand-MiniGrid's own pixels.

    Returns:
        RGB, `[height * size, width * size, 3]`.

    Raises:
        SpecError: a batch of states, or a state of another map.
    """
    tiles, seen = map_of(environment, state), view_window(environment, state)
    picture = lightened(size, look)[seen.astype(np.int32), tiles]
    for y, x in np.argwhere(environment.board.cells() == int(state.position)):
        on = occupied(size, int(state.direction), look, light=bool(seen[y, x]))
        picture[y, x] = on[tiles[y, x]]
    return _joined(picture)


def view_image(
    view: UInt8[Array | np.ndarray, "view view"], size: int = 32, look: str = "meadow"
) -> Picture:
    """What the agent sees (`observation["view"]`), itself at the bottom centre, looking up."""
    view = np.asarray(view)
    picture = sprites(size, look)[view]
    here = len(view) - 1, len(view) // 2
    picture[here] = occupied(size, 0, look)[view[here]]
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
    window = np.asarray(state.grid)[_window(environment, state)]
    return np.where(_visible(window), window, np.uint8(EMPTY)) if environment.occlude else window


def view_window(environment: World, state: State) -> Bool[np.ndarray, "height width"]:
    """Which cells of the map the agent sees."""
    cells = _window(environment, state)
    if environment.occlude:
        cells = cells[np.asarray(_visible(np.asarray(state.grid)[cells]))]
    return np.isin(environment.board.cells(), cells)


def _window(environment: World, state: State) -> Int[np.ndarray, "view view"]:
    """The flat index of every cell of the view."""
    size, offsets = environment.view_size, environment.board.view[int(state.direction)]
    return (int(state.position) + offsets).reshape(size, size)


@functools.lru_cache(maxsize=8)
def lightened(size: int, look: str = "meadow") -> UInt8[np.ndarray, "2 tiles size size 3"]:
    """Every tile as it is, and as it is in the view window. Cached, and not to be written to."""
    return np.stack([sprites(size, look), sprites(size, look, light=True)])


def _joined(picture: UInt8[np.ndarray, "height width size size 3"]) -> Picture:
    height, width, size = picture.shape[:3]
    return picture.transpose(0, 2, 1, 3, 4).reshape(height * size, width * size, 3)
