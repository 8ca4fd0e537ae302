"""Toggling: a maze is built from an empty one, and what was placed can be taken away again.

**observation** as in `meadow.envs.maze.editor`; goal and agent are on the map from the first.
**actions** a cell, row by row. The first moves the goal there, the second turns the agent (the
  cell's number modulo 4), the third moves the agent there; every later one builds a wall, or takes
  it away, where neither of the two is.
**reward** none.
**ends** terminates with the last edit.
**hidden** where the agent looks.
**task** `()`.
**reference** Coward et al., JaxUED, 2024.
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Int32, Key

from meadow.core.editor import AbstractEditor
from meadow.core.errors import TaskError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition
from meadow.envs.maze.editor import Luck, mark, seen, told
from meadow.tasks.maze.maze import Maze
from meadow.tasks.minigrid.chance import cut, one_of

_GOAL, _TURN, _AGENT = range(3)


class State(eqx.Module):
    """A maze being built, well-formed at every step.

    Attributes:
        maze: as it stands.
        time: steps taken.
        noise: what was seen of it last.
    """

    maze: Maze
    time: Int32[Array, ""]
    noise: Float[Array, "noise"]


class Toggling(AbstractEditor[State]):
    """Goal, direction, agent, and then walls that come and go.

    An agent put on the goal stands on a random cell instead.

    Args:
        height, width: of the maze.
        edits: steps of an episode, at least 3.
        noise_dim: how many numbers of noise are seen.
        redraw: noise is new in every step; otherwise in every episode.

    Raises:
        TaskError: too few steps to place goal and agent, or too few cells for both.
    """

    height: int = eqx.field(static=True, default=13)
    width: int = eqx.field(static=True, default=13)
    edits: int = eqx.field(static=True, default=50)
    noise_dim: int = eqx.field(static=True, default=50)
    redraw: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.edits < 3 or self.height * self.width < 2:
            raise TaskError(
                "`Toggling` needs at least 3 steps and 2 cells, for goal, direction and agent, got "
                f"{self.edits=}, {self.height=}, {self.width=}."
            )

    @property
    def length(self) -> int:
        """Steps of an episode."""
        return self.edits

    @property
    def action_spec(self) -> Discrete:
        """One of the cells."""
        return Discrete(self.height * self.width)

    def reset(self, task: tuple[()], *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """No walls; the agent in the first corner, looking right, the goal in the last."""
        walls = jnp.zeros((self.height, self.width), bool)
        maze = Maze(walls, (self.height - 1, self.width - 1), (0, 0), 0)
        state = State(maze, jnp.int32(0), jr.uniform(key, (self.noise_dim,)))
        return state, restart(self._observe(state))

    def step(
        self, state: State, task: tuple[()], action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Edit the maze once."""
        shapes = (self.noise_dim,), (self.height, self.width)
        noise, luck = cut(jr.uniform(key, (self.noise_dim + self.action_spec.num,)), *shapes)
        maze = self._edit(state, action, luck)
        state = State(maze, state.time + 1, noise if self.redraw else state.noise)
        ended = state.time == self.length
        return state, transition(0.0, self._observe(state), terminated=ended)

    def built(self, state: State) -> Maze:
        """The maze as it stands."""
        return state.maze

    def _edit(self, state: State, action: Int[Array, ""], luck: Luck) -> Maze:
        maze, time = state.maze, state.time
        cell = jnp.stack(jnp.divmod(action, self.width))
        at_goal, at_agent = mark(maze.goal, maze.walls), mark(maze.position, maze.walls)

        # A goal put on the agent changes places with it.
        goal = jnp.where(time == _GOAL, cell, maze.goal)
        beside = jnp.where((goal == maze.position).all(), maze.goal, maze.position)
        elsewhere = one_of(luck, ~at_goal)
        moved = jnp.where((cell == maze.goal).all(), elsewhere, cell)
        toggled = mark(cell, maze.walls) & ~at_goal & ~at_agent & (time > _AGENT)
        return Maze(
            maze.walls ^ toggled,
            goal,
            jnp.where(time == _AGENT, moved, beside),
            jnp.where(time == _TURN, action % 4, maze.direction),
        )

    def _observe(self, state: State) -> dict[str, Array]:
        maze = state.maze
        goal, agent = (mark(cell, maze.walls) for cell in (maze.goal, maze.position))
        return seen(maze.walls, goal, agent) | told(state.time, self.length, state.noise)
