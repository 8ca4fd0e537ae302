"""World: what pictures and play ask of an environment whose state is a flat board."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Int, Key

from meadow.core.timestep import TimeStep
from meadow.envs.xland.advance import Fired, State
from meadow.envs.xland.board import Board


@runtime_checkable
class World(Protocol):
    """An `AbstractEnvironment` of boards, whatever its tasks are."""

    @property
    def board(self) -> Board:
        """The constant tables of this map."""
        ...

    @property
    def view_size(self) -> int:
        """Cells the agent sees ahead and across."""
        ...

    @property
    def occlude(self) -> bool:
        """Whether walls and closed doors hide what lies behind them."""
        ...

    @property
    def time_limit(self) -> int:
        """Steps after which an episode is truncated."""
        ...

    def reset(self, task: Any, *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """Begin an episode of `task`."""
        ...

    def step(
        self, state: State, task: Any, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Act once."""
        ...

    def fired(self, state: State, task: Any, action: Int[Array, ""]) -> Fired:
        """What `step` would set off."""
        ...
