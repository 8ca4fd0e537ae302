"""Placing: a maze is built wall by wall, then its goal, then where the agent begins.

**observation** a dict. `view`: bool `[height + 2, width + 2, 3]`, where walls, goal and agent are
  so far, within an outer wall. `time`: which step comes next, one-hot; all zero after the last.
  `noise`: uniform in [0, 1), so that not every maze is the same.
**actions** a cell, row by row. For the direction the cells are four equal parts, in the maze's
  order; for the budget a share of `num_walls`.
**reward** none.
**ends** terminates with the last edit.
**hidden** the direction, where it is not chosen.
**task** `()`.
**reference** Dennis et al., PAIRED, 2020, in the form of Jiang et al., minimax, 2023.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Int32, Key

from meadow.core.editor import AbstractEditor
from meadow.core.errors import TaskError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition
from meadow.tasks.maze.maze import Maze
from meadow.tasks.minigrid.chance import below, cut, one_of

Plane = Bool[Array, "height width"]
Cell = Int[Array, "2"]
Luck = Float[Array, "height width"]


class Draft(eqx.Module):
    """A maze being built.

    Attributes:
        maze: as far as it is; goal and agent mean nothing before they are placed.
        budget: how many of the wall steps place one.
        time: steps taken.
        noise: what was seen of it last.
    """

    maze: Maze
    budget: Int32[Array, ""]
    time: Int32[Array, ""]
    noise: Float[Array, "noise"]


class Placing(AbstractEditor[Draft]):
    """`num_walls` steps that each place a wall, one for the goal, one for the agent.

    An agent put on the goal stands on a random free cell instead.

    Args:
        height, width: of the maze.
        num_walls: at most; the maze keeps at least two free cells.
        replace: an occupied cell may be chosen: walls collapse, and goal and agent remove the wall
            under them. Otherwise a random free cell is taken instead of an occupied one.
        budget: a first step chooses how many walls there are; the later wall steps do nothing.
        choose_direction: a last step chooses where the agent looks; it is random otherwise.
        noise_dim: how many numbers of noise are seen.
        redraw: noise is new in every step; otherwise in every episode.

    Raises:
        TaskError: more walls than fit.
    """

    height: int = eqx.field(static=True, default=13)
    width: int = eqx.field(static=True, default=13)
    num_walls: int = eqx.field(static=True, default=60)
    replace: bool = eqx.field(static=True, default=True)
    budget: bool = eqx.field(static=True, default=False)
    choose_direction: bool = eqx.field(static=True, default=False)
    noise_dim: int = eqx.field(static=True, default=50)
    redraw: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        room = self.height * self.width - 2
        if not 0 <= self.num_walls <= room:
            raise TaskError(
                f"`Placing` has room for 0 to {room} walls on {self.height}x{self.width} cells, "
                f"got {self.num_walls=}: goal and agent need one each."
            )

    @property
    def length(self) -> int:
        """Steps of an episode."""
        return self.budget + self.num_walls + 2 + self.choose_direction

    @property
    def action_spec(self) -> Discrete:
        """One of the cells."""
        return Discrete(self.height * self.width)

    def reset(self, task: tuple[()], *, key: Key[Array, ""]) -> tuple[Draft, TimeStep]:
        """An empty map, neither goal nor agent on it."""
        noise, (turn,) = cut(jr.uniform(key, (self.noise_dim + 1,)), (self.noise_dim,), (1,))
        walls = jnp.zeros((self.height, self.width), bool)
        maze = Maze(walls, (0, 0), (0, 0), below(turn, 4))
        state = Draft(maze, jnp.int32(self.num_walls), jnp.int32(0), noise)
        return state, restart(self._observe(state))

    def step(
        self, state: Draft, task: tuple[()], action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[Draft, TimeStep]:
        """Place what this step is for."""
        shapes = (self.noise_dim,), (self.height, self.width)
        noise, luck = cut(jr.uniform(key, (self.noise_dim + self.action_spec.num,)), *shapes)
        budget = state.budget
        if self.budget:
            share = jnp.round(self.num_walls * action / self.action_spec.num).astype(jnp.int32)
            budget = jnp.where(state.time == 0, share, budget)
        maze = self._edit(state, action, luck)
        state = Draft(maze, budget, state.time + 1, noise if self.redraw else state.noise)
        ended = state.time == self.length
        return state, transition(0.0, self._observe(state), terminated=ended)

    def built(self, state: Draft) -> Maze:
        """The maze; before they are placed, goal and agent are on the first cells that are free."""
        maze, (has_goal, has_agent) = state.maze, self._placed(state)
        goal = jnp.where(has_goal, maze.goal, _first(~maze.walls))
        agent = jnp.where(has_agent, maze.position, _first(~maze.walls & ~mark(goal, maze.walls)))
        return Maze(maze.walls, goal, agent, maze.direction)

    def _placed(self, state: Draft) -> tuple[Bool[Array, ""], Bool[Array, ""]]:
        """Whether the goal is there, and whether the agent is."""
        walls = self.budget + self.num_walls
        return state.time > walls, state.time > walls + 1

    def _edit(self, state: Draft, action: Int[Array, ""], luck: Luck) -> Maze:
        """The maze after this step's edit; luck decides where a random cell is taken."""
        maze, step = state.maze, state.time - self.budget
        is_wall = (step >= 0) & (step < state.budget)
        is_goal, is_agent = step == self.num_walls, step == self.num_walls + 1

        cell = jnp.stack(jnp.divmod(action, self.width))
        on_goal = is_agent & (cell == maze.goal).all()
        occupied = maze.walls | (mark(maze.goal, maze.walls) & is_agent)
        collides = on_goal if self.replace else occupied[cell[0], cell[1]]
        cell = jnp.where(collides, one_of(luck, ~occupied), cell)

        here = mark(cell, maze.walls)
        walls = (maze.walls | (here & is_wall)) & ~(here & (is_goal | is_agent))
        direction = maze.direction
        if self.choose_direction:
            chosen = 4 * action // self.action_spec.num
            direction = jnp.where(step == self.num_walls + 2, chosen, direction)
        return Maze(
            walls,
            jnp.where(is_goal, cell, maze.goal),
            jnp.where(is_agent, cell, maze.position),
            direction,
        )

    def _observe(self, state: Draft) -> dict[str, Array]:
        maze, (has_goal, has_agent) = state.maze, self._placed(state)
        goal = mark(maze.goal, maze.walls) & has_goal
        agent = mark(maze.position, maze.walls) & has_agent
        return seen(maze.walls, goal, agent) | told(state.time, self.length, state.noise)


def mark(cell: Cell, like: Plane) -> Plane:
    """A map on which only `cell` is true."""
    return jnp.zeros_like(like).at[cell[0], cell[1]].set(True)


def seen(walls: Plane, goal: Plane, agent: Plane) -> dict[str, Array]:
    """What an editor sees of its maze."""
    planes = jnp.pad(walls, 1, constant_values=True), jnp.pad(goal, 1), jnp.pad(agent, 1)
    return {"view": jnp.stack(planes, -1)}


def told(time: Int[Array, ""], length: int, noise: Float[Array, "noise"]) -> dict[str, Array]:
    """What else it observes."""
    return {"time": jax.nn.one_hot(time, length), "noise": noise}


def _first(free: Plane) -> Cell:
    """The first free cell."""
    return jnp.stack(jnp.divmod(jnp.argmax(free), free.shape[1]))
