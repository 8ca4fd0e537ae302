"""PPO learns from what it is told: the goal says which tile to take, the rules what makes it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Int, Key

from meadow.agents.ppo import PPO
from meadow.core.environment import AbstractEnvironment
from meadow.core.spec import Discrete
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import TimeStep, restart, transition
from meadow.curricula.uniform import Uniform
from meadow.evaluation.trials import lived
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.nn.plan import Plan
from meadow.rollout.life import Trial
from meadow.tasks import kinds
from meadow.tasks.grid import GridTask
from meadow.tasks.tiles import pack

SHELF = np.array([pack("ball", c) for c in ("red", "green", "blue", "pink")], np.uint8)
NUM_TASKS, ITERATIONS = 512, 300


class Orders(AbstractTaskSpace[GridTask]):
    """Hold a tile of the shelf; or make it, where one of two rules makes it of another tile and
    the other rule makes something else of it."""

    def sample(self, *, key: Key[Array, ""]) -> GridTask:
        keys = jr.split(key, 3)
        wanted, given, other = jnp.asarray(SHELF)[jr.permutation(keys[0], 4)[:3]]
        rows = [[kinds.HOLD, given, 0, wanted], [kinds.HOLD, wanted, 0, other]]
        rules = jr.permutation(keys[1], jnp.array(rows, jnp.uint8))
        rules = jnp.where(jr.bernoulli(keys[2]), rules, 0).astype(jnp.uint8)
        goal = jnp.array([kinds.HOLD, wanted, 0, 0, 0], jnp.uint8)
        return GridTask(goal, rules, jnp.asarray(SHELF))


class Shelf(AbstractEnvironment[GridTask, Int[Array, ""]]):
    """One step: take one of four tiles; the right one is paid 1. Whoever is told nothing gets 1/4,
    whoever looks at the goal alone 2/3 at best."""

    @property
    def action_spec(self) -> Discrete:
        return Discrete(len(SHELF))

    def reset(self, task: GridTask, *, key: Any) -> tuple[Int[Array, ""], TimeStep]:
        return jnp.int32(0), restart(self._shown(task))

    def step(
        self, state: Int[Array, ""], task: GridTask, action: Int[Array, ""], *, key: Any
    ) -> tuple[Int[Array, ""], TimeStep]:
        makes = (task.rules[:, 3] == task.goal[1]) & (task.rules[:, 0] != 0)
        right = jnp.where(makes.any(), task.rules[jnp.argmax(makes), 1], task.goal[1])
        paid = jnp.asarray(SHELF)[action] == right
        return state + 1, transition(paid, self._shown(task), terminated=True)

    def _shown(self, task: GridTask) -> dict[str, Array]:
        return {"view": jnp.zeros((1, 1), jnp.uint8), "goal": task.goal, "rules": task.rules}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_goal_and_rules_say_which_tile_to_take(precision):
    environment, space = Shelf(), Orders()
    learner = PPO(
        Plan(channels=(), features=32, aside=4, memory=16, heads=0, tiles=13, precision=precision),
        learning_rate=5e-3,
        value_clip=None,
        updates=ITERATIONS,
        minibatches=2,
    )
    experiment = Experiment(environment, Uniform(space), learner, Trial(episodes=1), 128, 8)
    run = Compiled(experiment)
    state = run.run(run.begin(key=jr.key(0)), ITERATIONS)[0].learner
    agent = dataclasses.replace(learner.agent(state), greedy=True)
    tasks = jax.vmap(lambda key: space.sample(key=key))(jr.split(jr.key(1), NUM_TASKS))
    paid = np.asarray(lived(environment, agent, tasks, 1, key=jr.key(2)).returns[:, 0])
    made = np.asarray((tasks.rules != 0).any(axis=(1, 2)))
    assert paid[~made].mean() == 1, "without rules it takes the goal's tile"
    assert paid[made].mean() > 0.95, "and with rules what becomes it"
