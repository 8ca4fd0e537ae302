"""Families: MiniGrid's own levels by the names it gives them, and what each is played with.

Walls hide what is behind them where they do there. What is asked for is seen where it is not always
the same, the pocket where there is something to carry.

References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023, whose names, sizes and time
limits these are. MultiRoom-N4-S5 has its four rooms, and no ball of an ObstructedMaze covers a key:
both are as in MiniGrid's second version of them.
"""

from typing import Any, NamedTuple

from meadow.core.task import AbstractTaskSpace
from meadow.tasks.minigrid.crossing import Crossing
from meadow.tasks.minigrid.fetch import Fetch
from meadow.tasks.minigrid.gotodoor import GoToDoor
from meadow.tasks.minigrid.keycorridor import KeyCorridor
from meadow.tasks.minigrid.lavagap import LavaGap
from meadow.tasks.minigrid.multiroom import MultiRoom
from meadow.tasks.minigrid.obstacles import Obstacles
from meadow.tasks.minigrid.obstructed import ObstructedMaze
from meadow.tasks.minigrid.putnear import PutNear


class Levels(NamedTuple):
    """A published space of levels and what its environment is made with.

    Attributes:
        space: has a `time_limit`; its levels are of one size.
        settings: fields of `MiniGrid`.
    """

    space: AbstractTaskSpace
    settings: dict[str, Any] = {}


_HIDES = {"occlude": True}
_CARRIES = {"occlude": True, "observe": ("pocket",)}
_SIDE = (1, 2)  # the room on the right of the middle one


def _wandering(size: int, num: int, anywhere: bool = False) -> Levels:
    return Levels(Obstacles(size, num, anywhere), {"actions": (0, 1, 2), "obstacles": num})


def _maze(quarters: int, kind: str, start: tuple[int, int]) -> Levels:
    space = ObstructedMaze(quarters, hidden="h" in kind, blocked="b" in kind, start=start)
    return Levels(space, _CARRIES)


FAMILIES = {
    **{f"LavaGapS{n}": Levels(LavaGap(n), _HIDES) for n in (5, 6, 7)},
    **{
        f"{name}CrossingS{size}N{num}": Levels(Crossing(size, num, name == "Lava"), _HIDES)
        for name in ("Lava", "Simple")
        for size, num in ((9, 1), (9, 2), (9, 3), (11, 5))
    },
    **{
        f"Dynamic-Obstacles-{n}x{n}": _wandering(n, num)
        for n, num in ((5, 2), (6, 3), (8, 4), (16, 8))
    },
    **{
        f"Dynamic-Obstacles-Random-{n}x{n}": _wandering(n, num, anywhere=True)
        for n, num in ((5, 2), (6, 3))
    },
    "MultiRoom-N2-S4": Levels(MultiRoom(2, 4), _HIDES),
    "MultiRoom-N4-S5": Levels(MultiRoom(4, 5), _HIDES),
    "MultiRoom-N6": Levels(MultiRoom(6, 10), _HIDES),
    **{
        f"KeyCorridorS{size}R{rows}": Levels(
            KeyCorridor(rows, size), {"occlude": True, "observe": ("pocket", "goal")}
        )
        for size, rows in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3))
    },
    **{
        f"Fetch-{n}x{n}-N{num}": Levels(Fetch(n, num), {"observe": ("goal",)})
        for n, num in ((5, 2), (6, 2), (8, 3))
    },
    **{
        f"GoToDoor-{n}x{n}": Levels(GoToDoor(n), {"actions": tuple(range(7)), "observe": ("goal",)})
        for n in (5, 6, 8)
    },
    **{
        f"PutNear-{n}x{n}-N{num}": Levels(PutNear(n, num), {"observe": ("pocket", "goal")})
        for n, num in ((6, 2), (8, 3))
    },
    **{f"ObstructedMaze-1Dl{kind}": _maze(0, kind, (0, 0)) for kind in ("", "h", "hb")},
    **{f"ObstructedMaze-2Dl{kind}": _maze(1, kind, _SIDE) for kind in ("", "h", "hb")},
    "ObstructedMaze-1Q": _maze(1, "hb", (1, 1)),
    "ObstructedMaze-2Q": _maze(2, "hb", _SIDE),
    "ObstructedMaze-Full": _maze(4, "hb", (1, 1)),
}
