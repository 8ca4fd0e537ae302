"""Picture: mazes as pixels, one alone or many with a caption under each.

Dark walls, the outer one too, on light ground; the goal is green, the agent a red triangle that
points where it looks.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Float, UInt8

from meadow.core.errors import SpecError
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.text import check_maze

GROUND, LINE, WALL = (250, 249, 245), (232, 230, 222), (58, 64, 74)
GOAL, AGENT, INK = (52, 160, 96), (214, 62, 52), (40, 44, 52)
_FINE = 4  # painted so many times larger, then averaged
_GAP = 8  # pixels between mazes on a sheet

Picture = UInt8[np.ndarray, "height width 3"]


def picture(maze: Maze, tile: int = 8) -> Picture:
    """One maze, with the outer wall: `(height + 2) * tile` pixels high.

    Args:
        tile: pixels of a cell, at least 4.

    Raises:
        TaskError: a batch of mazes, or one that is not well formed.
        SpecError: too small a tile.
    """
    check_maze(maze)
    if tile < 4:
        raise SpecError(f"A cell needs at least 4 pixels to show who is there, got tile={tile}.")
    tiles = np.stack([_ground(tile), _flat(WALL, tile), _goal(tile), _agent(tile, maze.direction)])
    cells = np.pad(np.asarray(maze.walls).astype(int), 1, constant_values=1)
    for what, cell in ((2, maze.goal), (3, maze.position)):
        y, x = np.asarray(cell) + 1
        cells[y, x] = what
    height, width = cells.shape
    return tiles[cells].swapaxes(1, 2).reshape(height * tile, width * tile, 3)


def grid(
    mazes: Maze, captions: Sequence[str] = (), *, columns: int | None = None, tile: int = 8
) -> Picture:
    """A batch of mazes on one sheet, row by row.

    Args:
        captions: a short line under each, or none.
        columns: as many as make the sheet about one and a half times as wide as high, when None.

    Raises:
        SpecError: no mazes, or another number of captions.
    """
    num = len(mazes.walls) if mazes.walls.ndim == 3 else 0
    if not num or (captions and len(captions) != num):
        raise SpecError(
            f"Expected a batch of mazes and no captions or one for each, got walls of shape "
            f"{list(mazes.walls.shape)} and {len(captions)} captions."
        )
    mazes = jax.device_get(mazes)
    pictures = [picture(jax.tree.map(lambda x, i=i: x[i], mazes), tile) for i in range(num)]
    if captions:
        pairs = zip(pictures, captions, strict=True)
        pictures = [
            np.concatenate([image, _caption(text, image.shape[1])]) for image, text in pairs
        ]
    columns = min(num, columns or round(np.sqrt(1.5 * num)))
    height, width, _ = pictures[0].shape
    rows = -(-num // columns)
    sheet = np.full((rows, columns, height + _GAP, width + _GAP, 3), 255, np.uint8)
    for i, image in enumerate(pictures):
        sheet[i // columns, i % columns, _GAP:, _GAP:] = image
    sheet = sheet.swapaxes(1, 2).reshape(rows * (height + _GAP), columns * (width + _GAP), 3)
    return np.pad(sheet, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)


# --- tiles ---------------------------------------------------------------------------------------


def _flat(colour: tuple[int, int, int], tile: int) -> Picture:
    return np.broadcast_to(np.array(colour, np.uint8), (tile, tile, 3))


def _ground(tile: int) -> Picture:
    """Free, with a faint line at the right and below, so that cells can be counted."""
    image = _flat(GROUND, tile).copy()
    image[-1:] = LINE
    image[:, -1:] = LINE
    return image


def _goal(tile: int) -> Picture:
    y, x = _points(tile)
    return _inked(tile, np.maximum(abs(y), abs(x)) < 0.44, GOAL)


def _agent(tile: int, direction: object) -> Picture:
    """A triangle that points right, turned clockwise as often as `direction` says."""
    y, x = _points(tile)
    within = (x > -0.42) & (abs(y) < 0.52 * (0.48 - x))
    return _inked(tile, np.rot90(within, -int(np.asarray(direction))), AGENT)


def _points(tile: int) -> tuple[Float[np.ndarray, "fine 1"], Float[np.ndarray, "1 fine"]]:
    """Where the fine points of a tile lie, from -1/2 to 1/2, down and right."""
    centres = (np.arange(tile * _FINE) + 0.5) / (tile * _FINE) - 0.5
    return centres[:, None], centres[None]


def _inked(tile: int, mask: Bool[np.ndarray, "fine fine"], ink: tuple[int, int, int]) -> Picture:
    """A free cell with a shape on it."""
    cover = mask.reshape(tile, _FINE, tile, _FINE).mean((1, 3))[..., None]
    return (cover * np.array(ink) + (1 - cover) * _ground(tile)).round().astype(np.uint8)


def _caption(text: str, width: int) -> Picture:
    """A line of text, centred and smaller where it would be too wide."""
    from PIL import Image, ImageDraw, ImageFont

    size = 12
    while size > 6 and ImageFont.load_default(size).getlength(text) > width:
        size -= 1
    image = Image.new("RGB", (width, 17), (255, 255, 255))
    where = width / 2, 9
    ImageDraw.Draw(image).text(where, text, INK, ImageFont.load_default(size), anchor="mm")
    return np.asarray(image)
