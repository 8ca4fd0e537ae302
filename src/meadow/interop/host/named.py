"""Host: environments of other libraries by name, as our loops step them."""

import functools
import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from meadow.core.errors import MeadowError, UnknownNameError
from meadow.rollout.host import AbstractHost
from meadow.rollout.host_program import OnError
from meadow.rollout.host_serial import Serial
from meadow.rollout.host_workers import Workers


class _Door(NamedTuple):
    """Where environments of a library are made, what must be installed, and by which extra."""

    module: str
    make: str
    needs: tuple[str, ...]
    extra: str


_HERE = "meadow.interop.host."
DOORS = {
    "gymnasium": _Door(_HERE + "gymnasium", "registered", ("gymnasium",), "host"),
    "dm_control": _Door(_HERE + "dm", "control", ("dm_env", "dm_control"), "dmc"),
    "ale": _Door(_HERE + "atari", "game", ("gymnasium", "ale_py", "cv2"), "atari"),
    "bsuite": _Door(_HERE + "behaviour", "setting", ("dm_env", "bsuite"), "bsuite"),
}


def host(
    name: str,
    num: int = 1,
    seed: int = 0,
    *,
    workers: int = 0,
    timeout: float = 60.0,
    on_error: OnError = "raise",
    options: Mapping[str, Any] | None = None,
) -> AbstractHost:
    """`num` environments of a name such as gymnasium:CartPole-v1, dm_control:cartpole-swingup,
    ale:Breakout or bsuite:catch/0.

    Args:
        seed: of their luck, together with the run's own.
        workers: processes among which they are divided; 0 to step them in this one.
        timeout: seconds after which a worker hangs.
        on_error: whether one that fails ends the run, or is begun anew.
        options: what the library's own maker takes besides. Of Gymnasium and games: keywords of
            `gymnasium.make`, of games also `sticky` and `life_ends`; of the Control Suite: keywords
            of the task; of bsuite: `save_path`.

    Raises:
        UnknownNameError: no such library or environment; close matches are offered.
        MeadowError: a library that is not installed.
        SpecError: actions or observations that nothing of ours can take.
    """
    make = maker(name, options)
    if not workers:
        return Serial(make, num, seed=seed, name=name, on_error=on_error)
    watch: dict[str, Any] = {"timeout": timeout, "on_error": on_error}
    return Workers(make, num, min(workers, num), seed=seed, name=name, **watch)


def maker(name: str, options: Mapping[str, Any] | None = None) -> functools.partial:
    """Makes programs of a name from seeds; can be pickled.

    Raises:
        UnknownNameError: no such library.
        MeadowError: it is not installed.
    """
    library, colon, name = name.partition(":")
    if library not in DOORS:
        raise UnknownNameError("library of environments", library, DOORS)
    if not colon:
        raise UnknownNameError("environment elsewhere", library, [f"{library}:NAME"])
    door = DOORS[library]
    for needed in door.needs:
        try:
            importlib.import_module(needed)
        except ImportError as error:
            raise MeadowError(
                f"{library}:{name} needs the library {needed!r} ({error}). Install it: "
                f"`pip install '.[{door.extra}]'` in Meadow's folder."
            ) from error
    return functools.partial(_make, library, name, dict(options or {}))


_OURS = {"ale": ("sticky", "life_ends")}  # options that are our makers' own keywords


def _make(library: str, name: str, options: dict[str, Any], seed: int) -> Any:
    door = DOORS[library]
    ours = {key: options[key] for key in _OURS.get(library, ()) if key in options}
    rest = {key: value for key, value in options.items() if key not in ours}
    return getattr(importlib.import_module(door.module), door.make)(name, rest, seed, **ours)
