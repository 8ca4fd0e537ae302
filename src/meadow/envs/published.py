"""Published environments by id: `environment, tasks = make("XLand-MiniGrid-R4-13x13")`.

References: Nikulin et al., XLand-MiniGrid, 2023, whose names, sizes and time limits these are; and
MiniGrid's own (`meadow.envs.minigrid.families`).
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax.random as jr

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import TaskError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.minigrid.families import FAMILIES, Levels
from meadow.envs.xland.environment import XLand
from meadow.tasks.minigrid.empty import Empty
from meadow.tasks.minigrid.locked_room import LockedRoom
from meadow.tasks.minigrid.locks import BlockedUnlockPickUp, DoorKey, Unlock, UnlockPickUp
from meadow.tasks.minigrid.memory import Memory
from meadow.tasks.minigrid.rooms import FourRooms, Playground
from meadow.tasks.trees import Trees

_SIZES = {
    "R1": (9, 11, 13, 15, 17),
    "R2": (9, 11, 13, 15, 17),
    "R4": (9, 11, 13, 15, 17),
    "R6": (13, 17, 19),
    "R9": (16, 19, 25),
}
_XLAND = {
    f"XLand-MiniGrid-{layout}-{size}x{size}": {"layout": layout, "height": size, "width": size}
    for layout, sizes in _SIZES.items()
    for size in sizes
}
# In a memory task nothing can be carried away: what picks up elsewhere toggles.
_MEMORY = {"view_size": 3, "actions": (0, 1, 2, 5, 4, 5)}
_LEVELS = {
    "MiniGrid-BlockedUnlockPickUp": Levels(BlockedUnlockPickUp()),
    **{f"MiniGrid-DoorKey-{n}x{n}": Levels(DoorKey(n, n)) for n in (5, 6, 8, 16)},
    **{f"MiniGrid-Empty-{n}x{n}": Levels(Empty(n, n)) for n in (5, 6, 8, 16)},
    **{f"MiniGrid-EmptyRandom-{n}x{n}": Levels(Empty(n, n, True)) for n in (5, 6, 8, 16)},
    "MiniGrid-FourRooms": Levels(FourRooms()),
    "MiniGrid-LockedRoom": Levels(LockedRoom()),
    **{f"MiniGrid-MemoryS{n}": Levels(Memory(n), _MEMORY) for n in (8, 16, 32, 64, 128)},
    "MiniGrid-Playground": Levels(Playground()),
    "MiniGrid-Unlock": Levels(Unlock()),
    "MiniGrid-UnlockPickUp": Levels(UnlockPickUp()),
    **{f"MiniGrid-{name}": levels for name, levels in FAMILIES.items()},
}


def ids() -> tuple[str, ...]:
    """Every id that `make` knows."""
    return (*_XLAND, *_LEVELS)


def make(
    id: str, tasks: AbstractTaskSpace | str | None = None, **overrides: Any
) -> tuple[AbstractEnvironment, AbstractTaskSpace]:
    """The environment of that id, and a space of tasks for it.

    Args:
        id: one of `ids()`.
        tasks: where tasks come from, if not from what was published; for XLand also the name of a
            published kind (trivial, small, medium, high), trivial when not given.
        **overrides: fields of the environment or of its published tasks. What is not overridden
            follows: a larger map has a longer time limit. `compatibility=True` draws as published
            bit for bit, faults included.

    Raises:
        UnknownNameError: no such id, no such kind of task, or no such field.
        TaskError: the fields do not fit together, or the tasks do not fit the id.

    >>> environment, space = make("XLand-MiniGrid-R1-9x9")
    >>> environment.time_limit
    243
    >>> make("XLand-MiniGrid-R1-9x9", height=11, width=11)[0].time_limit
    363
    >>> environment, space = make("MiniGrid-DoorKey-8x8", height=10, width=12, view_size=5)
    >>> environment.time_limit, space.width
    (1200, 12)
    """
    if id in _XLAND:
        _check(id, overrides, _fields(XLand))
        if tasks is None or isinstance(tasks, str):
            tasks = Trees.published(tasks or "trivial")
        return XLand(**(_XLAND[id] | overrides)), tasks
    if id not in _LEVELS:
        raise UnknownNameError("environment", id, ids())
    if isinstance(tasks, str):
        raise TaskError(
            f"{id} has levels of its own, but a kind of task was asked for by name: {tasks!r}. "
            "Leave `tasks` out, or give a space of levels."
        )
    return _levels(id, tasks, overrides)


def _levels(
    id: str, tasks: AbstractTaskSpace | None, overrides: dict[str, Any]
) -> tuple[MiniGrid, AbstractTaskSpace]:
    published, settings = _LEVELS[id]
    of_space = _fields(type(published))
    of_environment = _fields(MiniGrid) - {"height", "width"}
    _check(id, overrides, of_space | of_environment | {"compatibility"})
    space: Any = dataclasses.replace(published, **_only(overrides, of_space))
    settings = {"max_steps": space.time_limit} | settings | _only(overrides, of_environment)
    played = space if tasks is None else tasks
    # A level says how large its map is, whatever its space calls that.
    level = eqx.filter_eval_shape(lambda key: played.sample(key=key), jr.key(0))
    height, width = level.map.shape
    return MiniGrid(height=height, width=width, **settings), played


def _fields(definition: type) -> set[str]:
    return {field.name for field in dataclasses.fields(definition)}


def _only(overrides: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if name in names}


def _check(id: str, overrides: dict[str, Any], known: set[str]) -> None:
    for name in overrides:
        if name not in known:
            raise UnknownNameError(f"field of {id}", name, known)
