"""GoToDoor: a room with a door in each wall; say that you are done beside the one asked for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks import kinds, tiles
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below, cut
from meadow.tasks.minigrid.draw import condition, painted, put
from meadow.tasks.tiles import FLOOR, WALL


class GoToDoor(AbstractTaskSpace[Level]):
    """Height and width of the room are drawn, from 5 to `size`; no two doors have one colour.

    Play it with the seven actions (`MiniGrid(actions=tuple(range(7)))`): the last says that the
    agent is done. Saying so elsewhere, and toggling anything, is a failure.

    Args:
        size: height and width of the map, at least 5.

    Raises:
        TaskError: a smaller size.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-GoToDoor-8x8-v0).
    """

    size: int = eqx.field(static=True, default=5)

    def __check_init__(self) -> None:
        if self.size < 5:
            raise TaskError(f"`size` must be at least 5, got {self.size}.")

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 4 * self.size**2

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        colour = tiles.COLOURS[tiles.unpack(int(level.goal[1]))[1]]
        return f"go to the {colour} door"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        sizes, along, colours, (y, x, direction, which) = cut(
            jr.uniform(key, (2 + 4 + 6 + 4,)), (2,), (4,), (6,), (4,)
        )
        height, width = 5 + below(sizes, self.size - 4)
        last_y, last_x = height - 1, width - 1
        row, column = 2 + below(along[2:], height - 4), 2 + below(along[:2], width - 4)
        doors = jnp.array(
            [[0, column[0]], [last_y, column[1]], [row[0], 0], [row[1], last_x]], jnp.int32
        )
        bytes = painted("closed door", 1 + jax.lax.top_k(colours, 4)[1])

        ys, xs = np.mgrid[: self.size, : self.size]
        wall = ((ys == 0) | (ys == last_y)) & (xs <= last_x)
        wall |= ((xs == 0) | (xs == last_x)) & (ys <= last_y)
        target = below(which, 4)
        return Level(
            put(jnp.where(wall, jnp.uint8(WALL), jnp.uint8(FLOOR)), doors, bytes),
            jnp.stack([1 + below(y, height - 2), 1 + below(x, width - 2)]),
            below(direction, 4),
            goal=condition(kinds.DONE_NEAR, bytes[target], 0, tuple(doors[target])),
            failure=condition(kinds.DONE),
        )
