"""Edits: one small change of a maze, for curricula that mutate what they keep.

After an edit the maze is well formed and at most one wall came or went. Where an edit does not fit
(there is no free cell left) nothing changes.

References: "minimax" is the default of Jiang et al., minimax, 2023; "cells" that of the level
editors of Parker-Holder et al., Evolving Curricula with Regret-Based Environment Design, 2022, as
in Coward et al., JaxUED, 2024, which may replace anything by anything.
"""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int, Key

from meadow.tasks.maze.maze import Maze
from meadow.tasks.minigrid.chance import below, cut, one_of

_STAY, _FLIP, _MOVE = range(3)
_FREE, _WALL, _AGENT, _GOAL = range(4)


def minimax(maze: Maze, *, key: Key[Array, ""]) -> Maze:
    """Nothing, a wall put or taken anywhere but at agent and goal, or the goal moved; a third each.

    The goal moves to another free cell.
    """
    height, width = maze.walls.shape
    choice, luck = cut(jr.uniform(key, (1 + height * width,)), (), (height, width))
    edit = below(choice, 3)
    taken = _at(maze, maze.position) | _at(maze, maze.goal)
    allowed = jnp.where(edit == _MOVE, ~maze.walls, True) & ~taken
    cell, fits = one_of(luck, allowed), allowed.any()
    walls = maze.walls ^ (_at(maze, cell) & fits & (edit == _FLIP))
    goal = jnp.where(fits & (edit == _MOVE), cell, maze.goal)
    return Maze(walls, goal, maze.position, maze.direction)


def cells(maze: Maze, *, key: Key[Array, ""]) -> Maze:
    """A random cell becomes free, wall, agent or goal; who was there goes to a random free cell."""
    height, width = maze.walls.shape
    what, where, luck = cut(jr.uniform(key, (2 + height * width,)), (), (), (height, width))
    what = below(what, 4)
    cell = jnp.stack(jnp.divmod(below(where, height * width), width))
    here = _at(maze, cell)
    walls = jnp.where(here, what == _WALL, maze.walls)

    def put(thing: int, before: Int[Array, "2"]) -> tuple[Array, Array]:
        """Where it is if it may stay, and whether it may not."""
        return jnp.where(what == thing, cell, before), (what != thing) & (before == cell).all()

    position, no_agent = put(_AGENT, maze.position)
    goal, no_goal = put(_GOAL, maze.goal)
    # At most one of the two is displaced; the other is where it is.
    allowed = ~(walls | here | _at(maze, position) | _at(maze, goal))
    other = one_of(luck, allowed)
    edited = Maze(
        walls,
        jnp.where(no_goal, other, goal),
        jnp.where(no_agent, other, position),
        maze.direction,
    )
    fits = allowed.any() | ~(no_agent | no_goal)
    return jax.tree.map(lambda new, old: jnp.where(fits, new, old), edited, maze)


EDITS = {"minimax": minimax, "cells": cells}


def _at(maze: Maze, cell: Int[Array, "2"]) -> Bool[Array, "height width"]:
    """True in one cell only."""
    height, width = maze.walls.shape
    return (jnp.arange(height)[:, None] == cell[0]) & (jnp.arange(width) == cell[1])
