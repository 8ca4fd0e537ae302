"""Crossing: straight rivers of lava, or walls, each with one ford on the way to the green goal."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.tasks.level import Level
from meadow.tasks.minigrid.chance import below, cut
from meadow.tasks.minigrid.draw import GREEN_GOAL, reach, room
from meadow.tasks.tiles import FLOOR, LAVA, WALL


class Crossing(AbstractTaskSpace[Level]):
    """Rivers lie on even rows and columns; a way from the near corner to the far one crosses each.

    Args:
        size: height and width of the map, odd, at least 5.
        rivers: how many, at most `size - 3`.
        lava: rivers of lava, deadly; else walls.

    Raises:
        TaskError: the size is even, or there is no room for so many rivers.

    References: Chevalier-Boisvert et al., Minigrid & Miniworld, 2023 (MiniGrid-LavaCrossingS9N1-v0,
    MiniGrid-SimpleCrossingS9N1-v0 and their like).
    """

    size: int = eqx.field(static=True, default=9)
    rivers: int = eqx.field(static=True, default=1)
    lava: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.size % 2 == 0 or self.size < 5:
            raise TaskError(f"`size` must be odd and at least 5, got {self.size}.")
        if not 1 <= self.rivers <= self.size - 3:
            raise TaskError(
                f"A map of size {self.size} has room for 1 to {self.size - 3} rivers, got "
                f"{self.rivers}."
            )

    @property
    def time_limit(self) -> int:
        """The published limit."""
        return 4 * self.size**2

    def mission(self, level: Level) -> str:
        """What is asked, in words."""
        del level
        what = "avoid the lava" if self.lava else "find the opening"
        return f"{what} and get to the green goal square"

    def sample(self, *, key: Key[Array, ""]) -> Level:
        """One level."""
        plan = room(self.size, self.size)
        plan[-2, -2] = GREEN_GOAL
        order, path, fords = cut(
            jr.uniform(key, (self.size - 3 + 2 * self.rivers,)),
            (self.size - 3,), (self.rivers,), (self.rivers,),
        )  # fmt: skip
        # A river is a number: first the vertical ones at x = 2, 4, ..., then the horizontal ones.
        each = (self.size - 3) // 2
        chosen = jax.lax.top_k(order, self.rivers)[1]
        vertical, place = chosen < each, 2 + 2 * (chosen % each)
        y, x = np.mgrid[: self.size, : self.size]
        inside = (np.minimum(y, x) > 0) & (np.maximum(y, x) < self.size - 1)
        on = jnp.where(
            vertical[:, None, None], x == place[:, None, None], y == place[:, None, None]
        )
        map = jnp.where(inside & on.any(0), jnp.uint8(LAVA if self.lava else WALL), plan)
        # They are crossed in a random order of the two ways, which has nothing to do with where.
        rows, columns = self._fords(vertical, place, vertical[jnp.argsort(path)], fords)
        map = map.at[rows, columns].set(FLOOR)
        return Level(map, (1, 1), 1, goal=reach(GREEN_GOAL), failure=reach(LAVA))

    def _fords(
        self,
        vertical: Bool[Array, "rivers"],
        place: Array,
        path: Bool[Array, "rivers"],
        luck: Float[Array, "rivers"],
    ) -> tuple[Array, Array]:
        """Where each river is crossed: rows and columns.

        Args:
            path: for every crossing in turn, whether it is of the next vertical river.
            luck: where between the rivers of the other kind it lies.
        """
        far = self.size - 1
        across = jnp.concatenate([jnp.zeros(1, int), jnp.sort(jnp.where(vertical, place, far))])
        along = jnp.concatenate([jnp.zeros(1, int), jnp.sort(jnp.where(vertical, far, place))])
        # One more, for where no river of that kind is left.
        across, along = (jnp.append(limits, far) for limits in (across, along))
        i, j = jnp.cumsum(path) - path, jnp.cumsum(~path) - ~path  # how many lie behind us
        row = along[j] + 1 + below(luck, along[j + 1] - along[j] - 1)
        column = across[i] + 1 + below(luck, across[i + 1] - across[i] - 1)
        return jnp.where(path, row, along[j + 1]), jnp.where(path, across[i + 1], column)
