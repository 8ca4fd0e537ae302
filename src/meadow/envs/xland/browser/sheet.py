"""Sheet: every sprite in one PNG, from which a page draws pixel for pixel what `draw.image` draws.

Sixteen in a row: the agent's ink facing up, right, down, left, then how much each covers as grey,
then every tile as it is and as it is in the view window, tile byte by tile byte. Nothing is
transparent, because a browser would round the colours of what is.
"""

import functools
import io

import numpy as np

from meadow.envs.xland.draw import lightened
from meadow.envs.xland.sprites import agent

COLUMNS = 16
SMALLEST, LARGEST = 4, 96  # pixels across a tile; larger ones take seconds to draw


@functools.lru_cache(maxsize=16)
def sheet(size: int) -> bytes:
    """The PNG for tiles of `size` pixels."""
    from PIL import Image

    facing = np.stack([agent(size, direction) for direction in range(4)])
    cover = np.repeat(facing[..., 3:], 3, axis=-1)
    tiles = lightened(size).swapaxes(0, 1).reshape(-1, size, size, 3)
    sprites = np.concatenate([facing[..., :3], cover, tiles])
    empty = np.zeros((-len(sprites) % COLUMNS, size, size, 3), np.uint8)
    rows = np.concatenate([sprites, empty]).reshape(-1, COLUMNS, size, size, 3)
    pixels = rows.transpose(0, 2, 1, 3, 4).reshape(-1, COLUMNS * size, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
