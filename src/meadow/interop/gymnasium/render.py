"""Render: a moment of a grid world as Gymnasium wants to see it."""

import numpy as np
from jaxtyping import PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.envs.xland.world import World

METADATA = {"render_modes": ["rgb_array", "ansi"], "render_fps": 5}


def metadata(environment: AbstractEnvironment) -> dict:
    """What can be rendered: grid worlds, which are known by their board; nothing else."""
    if hasattr(environment, "board"):
        return dict(METADATA)
    return METADATA | {"render_modes": []}


def render(environment: World, state: PyTree, mode: str) -> np.ndarray | str:
    """A picture `[rows, columns, 3]`, or lines of text."""
    from meadow.envs.xland.draw import image
    from meadow.envs.xland.text import text

    if mode == "ansi":
        return text(environment, state, plain=True).plain
    return image(environment, state)
