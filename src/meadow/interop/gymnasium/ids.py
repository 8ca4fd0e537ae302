"""Ids: the published environments under Gymnasium's names, once somebody asks for it."""

from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from meadow.core.task import AbstractTaskSpace
from meadow.envs.published import ids, make
from meadow.interop.gymnasium.env import Env
from meadow.interop.gymnasium.vector import VectorEnv
from meadow.rollout.life import Trial


def register_all() -> list[str]:
    """Make every id of `meadow.ids()` known to Gymnasium, as `meadow/<id>-v0`.

    Then `gymnasium.make` takes it, and `gymnasium.make_vec` compiles as many as are asked for.
    Both pass on what `meadow.make` takes, and what `Env` and `VectorEnv` do.
    """
    names = {f"meadow/{id}-v0": id for id in ids()}
    for name, id in names.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                name, entry_point=env, vector_entry_point=vector_env, kwargs={"id": id}
            )
    return list(names)


def env(
    id: str,
    tasks: AbstractTaskSpace | str | None = None,
    trial: Trial | None = None,
    render_mode: str | None = None,
    **overrides: Any,
) -> Env:
    """The environment of that id; `overrides` are its fields, as in `meadow.make`."""
    return Env(*make(id, tasks, **overrides), trial=trial, render_mode=render_mode)


def vector_env(
    id: str,
    num_envs: int = 1,
    tasks: AbstractTaskSpace | str | None = None,
    trial: Trial | None = None,
    render_mode: str | None = None,
    autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    **overrides: Any,
) -> VectorEnv:
    """As many of them; `overrides` are their fields, as in `meadow.make`."""
    return VectorEnv(*make(id, tasks, **overrides), num_envs, trial, render_mode, autoreset_mode)
