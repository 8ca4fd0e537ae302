"""Film: watch an agent live a trial, with what is hidden from it laid open.

For any agent in any grid environment: XLand, MiniGrid, several mixed, their pictures.
"""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.timestep import StepType
from meadow.envs.xland.advance import State
from meadow.envs.xland.film import film as write
from meadow.envs.xland.frame import Frame
from meadow.envs.xland.mixed import Mixed
from meadow.envs.xland.pixels import Pixels
from meadow.envs.xland.world import World
from meadow.evaluation.trials import opening
from meadow.recipes.evaluate import AGENT, Report
from meadow.rollout.life import Life, Trial
from meadow.rollout.live import Living


def film(
    environment: AbstractEnvironment,
    agent: AbstractAgent,
    tasks: PyTree,
    number: int,
    episodes: int,
    path: Path,
    *,
    key: Key[Array, ""],
) -> Path:
    """Film a trial into `path` (.gif, or .mp4 where that can be written).

    Args:
        tasks: a batch.
        number: which of them. With the batch and the key of an evaluation it is that very trial.
    """
    told = frames(environment, agent, tasks, number, episodes, key=key)
    return write(stage(environment, task_at(tasks, number)), told, path)


def frames(
    environment: AbstractEnvironment,
    agent: AbstractAgent,
    tasks: PyTree,
    number: int,
    episodes: int,
    *,
    key: Key[Array, ""],
) -> list[Frame]:
    """One trial, step by step; arguments as for `film`."""
    living = Living(environment, Trial(episodes=episodes))
    task, grid = task_at(tasks, number), bare(environment)

    @eqx.filter_jit
    def step(life: Life, agent: AbstractAgent, key: Key[Array, ""]) -> tuple:
        before = living.ready(life, None, key=key)
        life, moment = living.live(agent, before, None, key=key)
        fired = grid.fired(one(before).state, task, one(moment).action)
        return life, one(before), fired, one(moment)

    life = opening(environment, agent, tasks, key=key)
    life = jax.tree.map(lambda x: x[number : number + 1], life)
    told: list[Frame] = []
    time = 0
    while not life.over[0]:
        time += 1
        life, before, fired, moment = jax.device_get(step(life, agent, jr.fold_in(key, time)))
        episode = int(before.timestep.episode)
        if before.timestep.step_type == StepType.FIRST:
            told.append(Frame(*own(grid, before.state, task), None, None, episode, 0.0))
        state, timestep = one(life).state, one(life).timestep
        what = fired, int(moment.action), episode, float(moment.next.reward)
        told.append(
            Frame(*own(grid, state, task), *what, bool(timestep.step_type >= StepType.LAST))
        )
    return told


def bare(environment: AbstractEnvironment) -> Any:
    """The environment whose states are boards, without what shows them as pictures.

    Raises:
        SpecError: it has no boards.
    """
    while isinstance(environment, Pixels):
        environment = environment.environment
    if not isinstance(environment, World | Mixed):
        raise SpecError(
            f"There is no film of {type(environment).__name__}: only grid worlds with objects are "
            "filmed. What a curriculum chose is drawn in the run's folder, `plots/`."
        )
    return environment


def stage(environment: AbstractEnvironment, task: PyTree) -> World:
    """The one environment that a task is lived in."""
    grid = bare(environment)
    return grid.environments[int(task.environment)] if isinstance(grid, Mixed) else grid


def own(grid: Any, state: State, task: PyTree) -> tuple[State, PyTree]:
    """A state and a task as the stage knows them."""
    return grid.member(state, task)[1:] if isinstance(grid, Mixed) else (state, task)


def one(batch: PyTree) -> PyTree:
    """The first of a batch."""
    return jax.tree.map(lambda x: x[0], batch)


def telling(report: Report) -> int:
    """The number of a task whose trial is worth watching: solved last, but not at once.

    Among those solved in every later half of the trial it takes the one where the agent saved most
    steps from the first episode to the last. It shows adaptation at its clearest, not its average.
    """
    outcome = report.outcomes[AGENT]
    half = outcome.success.shape[1] // 2
    steady = outcome.success[:, half:].all(axis=1)
    saved = outcome.lengths[:, 0] - outcome.lengths[:, half:].mean(axis=1)
    return int(np.argmax(np.where(steady, saved, -np.inf)))


def task_at(tasks: PyTree, index: int) -> PyTree:
    """One task of a batch."""
    return jax.tree.map(lambda x: jnp.asarray(x)[index], tasks)
