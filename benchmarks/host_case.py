"""What `bench_agents.py` times of agents whose environments are Gymnasium's: acting, learning and
everything between, beside stable-baselines3.

Equal on both sides: the environments, all in this process and without Gymnasium's checker; steps,
passes, batches, and every width; Adam and its rate; single steps are shuffled. Numbers are that
library's defaults, which for PPO are 2,048 steps of 8 environments and 10 passes in batches of 64.
Neither side watches episodes: no `Monitor`, no log, nothing written.

PPO: policy and value have networks of 64 and 64 of their own. All hidden layers have a ReLU; the
library's default, tanh, takes longer. Both judge the true last observation of an episode that a
time limit cut, and scale gradients down together.

SAC: a pendulum, policy and two critics of 256 and 256, one update from 256 transitions for every
step, a temperature that moves, a ring of a million. The peer has three optimisers, ours has one.
`bare update` is the learner's update alone, compiled, of one batch again and again: what no loop
around it can undercut.
"""

import dataclasses
import functools
import os
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import jax.random as jr

from meadow.agents.ppo import PPO
from meadow.agents.sac import SAC
from meadow.core.learner import AbstractLearner
from meadow.curricula.uniform import Uniform
from meadow.envs import pendulum
from meadow.interop.host.named import host
from meadow.loops.inline import Inline
from meadow.loops.iteration import Experiment, begin, collect
from meadow.loops.rehearsal import Rehearsal
from meadow.recipes.agents import FLAT
from meadow.replay.limiter import Limiter
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial
from meadow.tasks.only import Only

LIVES, STEPS, EPOCHS, BATCH = 8, 2048, 10, 64  # of PPO
PENDULUM_STEPS, LEAST, RING, DRAWN = 200, 100, 1_000_000, 256  # of a timed call of SAC
BARE = "bare update"


class Ours:
    """An inline run, one call after another."""

    def __init__(self, name: str, lives: int, learner: AbstractLearner, length: int, **kept: Any):
        self.units = kept.pop("steps", lives * length)
        self._host = host(name, lives)
        tasks, trial = Uniform(Only(0)), Trial(episodes=1)
        self._inline = Inline(
            Experiment(self._host.environment, tasks, learner, trial, lives, length, **kept),
            self._host,
        )
        self._progress = self._inline.begin(key=jr.key(0))

    def run(self) -> None:
        chunks = self.units // self._inline.experiment.steps
        progress, _ = self._inline.run(self._progress, chunks)
        self._progress = jax.block_until_ready(progress)


class Theirs:
    """A model of the peer's, one call of `learn` after another."""

    def __init__(self, algorithm: str, name: str, lives: int, units: int, **settings: Any):
        import stable_baselines3
        import torch
        from stable_baselines3.common.vec_env import DummyVecEnv

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        make = functools.partial(gymnasium.make, name, disable_env_checker=True)
        self.units = units
        self._model = getattr(stable_baselines3, algorithm)(
            "MlpPolicy", DummyVecEnv([make] * lives), device="cpu", **settings
        )

    def run(self) -> None:
        self._model.learn(self.units, log_interval=None, reset_num_timesteps=False)


class Update:
    """The learner's update alone, of one batch."""

    units = PENDULUM_STEPS

    def __init__(self, learner: AbstractLearner):
        rod = pendulum.Pendulum()
        experiment = Experiment(
            rod, Uniform(Only(jnp.array(pendulum.STANDARD))), learner, Trial(episodes=1), DRAWN, 1
        )
        progress = begin(experiment, key=jr.key(0))
        tasks = jnp.broadcast_to(jnp.array(pendulum.STANDARD), (DRAWN, len(pendulum.STANDARD)))
        agent = learner.agent(progress.learner)
        _, batch = collect(experiment, agent, progress.life, tasks, key=jr.key(1))
        self._state, structure = jax.tree.flatten(progress.learner)

        def update(leaves: list[jax.Array], key: jax.Array) -> list[jax.Array]:
            state = jax.tree.unflatten(structure, leaves)
            return jax.tree.leaves(learner.update(state, batch, key=key)[0])

        self._update = jax.jit(update, donate_argnums=0)
        self._keys = list(jr.split(jr.key(2), self.units))

    def run(self) -> None:
        for key in self._keys:
            self._state = self._update(self._state, key)
        jax.block_until_ready(self._state)


def meadow_ppo() -> Ours:
    plan = dataclasses.replace(FLAT, apart=True)
    learner = PPO(plan, entropy=0.0, value_clip=None, learning_rate=3e-4, epochs=EPOCHS,
                  minibatches=LIVES * STEPS // BATCH, stretch=1)  # fmt: skip
    return Ours("gymnasium:CartPole-v1", LIVES, learner, STEPS)


def sb3_ppo() -> Theirs:
    import torch

    how = {"activation_fn": torch.nn.ReLU}
    return Theirs("PPO", "CartPole-v1", LIVES, LIVES * STEPS, policy_kwargs=how)


def meadow_sac() -> Ours:
    kept = Rehearsal(Replay(RING), DRAWN, Limiter.ratio_of(float(DRAWN), LEAST))
    return Ours("gymnasium:Pendulum-v1", 1, SAC(), 1, rehearsal=kept, steps=PENDULUM_STEPS)


def sb3_sac() -> Theirs:
    return Theirs("SAC", "Pendulum-v1", 1, PENDULUM_STEPS)


def bare_sac() -> Update:
    return Update(SAC())
