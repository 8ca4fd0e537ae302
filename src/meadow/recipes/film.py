"""Film: watch an agent live a trial, with what is hidden from it laid open."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.agent import AbstractAgent
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.film import film as write
from meadow.envs.xland.frame import Frame
from meadow.recipes.evaluate import AGENT, Report
from meadow.rollout.life import Trial, revive, unborn
from meadow.rollout.live import Living
from meadow.tasks.grid import GridTask


def film(
    environment: XLand,
    agent: AbstractAgent,
    task: GridTask,
    episodes: int,
    path: Path,
    *,
    key: Key[Array, ""],
) -> Path:
    """Film one trial of `task` into `path` (.gif, or .mp4 where that can be written)."""
    return write(environment, frames(environment, agent, task, episodes, key=key), path)


def frames(
    environment: XLand, agent: AbstractAgent, task: GridTask, episodes: int, *, key: Key[Array, ""]
) -> list[Frame]:
    """One trial, step by step."""
    living = Living(environment, Trial(episodes=episodes))
    tasks = jax.tree.map(lambda x: x[None], task)

    @eqx.filter_jit
    def step(life, agent, key):
        before = revive(environment, life, None, key=key)
        life, moment = living.live(agent, before, None, key=key)
        before, moment = (jax.tree.map(lambda x: x[0], tree) for tree in (before, moment))
        fired = environment.fired(before.state, task, moment.action)
        return life, before, fired, moment

    key, key_begin = jr.split(key)
    life = revive(environment, unborn(environment, agent, tasks), tasks, key=key_begin)
    told: list[Frame] = []
    while not life.over[0]:
        key, key_step = jr.split(key)
        life, before, fired, moment = jax.device_get(step(life, agent, key_step))
        episode = int(before.timestep.episode)
        if before.timestep.first():
            told.append(Frame(before.state, task, None, None, episode, 0.0))
        state = jax.tree.map(lambda x: x[0], life.state)
        reward = float(moment.next.reward)
        told.append(Frame(state, task, fired, int(moment.action), episode, reward))
    return told


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
