"""MazeWorld: find the goal of a maze, seeing only what is near.

**observation** a dict. `view`: bools `[view, view, 2]`, whether there is a wall and whether there
  is the goal, the agent at the bottom centre looking up; walls hide nothing, outside the map is
  wall. `direction`: one-hot, right, down, left, up.
**actions** turn left, turn right, go forward (0 to 2); any others do nothing but take a step.
**reward** `1 - 0.9 * step / max_steps` for going forward into the goal (1 if time is not
  penalised), else 0.
**ends** terminates at the goal, which the agent never stands on; truncates after `max_steps`.
**hidden** where the view does not reach; where the agent stands.
**task** a `Maze`. All the luck is in it: no key is used.
**reference** Dennis et al., Emergent Complexity and Zero-shot Transfer via Unsupervised Environment
  Design, 2020, as in Jiang et al., minimax, 2023.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int32, Key

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import TaskError
from meadow.core.places import read
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition
from meadow.envs.xland.batched import batched
from meadow.tasks.maze.maze import FORWARD, LEFT, RIGHT, Maze


class State(eqx.Module):
    """A moment of an episode; the map is the task's.

    Attributes:
        position: the agent's cell, (y, x).
        direction: where it looks: 0 right, 1 down, 2 left, 3 up.
        step: steps since the reset.
    """

    position: Int32[Array, "*batch 2"]
    direction: Int32[Array, "*batch"]
    step: Int32[Array, "*batch"]


class MazeWorld(AbstractEnvironment[Maze, State]):
    """The world of mazes of one size.

    Args:
        height, width: of every maze, inside the outer wall. A smaller one is `padded` to it.
        view_size: odd; cells the agent sees ahead and across.
        max_steps: the time limit; published tests give `2 * (height + 2) * (width + 2)`.
        penalise_time: whether a later success is worth less.
        actions: at least 3; other libraries have 7, of which the last four do nothing.

    Raises:
        TaskError: a view without a middle, no time, or too few actions.
    """

    height: int = eqx.field(static=True, default=13)
    width: int = eqx.field(static=True, default=13)
    view_size: int = eqx.field(static=True, default=5)
    max_steps: int = eqx.field(static=True, default=250)
    penalise_time: bool = eqx.field(static=True, default=True)
    actions: int = eqx.field(static=True, default=3)

    def __check_init__(self) -> None:
        if self.view_size < 1 or self.view_size % 2 == 0:
            raise TaskError(
                "`view_size` must be odd, so that the agent stands in the middle of the bottom "
                f"row; got {self.view_size}."
            )
        for name, least in {"height": 1, "width": 1, "max_steps": 1, "actions": 3}.items():
            if getattr(self, name) < least:
                raise TaskError(f"`{name}` must be at least {least}, got {getattr(self, name)}.")

    @property
    def action_spec(self) -> Discrete:
        """Turn left, turn right, go forward, and those that do nothing."""
        return Discrete(self.actions)

    def reset(self, task: Maze, *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """Where the maze says; deterministic, `key` is not used.

        Raises:
            TaskError: the maze has another size (while tracing).
        """
        del key
        if task.walls.shape != (self.height, self.width):
            raise TaskError(
                f"Expected a maze of {self.height}x{self.width}, got walls of shape "
                f"{task.walls.shape}. Give the environment the size of its mazes, or fill a "
                "smaller one up: `meadow.tasks.maze.text.padded(maze, height, width)`."
            )
        state = State(task.position, task.direction, jnp.int32(0))
        return state, restart(self._observe(state, task))

    def step(
        self, state: State, task: Maze, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Turn or go; deterministic, `key` is not used."""
        del key
        return batched(self._once, state, task, action)

    def _once(self, state: State, task: Maze, action: Array) -> tuple[State, TimeStep]:
        turned = (action == RIGHT).astype(jnp.int32) - (action == LEFT)
        direction = (state.direction + turned) & 3
        front = state.position + jnp.stack(_forward(direction), -1)
        goes = action == FORWARD
        done = goes & (front == task.goal).all(-1)
        free = ~walled(task.walls, front[..., 0], front[..., 1])
        moved = (goes & free & ~done)[..., None]
        state = State(jnp.where(moved, front, state.position), direction, state.step + 1)
        late = 0.9 * (state.step / self.max_steps) if self.penalise_time else 0.0
        return state, transition(
            jnp.where(done, 1.0 - late, 0.0),
            self._observe(state, task),
            terminated=done,
            truncated=state.step == self.max_steps,
        )

    def _observe(self, state: State, task: Maze) -> dict[str, Array]:
        direction = jax.nn.one_hot(state.direction, 4)
        return {"view": view(state, task, self.view_size), "direction": direction}


def _forward(direction: Int[Array, "*batch"]) -> tuple[Int[Array, "*batch"], Int[Array, "*batch"]]:
    """One step in that direction, (y, x), computed: that costs less than a look-up of each."""
    y = (direction == 1).astype(jnp.int32) - (direction == 3)
    return y, (direction == 0).astype(jnp.int32) - (direction == 2)


def walled(
    walls: Bool[Array, "*batch height width"], y: Int[Array, "..."], x: Int[Array, "..."]
) -> Bool[Array, "..."]:
    """Whether cells are walls, as all outside the map are; a batch's axis leads in `y` and `x`.

    All maps are read as one row, and what lies outside is masked: a margin would have to be laid
    round every map in every step.
    """
    height, width = walls.shape[-2:]
    inside = (y.astype(jnp.uint32) < height) & (x.astype(jnp.uint32) < width)  # -1 is large
    cell = jnp.where(inside, y * width + x, 0)
    if walls.ndim == 3:
        origin = jnp.arange(len(walls), dtype=jnp.int32) * (height * width)
        cell = cell + origin.reshape(-1, *(1,) * (y.ndim - 1))
    return ~inside | read(walls.reshape(-1), cell)


def view(state: State, task: Maze, size: int) -> Bool[Array, "*batch size size 2"]:
    """Walls and goal ahead of the agent, who stands at the bottom centre and looks up.

    View cell (i, j) is `forward * (size - 1 - i) + right * (j - size // 2)` from the agent.
    """
    forward_y, forward_x = _forward(state.direction)
    y, x = state.position[..., 0], state.position[..., 1]
    goal_y, goal_x = task.goal[..., 0], task.goal[..., 1]
    # In one block because that is computed once; apart they would be again for every cell.
    block = jnp.stack([y, x, forward_y, forward_x, goal_y, goal_x])
    y, x, forward_y, forward_x, goal_y, goal_x = block[..., None, None]
    ahead = jnp.asarray(np.arange(size - 1, -1, -1)[:, None], jnp.int32)
    across = jnp.asarray(np.arange(size) - size // 2, jnp.int32)
    y, x = y + forward_y * ahead + forward_x * across, x + forward_x * ahead - forward_y * across
    return jnp.stack([walled(task.walls, y, x), (y == goal_y) & (x == goal_x)], -1)
