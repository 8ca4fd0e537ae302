"""Published environments by id: `environment, tasks = make("XLand-MiniGrid-R4-13x13")`.

References: Nikulin et al., XLand-MiniGrid, 2023, whose names, sizes and time limits these are.
"""

from typing import Any

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.environment import XLand
from meadow.tasks.trees import Trees

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


def make(
    id: str, tasks: AbstractTaskSpace | str | None = None, **overrides: Any
) -> tuple[AbstractEnvironment, AbstractTaskSpace]:
    """The environment of that id, and a space of tasks for it.

    Args:
        id: one of `ids()`.
        tasks: where tasks come from; for XLand also the name of a published kind (trivial, small,
            medium, high), trivial when not given.
        **overrides: fields of the environment. What is not overridden follows: a larger map has a
            longer time limit.

    Raises:
        UnknownNameError: no such id, or no such kind of task.

    >>> environment, space = make("XLand-MiniGrid-R1-9x9")
    >>> environment.time_limit
    243
    >>> make("XLand-MiniGrid-R1-9x9", height=11, width=11)[0].time_limit
    363
    """
    if id not in _IDS:
        raise UnknownNameError("environment", id, _IDS)
    layout, size = _IDS[id]
    environment = XLand(**({"layout": layout, "height": size, "width": size} | overrides))
    if tasks is None or isinstance(tasks, str):
        tasks = Trees.published(tasks or "trivial")
    return environment, tasks
