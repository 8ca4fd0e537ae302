"""Published environments by id: `make("XLand-MiniGrid-R4-13x13")`.

References: Nikulin et al., XLand-MiniGrid, 2023, whose names, sizes and time limits these are.
"""

from typing import Any

from meadow.core.errors import UnknownNameError
from meadow.envs.xland.environment import XLand

_SIZES = {
    "R1": (9, 11, 13, 15, 17),
    "R2": (9, 11, 13, 15, 17),
    "R4": (9, 11, 13, 15, 17),
    "R6": (13, 17, 19),
    "R9": (16, 19, 25),
}
_IDS = {
    f"XLand-MiniGrid-{layout}-{size}x{size}": (layout, size)
    for layout, sizes in _SIZES.items()
    for size in sizes
}


def ids() -> tuple[str, ...]:
    """Every id that `make` knows."""
    return tuple(_IDS)


def make(id: str, **overrides: Any) -> XLand:
    """The environment of that id; `overrides` are fields of `XLand`.

    What is not overridden follows: a larger map has a longer time limit.

    Raises:
        UnknownNameError: no such id.

    >>> make("XLand-MiniGrid-R1-9x9").time_limit
    243
    >>> make("XLand-MiniGrid-R1-9x9", height=11, width=11).time_limit
    363
    """
    if id not in _IDS:
        raise UnknownNameError("environment", id, _IDS)
    layout, size = _IDS[id]
    return XLand(**({"layout": layout, "height": size, "width": size} | overrides))
