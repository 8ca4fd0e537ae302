"""Families of levels: what cannot be built is refused, missions in words, rules of the drawing."""

import jax
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks import kinds
from meadow.tasks.level import Level
from meadow.tasks.minigrid.crossing import Crossing
from meadow.tasks.minigrid.fetch import Fetch
from meadow.tasks.minigrid.gotodoor import GoToDoor
from meadow.tasks.minigrid.keycorridor import KeyCorridor
from meadow.tasks.minigrid.lavagap import LavaGap
from meadow.tasks.minigrid.multiroom import MultiRoom
from meadow.tasks.minigrid.obstacles import Obstacles
from meadow.tasks.minigrid.obstructed import ObstructedMaze
from meadow.tasks.minigrid.putnear import PutNear
from meadow.tasks.tiles import LAVA, WALL, parse


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Crossing(8), "`size` must be odd and at least 5, got 8"),
        (lambda: Crossing(9, 7), "room for 1 to 6 rivers, got 7"),
        (lambda: Obstacles(4, 3), "3 obstacles, the agent and the goal do not fit"),
        (lambda: Fetch(4, 4), "1 to 3 things, got num_objects=4"),
        (lambda: GoToDoor(4), "at least 5, got 4"),
        (lambda: PutNear(6, 3), "room for 2 to 2 things, got num_objects=3"),
        (lambda: KeyCorridor(0, 3), "`rows` must be at least 1"),
        (lambda: MultiRoom(1), "`rooms` must be at least 2"),
        (lambda: ObstructedMaze(5), r"must lie in 0\.\.4, got 5"),
        (lambda: ObstructedMaze(0, start=(1, 1)), "a room in 1 rows and 2 columns"),
        (lambda: LavaGap(4).sample(key=jr.key(0)), r"in 5\.\.255, got 4x4"),
    ],
)
def test_what_cannot_be_built_is_refused(build, message: str):
    with pytest.raises(TaskError, match=message):
        build()


def asked(kind: int, a: str = "green goal", b: str = "green goal") -> Level:
    """A level of which only the goal matters."""
    return Level([[WALL]], (0, 0), 0, goal=(kind, parse(a), parse(b), 0, 0))


@pytest.mark.parametrize(
    ("space", "level", "words"),
    [
        (LavaGap(), asked(kinds.ON_TILE), "avoid the lava and get to the green goal square"),
        (Crossing(), asked(kinds.ON_TILE), "avoid the lava and get to the green goal square"),
        (
            Crossing(lava=False),
            asked(kinds.ON_TILE),
            "find the opening and get to the green goal square",
        ),
        (Obstacles(), asked(kinds.ON_TILE), "get to the green goal square"),
        (MultiRoom(), asked(kinds.ON_TILE), "traverse the rooms to get to the goal"),
        (KeyCorridor(), asked(kinds.HOLD, "red ball"), "pick up the red ball"),
        (Fetch(), asked(kinds.HOLD, "grey key"), "fetch a grey key"),
        (
            GoToDoor(),
            asked(kinds.DONE_NEAR, "purple closed door"),
            "go to the purple door",
        ),
        (
            PutNear(),
            asked(kinds.PUT_NEAR, "red box", "blue key"),
            "put the red box near the blue key",
        ),
        (ObstructedMaze(), asked(kinds.HOLD, "blue ball"), "pick up the blue ball"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_missions_in_words(space, level: Level, words: str):
    assert space.mission(level) == words


def test_walls_may_stand_where_lava_would():
    lava, walls = (
        np.asarray(jax.jit(Crossing(7, 2, lava=lava).sample)(key=jr.key(0)).map)
        for lava in (True, False)
    )
    assert (lava == LAVA).any() and not (walls == LAVA).any(), "the one has lava, the other none"
    assert ((walls == WALL) == np.isin(lava, (WALL, LAVA))).all(), "in the same places"
