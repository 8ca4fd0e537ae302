"""Level: a task with its map drawn; nothing is left to the luck of a reset.

A `GridTask` says which objects there are and leaves their places to the reset; a `Level` says where
everything stands. So levels can be edited, mutated, compared and drawn, and a space of levels is
what papers on environment design call the design space.

>>> from meadow.tasks.tiles import pack
>>> level = Level(map=[[1, 1, pack("goal", "green")]], position=(0, 0), direction=1)
>>> level.map.shape, level.rules.shape, level.goal.tolist()
((1, 3), (0, 4), [0, 0, 0, 0, 0])
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int32, UInt8

from meadow.tasks.kinds import NEVER
from meadow.tasks.tiles import EMPTY


def _bytes(value: object) -> UInt8[Array, "..."]:
    return jnp.asarray(value, jnp.uint8)


def _int(value: object) -> Int32[Array, "..."]:
    return jnp.asarray(value, jnp.int32)


def _never() -> np.ndarray:
    return np.array([NEVER, 0, 0, 0, 0])


def _no_rules() -> np.ndarray:
    return np.zeros((0, 4))


class Level(eqx.Module):
    """A map, where the agent begins on it, and what is asked; any leading batch axes.

    Attributes:
        map: tile bytes, the outer wall included; the agent is not drawn in it.
        position: where the agent begins, (y, x).
        direction: where it looks, 0 up, 1 right, 2 down, 3 left.
        goal: as in a `GridTask`: reaching it ends the episode with a reward.
        failure: the same kind of condition: reaching it ends the episode without one.
        rules: as in a `GridTask`, possibly none.
        pocket: what the agent holds at first, EMPTY for nothing.
    """

    map: UInt8[Array, "*batch height width"] = eqx.field(converter=_bytes)
    position: Int[Array, "*batch 2"] = eqx.field(converter=_int)
    direction: Int[Array, "*batch"] = eqx.field(converter=_int)
    goal: UInt8[Array, "*batch 5"] = eqx.field(converter=_bytes, default_factory=_never)
    failure: UInt8[Array, "*batch 5"] = eqx.field(converter=_bytes, default_factory=_never)
    rules: UInt8[Array, "*batch rules 4"] = eqx.field(converter=_bytes, default_factory=_no_rules)
    pocket: UInt8[Array, "*batch"] = eqx.field(converter=_bytes, default=EMPTY)
