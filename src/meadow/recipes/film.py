"""Film: watch an agent live a trial, with what is hidden from it laid open."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.timestep import StepType
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.film import film as write
from meadow.envs.xland.frame import Frame
from meadow.evaluation.trials import opening
from meadow.recipes.evaluate import AGENT, Report
from meadow.rollout.life import Life, Trial
from meadow.rollout.live import Living
from meadow.tasks.grid import GridTask


def film(
    environment: XLand,
    agent: AbstractAgent,
    tasks: GridTask,
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
    return write(environment, frames(environment, agent, tasks, number, episodes, key=key), path)


def frames(
    environment: XLand,
    agent: AbstractAgent,
    tasks: GridTask,
    number: int,
    episodes: int,
    *,
    key: Key[Array, ""],
) -> list[Frame]:
    """One trial, step by step; arguments as for `film`."""
    living = Living(environment, Trial(episodes=episodes))
    task = task_at(tasks, number)

    @eqx.filter_jit
    def step(life: Life, agent: AbstractAgent, key: Key[Array, ""]) -> tuple:
        before = living.ready(life, None, key=key)
        life, moment = living.live(agent, before, None, key=key)
        fired = environment.fired(one(before).state, task, one(moment).action)
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
            told.append(Frame(before.state, task, None, None, episode, 0.0))
        reward = float(moment.next.reward)
        told.append(Frame(one(life).state, task, fired, int(moment.action), episode, reward))
    return told


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


def task_at(tasks: GridTask, index: int) -> GridTask:
    """One task of a batch."""
    return jax.tree.map(lambda x: jnp.asarray(x)[index], tasks)
