"""A client that knows nothing of us: stable-baselines3 learns through the Gymnasium door."""

from collections.abc import Callable

import gymnasium
import jax
import numpy as np
import pytest

from meadow.envs.xland.environment import XLand
from meadow.interop.gymnasium import Env
from meadow.tasks.grid import grid_task
from meadow.tasks.table import Table
from meadow.tasks.tiles import FLOOR, WALL, parse

NUM_STEPS, NUM_EPISODES = 16_384, 100
OBJECTS = ("red ball", "blue star")
SEEN = np.array([FLOOR, WALL, *map(parse, OBJECTS)])


def room() -> gymnasium.Env:
    """Pick up the ball, not the star; cells are shown one-hot, as a plain network needs them."""
    task = grid_task(goal=("agent_hold", "red ball"), objects=OBJECTS)
    environment = XLand("R1", 5, 5, view_size=3, max_steps=30)
    env = Env(environment, Table(jax.tree.map(lambda x: x[None], task)))
    shape = (environment.view_size**2 * len(SEEN),)
    return gymnasium.wrappers.TransformObservation(
        env,
        lambda shown: (shown["view"].reshape(-1, 1) == SEEN).ravel().astype(np.float32),
        gymnasium.spaces.Box(0.0, 1.0, shape, np.float32),
    )


def mean_return(act: Callable[[np.ndarray], int]) -> float:
    env, total = room(), 0.0
    for seed in range(NUM_EPISODES):
        shown, ended = env.reset(seed=seed)[0], False
        while not ended:
            shown, reward, terminated, truncated, _ = env.step(act(shown))
            total, ended = total + float(reward), terminated or truncated
    return total / NUM_EPISODES


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # theirs
def test_stable_baselines_learns():
    sb3 = pytest.importorskip(
        "stable_baselines3", reason="stable-baselines3 is not installed (extra `clients`)"
    )
    from stable_baselines3.common.env_util import make_vec_env

    luck = np.random.default_rng(0)
    random = mean_return(lambda shown: luck.integers(6))
    learner = sb3.PPO(
        "MlpPolicy",
        make_vec_env(room, n_envs=8, seed=0),
        n_steps=64,
        batch_size=256,
        n_epochs=8,
        learning_rate=1e-3,
        ent_coef=0.01,
        seed=0,
        device="cpu",
    )
    learner.learn(NUM_STEPS)
    learnt = mean_return(lambda shown: learner.predict(shown)[0])
    print(f"mean return of {NUM_EPISODES} episodes: random {random:.2f}, learnt {learnt:.2f}")
    assert learnt > 3 * random and learnt > 0.5, f"learnt {learnt:.2f}, random {random:.2f}"
