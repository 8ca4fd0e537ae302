"""Sheet: sprites as PNG files, from which a page draws pixel for pixel what `draw.image` draws.

A sheet holds every tile, tile byte by tile byte, sixteen in a row. One sheet shows the tiles as
they are, one as they are where the agent sees, and four of each sort show the agent on them: a
browser that laid it over a tile itself would round the colours otherwise.
"""

import functools
import io

import numpy as np

from meadow.envs.xland.sprites import occupied, sprites

COLUMNS = 16
SMALLEST, LARGEST = 4, 80  # pixels across a tile; larger ones take a second to draw
NAMES = {
    f"{light}{agent}": (light == "lit", facing)
    for light in ("plain", "lit")
    for agent, facing in {"": None, "-0": 0, "-1": 1, "-2": 2, "-3": 3}.items()
}


@functools.lru_cache(maxsize=64)
def sheet(size: int, name: str) -> bytes:
    """The PNG called one of `NAMES`, for tiles of `size` pixels."""
    from PIL import Image

    light, facing = NAMES[name]
    tiles = sprites(size, light=light) if facing is None else occupied(size, facing, light=light)
    empty = np.zeros((-len(tiles) % COLUMNS, size, size, 3), np.uint8)
    rows = np.concatenate([tiles, empty]).reshape(-1, COLUMNS, size, size, 3)
    pixels = rows.transpose(0, 2, 1, 3, 4).reshape(-1, COLUMNS * size, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
