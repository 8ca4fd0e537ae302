"""Level: a task with its map drawn; nothing is left to the luck of a reset.

A `GridTask` says which objects there are and leaves their places to the reset; a `Level` says where
everything stands. So levels can be edited, mutated, compared and drawn, and a space of levels is
what papers on environment design call the design space.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Int, UInt8

from meadow.tasks.tiles import EMPTY


class Level(eqx.Module):
    """A map, where the agent begins on it, and what is asked.

    Attributes:
        map: tile bytes, the outer wall included; the agent is not drawn in it.
        position: where the agent begins, (y, x).
        direction: where it looks, 0 up, 1 right, 2 down, 3 left.
        goal: as in a `GridTask`: reaching it ends the episode with a reward.
        failure: the same kind of condition: reaching it ends the episode without one.
        rules: as in a `GridTask`, possibly none.
        pocket: what the agent holds at first, EMPTY for nothing.
    """

    map: UInt8[Array, "*batch height width"]
    position: Int[Array, "*batch 2"]
    direction: Int[Array, "*batch"]
    goal: UInt8[Array, "*batch 5"]
    failure: UInt8[Array, "*batch 5"] = eqx.field(default_factory=lambda: np.zeros(5, np.uint8))
    rules: UInt8[Array, "*batch rules 4"] = eqx.field(
        default_factory=lambda: np.zeros((0, 4), np.uint8)
    )
    pocket: UInt8[Array, "*batch"] = eqx.field(default_factory=lambda: np.uint8(EMPTY))
