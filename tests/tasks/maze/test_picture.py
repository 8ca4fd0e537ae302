"""Pictures of mazes: everything is where it should be, and looks like it."""

import jax
import numpy as np
import pytest

from meadow.core.errors import SpecError, TaskError
from meadow.tasks.maze.named import named, named_many
from meadow.tasks.maze.picture import AGENT, GOAL, GROUND, WALL, grid, picture
from meadow.tasks.maze.text import parse

MAZE, TILE = parse(".#G\n...\n>.."), 12
TURNED = [f"{agent}.G\n..." for agent in ">v<^"]


def middle(image: np.ndarray, y: int, x: int) -> tuple[int, ...]:
    """The colour in the middle of a cell inside the outer wall."""
    return tuple(map(int, image[(y + 1) * TILE + TILE // 2, (x + 1) * TILE + TILE // 2]))


def test_every_cell_shows_what_is_there():
    image = picture(MAZE, TILE)
    assert image.shape == (5 * TILE, 5 * TILE, 3) and image.dtype == np.uint8
    assert middle(image, 0, 0) == GROUND and middle(image, 0, 1) == WALL
    assert middle(image, 0, 2) == GOAL and middle(image, 2, 0) == AGENT
    edge = np.concatenate([image[:TILE], image[-TILE:]])
    assert (edge == WALL).all() and (image[:, :TILE] == WALL).all(), "the outer wall is drawn"


@pytest.mark.parametrize("quarter", range(4))
def test_the_agent_points_where_it_looks(quarter):
    image = picture(parse(TURNED[quarter]), TILE)
    cell = image[TILE : 2 * TILE, TILE : 2 * TILE].astype(int)
    red = abs(cell - AGENT).sum(-1) < 30
    y, x = np.argwhere(red).mean(0) - (TILE - 1) / 2
    dy, dx = [(0, -1), (-1, 0), (0, 1), (1, 0)][quarter]
    assert y * dy + x * dx > 0.5, "a triangle is heavier behind"


def test_a_sheet_holds_every_maze_and_its_caption():
    mazes = named_many(("MiniMaze", "TrivialMaze", "MediumMaze"), 8, 8)
    bare, said = grid(mazes, tile=4), grid(mazes, ["one", "two", "three"], tile=4)
    assert bare.shape[1] == said.shape[1] and said.shape[0] > bare.shape[0], "room for captions"
    alone = picture(jax.tree.map(lambda x: x[0], mazes), 4)
    for sheet in (bare, said):
        assert any(
            (sheet[y : y + 40, x : x + 40] == alone).all() for y in range(20) for x in range(20)
        ), "the first maze is in the near corner"
    tall = grid(mazes, columns=1, tile=4)
    assert tall.shape[0] > 3 * 40 and tall.shape[1] < 2 * 40, "one below the other"
    long = grid(mazes, ["a caption much too long for so small a maze"] * 3, tile=4)
    assert long.shape == said.shape, "a long caption does not widen a maze"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(SpecError, match="at least 4 pixels"):
        picture(MAZE, 3)
    with pytest.raises(TaskError, match="Expected one maze"):
        picture(named_many(("MiniMaze",)))
    with pytest.raises(SpecError, match="1, 13, 13. and 2 captions"):
        grid(named_many(("MiniMaze",)), ["one", "two"])
    with pytest.raises(SpecError, match="batch of mazes"):
        grid(named("MiniMaze"))
