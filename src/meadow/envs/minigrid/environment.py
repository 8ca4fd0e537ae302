"""MiniGrid: plays levels; all the luck is in the level.

**observation** a dict. `view`: bytes `[view, view]`, the agent at the bottom centre looking up,
  walls hide nothing unless `occlude`, outside the map is EMPTY. On request also `direction`,
  `pocket`, `step`, `goal` and `rules`.
**actions** move, turn right, turn left, pick up, put down, toggle (0 to 5), or as `actions` says.
**reward** `1 - 0.9 * step / max_steps` when the goal is reached, else 0; -1 for walking into a wall
  or a ball where balls wander.
**ends** terminates at the goal and, without a reward, at the failure; truncates after `max_steps`.
**hidden** where the view does not reach; what is in a box.
**task** a `Level`. A reset draws nothing, and a step only where balls wander.
**reference** Chevalier-Boisvert et al., Minigrid & Miniworld, 2023, in the form of Nikulin et al.,
  XLand-MiniGrid, 2023: the latter's transitions.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, UInt8

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import TaskError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition
from meadow.envs.minigrid.act import act, covered
from meadow.envs.minigrid.conditions import met, told
from meadow.envs.minigrid.wander import bumps, wander
from meadow.envs.xland.advance import Fired, State, advance
from meadow.envs.xland.batched import batched
from meadow.envs.xland.begin import begin
from meadow.envs.xland.board import Board, board
from meadow.envs.xland.near import Kinds
from meadow.envs.xland.observe import check_senses, observe
from meadow.tasks.level import Level


class _Asked(NamedTuple):
    """What `advance` is asked to look for: the goal and the failure, one after the other."""

    goal: UInt8[Array, "2 *batch 5"]
    rules: UInt8[Array, "*batch rules 4"]


class MiniGrid(AbstractEnvironment[Level, State]):
    """The grid world of drawn maps.

    Args:
        height, width: of every level's map, walls included.
        view_size: odd; cells the agent sees ahead and across.
        max_steps: the time limit; `4 * height * width` when None.
        observe: what the agent sees besides the view: direction (one-hot), pocket, step, goal,
            rules.
        actions: what each action of the agent does, by the order above; 6 says that it is done.
        kinds: kinds of rules, goals and failures of your own.
        occlude: whether walls and closed doors hide what lies behind them (it is EMPTY then).
        obstacles: so many balls of the level wander (`meadow.envs.minigrid.wander`).

    Raises:
        UnknownNameError: no such observation.
        TaskError: the view size is even, or the time limit is not positive.
    """

    height: int = eqx.field(static=True, default=9)
    width: int = eqx.field(static=True, default=9)
    view_size: int = eqx.field(static=True, default=7)
    max_steps: int | None = eqx.field(static=True, default=None)
    observe: tuple[str, ...] = eqx.field(static=True, default=())
    actions: tuple[int, ...] = eqx.field(static=True, default=(0, 1, 2, 3, 4, 5))
    kinds: Kinds = ()
    occlude: bool = eqx.field(static=True, default=False)
    obstacles: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        check_senses(self.view_size, self.observe, self.occlude)
        if self.max_steps is not None and self.max_steps < 1:
            raise TaskError(f"`max_steps` must be at least 1, got {self.max_steps}.")

    @property
    def board(self) -> Board:
        """The constant tables of this size of map and view."""
        return board(self.height, self.width, self.view_size)

    @property
    def time_limit(self) -> int:
        """Steps after which an episode is truncated."""
        return self.max_steps or 4 * self.height * self.width

    @property
    def action_spec(self) -> Discrete:
        """One of `actions`."""
        return Discrete(len(self.actions))

    def reset(self, task: Level, *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """The level as it was drawn; deterministic, `key` is not used.

        Raises:
            TaskError: the level's map has another size (while tracing).
        """
        del key
        if task.map.shape != (self.height, self.width):
            raise TaskError(
                f"Expected levels of {self.height}x{self.width}, got a map of "
                f"{task.map.shape[0]}x{task.map.shape[1]}. Give the environment the height and "
                "width of its levels."
            )
        state = begin(self.board, task)
        return state, restart(self._observe(state, task))

    def step(
        self, state: State, task: Level, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Act, let the rules work, test goal and failure; only wandering balls need the key."""
        does = jnp.asarray(self.actions)[action]
        if not self.obstacles:
            return batched(self._once, state, task, does)
        bumped = bumps(self.board, state, does)
        state = wander(self.board, state, self.obstacles, key=key)
        state, timestep = batched(self._once, state, task, does)
        bump = transition(-1.0, timestep.observation, terminated=True)
        return state, jax.tree.map(lambda x, y: jnp.where(bumped, x, y), bump, timestep)

    def fired(self, state: State, task: Level, action: Int[Array, ""]) -> Fired:
        """What `step` would set off: for pictures and for people, not for agents."""
        fired = self._advance(state, task, jnp.asarray(self.actions)[action])[1]
        return Fired(fired.rules, fired.goal[0])

    def _advance(self, before: State, task: Level, action: Array) -> tuple[State, Fired]:
        asked = _Asked(jnp.stack([task.goal, task.failure]), task.rules)
        after, fired = advance(self.board, before, asked, action, self.kinds, act)
        done = met(self.board, before, after, action, asked.goal)
        return after, Fired(fired.rules, fired.goal | done)

    def _once(self, state: State, task: Level, action: Array) -> tuple[State, TimeStep]:
        state, fired = self._advance(state, task, action)
        reached, failed = fired.goal
        reward = 1.0 - 0.9 * (state.step / self.time_limit)
        return state, transition(
            jnp.where(reached, reward, 0.0),
            self._observe(state, task),
            terminated=reached | failed,
            truncated=state.step == self.time_limit,
        )

    def _observe(self, state: State, task: Level) -> dict[str, Array]:
        seen = observe(self.board, state, task, self.view_size, self.observe, self.occlude)
        shown = {"view": covered, "pocket": covered, "goal": told}
        return seen | {name: show(seen[name]) for name, show in shown.items() if name in seen}
