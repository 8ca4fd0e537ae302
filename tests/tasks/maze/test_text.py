"""Mazes written down: what is written is read back, and what is wrong is said."""

import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.named import NAMES, named
from meadow.tasks.maze.solve import path
from meadow.tasks.maze.text import check_maze, padded, parse, show

ROOM = "..#\nG.v"


def test_a_text_is_a_maze():
    maze = parse(f"\n    {ROOM.replace(chr(10), chr(10) + '    ')}\n")
    assert maze.walls.tolist() == [[False, False, True], [False] * 3]
    assert maze.goal.tolist() == [1, 0] and maze.position.tolist() == [1, 2]
    assert int(maze.direction) == 1, "v looks down"


@pytest.mark.parametrize("size", [(3, 7), (7, 3)])
def test_minimax_11_rows_are_not_columns(size):
    """Goal and agent of a map that is no square lie in opposite corners, and on it."""
    rows = [["."] * size[1] for _ in range(size[0])]
    rows[-1][-1], rows[0][0] = "G", ">"
    maze = parse("\n".join(map("".join, rows)))
    assert maze.goal.tolist() == [size[0] - 1, size[1] - 1] and maze.position.tolist() == [0, 0]
    assert int(path(maze)) == sum(size) - 2, "by the way, too"


@pytest.mark.parametrize("text", [ROOM, *(ROOM.replace("v", agent) for agent in ">^<")])
def test_what_is_shown_is_read_back(text):
    assert show(parse(text)) == text


@pytest.mark.parametrize("name", NAMES)
def test_named_mazes_are_read_back(name):
    maze, again = named(name), parse(show(named(name)))
    for field in ("walls", "goal", "position", "direction"):
        assert np.array_equal(getattr(maze, field), getattr(again, field)), field


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty text"),
        ("G.>\n..", "row 1 has 2 .'..'."),
        ("G.>\n.x.", "'x' in row 1, column 1"),
        ("..>", "exactly one goal .G.; found none"),
        ("G.G\n..>", "found row 0 column 0, row 0 column 2"),
        ("G.<\n..>", "exactly one agent .*row 0 column 2, row 1 column 2"),
    ],
)
def test_a_wrong_text_is_refused(text, said):
    with pytest.raises(TaskError, match=said):
        parse(text)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"goal": (0, 2)}, r"`goal` \(0, 2\) is a wall"),
        ({"position": (2, 0)}, r"`position` \(2, 0\) lies outside the map of 2x3"),
        ({"position": (0, -1)}, "lies outside"),
        ({"position": (1, 0)}, "begins on the goal"),
        ({"direction": 4}, "got 4"),
        ({"goal": 3}, r"one cell \(y, x\), got shape \[\]"),
        ({"walls": np.zeros((2, 2, 3))}, r"one maze, got walls of shape \[2, 2, 3\]"),
    ],
)
def test_a_wrong_maze_is_refused(fields, said):
    good = {"walls": parse(ROOM).walls, "goal": (1, 0), "position": (1, 2), "direction": 1}
    check_maze(Maze(**good))
    with pytest.raises(TaskError, match=said):
        check_maze(Maze(**good | fields))


def test_padding_is_walls_below_and_at_the_right():
    assert show(padded(parse(ROOM), 3, 5)) == "..###\nG.v##\n#####"
    batch = Maze(jnp.zeros((4, 2, 3)), jnp.zeros((4, 2)), jnp.ones((4, 2)), jnp.zeros(4))
    assert padded(batch, 3, 5).walls.shape == (4, 3, 5), "a batch too"
    with pytest.raises(TaskError, match="2x3 does not fit into 2x2"):
        padded(parse(ROOM), 2, 2)
