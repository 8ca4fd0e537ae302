"""Pixels: what the agent sees as an RGB picture, made on the device by one gather of sprites.

    view [V, V] of bytes -> rows of sprites, laid side by side -> [V * tile, V * tile, 3]

References: Nikulin et al., XLand-MiniGrid, 2023 (`RGBImgObservationWrapper`): the same pixels at
32 a tile.
"""

import functools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree, UInt8

from meadow.core.environment import AbstractEnvironment
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.envs.xland.sprites import occupied, sprites
from meadow.tasks.tiles import NUM_BYTES

UP = 0


class Pixels(AbstractEnvironment[Any, Any]):
    """A grid environment that shows `view` as a picture; all else is as it was.

    Args:
        environment: whose observation has a `view` of tile bytes.
        tile: pixels across one tile, at least 4.
        look: of the sprites: "published", XLand-MiniGrid's own, or "meadow" (see `.sprites`).

    Raises:
        SpecError, UnknownNameError: no such sprites.
    """

    environment: AbstractEnvironment
    tile: int = eqx.field(static=True, default=32)
    look: str = eqx.field(static=True, default="published")

    def __check_init__(self) -> None:
        _rows(self.tile, self.look)

    @property
    def action_spec(self) -> ActionSpec:
        """The environment's."""
        return self.environment.action_spec

    def reset(self, task: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, TimeStep]:
        return self._shown(*self.environment.reset(task, key=key))

    def step(
        self, state: PyTree, task: PyTree, action: PyTree, *, key: Key[Array, ""]
    ) -> tuple[PyTree, TimeStep]:
        return self._shown(*self.environment.step(state, task, action, key=key))

    def _shown(self, state: PyTree, timestep: TimeStep) -> tuple[PyTree, TimeStep]:
        view = timestep.observation["view"]
        seen = timestep.observation | {"view": picture(view, self.tile, self.look)}
        return state, timestep.showing(seen)


def picture(
    view: UInt8[Array, "*batch size size"], tile: int, look: str = "published"
) -> UInt8[Array, "*batch pixels pixels 3"]:
    """The view as RGB, the agent at the bottom centre, facing up.

    Args:
        tile: pixels across one tile.
        look: of the sprites.

    >>> picture(jnp.zeros((5, 5), jnp.uint8), tile=8).shape
    (40, 40, 3)
    """
    size = view.shape[-1]
    here = np.zeros((size, size), np.int32)
    here[-1, size // 2] = NUM_BYTES
    # A sprite is read row by row, so that what is read already lies in the picture's order.
    which = (view.astype(jnp.int32) + here)[..., :, None, :] * tile + np.arange(tile)[:, None]
    rows = jnp.asarray(_rows(tile, look)).at[which].get(mode="promise_in_bounds")
    return rows.reshape(*view.shape[:-2], size * tile, size * tile, 3)


@functools.lru_cache(maxsize=8)
def _rows(tile: int, look: str) -> UInt8[np.ndarray, "rows bytes"]:
    """Every row of every sprite, then of every sprite with the agent on it."""
    table = np.concatenate([sprites(tile, look), occupied(tile, UP, look)])
    return table.reshape(-1, tile * 3)
