"""Rows: agents that learn a policy from what it did."""

import jax.numpy as jnp
from agents.case import Claim, learn, show

from meadow.agents.impala import IMPALA
from meadow.agents.lagged import Lagged
from meadow.agents.normalised import Normalised
from meadow.agents.ppo import PPO
from meadow.core.learner import AbstractLearner
from meadow.curricula.uniform import Uniform
from meadow.envs import cartpole, pendulum
from meadow.envs.catch import ANY, Catch
from meadow.loops.iteration import Experiment
from meadow.recipes.agents import FLAT, still
from meadow.rollout.life import Trial
from meadow.tasks.only import Only


def ppo() -> None:
    """PPO: a cart-pole in 100,000 steps."""
    learner = PPO(FLAT, learning_rate=2.5e-3, epochs=4, minibatches=4, value_clip=None, updates=195)
    experiment = Experiment(
        environment=cartpole.CartPole(),
        curriculum=Uniform(still(cartpole.NAMES, cartpole.STANDARD)),
        learner=learner,
        trial=Trial(episodes=1),
        lives=8,
        length=64,
    )
    claim = Claim("PPO balances a cart-pole within 100,000 steps", 475,
                  {"CartPole-v1, best possible": 500})  # fmt: skip
    show("ppo", claim, {"PPO": learn(experiment, 99_840, looks=13, paid=500)})


def ppo_continuous() -> None:
    """PPO with actions that are numbers: a pendulum in 400,000 steps."""
    learner = PPO(
        FLAT, gamma=0.95, learning_rate=1e-3, epochs=8, minibatches=4, entropy=0.0,
        value_clip=None, updates=390,
    )  # fmt: skip
    experiment = Experiment(
        environment=pendulum.Pendulum(),
        curriculum=Uniform(still(pendulum.NAMES, pendulum.STANDARD)),
        learner=Normalised(learner, returns=0.95),
        trial=Trial(episodes=1),
        lives=16,
        length=64,
    )
    claim = Claim("PPO swings a pendulum up within 400,000 steps", -250,
                  {"Pendulum-v1, usual for tuned PPO": -170})  # fmt: skip
    show("ppo_continuous", claim, {"PPO": learn(experiment, 399_360)})


def impala() -> None:
    """IMPALA: a policy eight updates old costs next to nothing."""

    def catch(learner: AbstractLearner) -> Experiment:
        return Experiment(
            environment=Catch(),
            curriculum=Uniform(Only(jnp.int32(ANY))),
            learner=learner,
            trial=Trial(episodes=1),
            lives=8,
            length=20,
        )

    learner = IMPALA(learning_rate=3e-3)
    runs = {f"lag {lag}": learn(catch(Lagged(learner, lag)), 99_840, looks=12) for lag in (8, 1)}
    gap = abs(runs["lag 8"]["return"][-1].mean() - runs["lag 1"]["return"][-1].mean())
    claim = Claim("V-trace makes up for a policy that is eight updates old", 0.7,
                  {"best possible": 1.0})  # fmt: skip
    show("impala", claim, runs, **{"within .1 of lag 1": bool(gap <= 0.1)})
