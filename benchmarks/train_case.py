"""What both sides of `bench_train.py` agree on, and our experiment of that size."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PyTree

from meadow.agents.ppo import PPO
from meadow.agents.random import Random
from meadow.curricula.uniform import Uniform
from meadow.envs.xland.environment import XLand
from meadow.loops.iteration import Experiment
from meadow.nn.plan import Plan
from meadow.rollout.life import Life, Trial, unborn
from meadow.rollout.live import Living
from meadow.tasks.trees import Trees

TRIAL = 4096  # steps of a task, the peer's default


@dataclasses.dataclass(frozen=True)
class Case:
    """What is equal on both sides.

    Attributes:
        layout, size: of the map.
        tasks: the published set both draw from; it fixes the number of rule slots.
        memory, heads: widths of the GRU and of the heads' hidden layers.
        lives, length: environments, and steps of each between two updates.
        minibatches, epochs: of an update.
        updates: in one repeat.
        repeats: of each side.
    """

    layout: str
    size: int
    tasks: str
    memory: int
    heads: int
    lives: int
    length: int
    minibatches: int = 16
    epochs: int = 1
    updates: int = 1
    repeats: int = 5

    @property
    def steps(self) -> int:
        """In one repeat."""
        return self.lives * self.length * self.updates


def experiment(case: Case) -> Experiment:
    """Our side of a case."""
    sizes = {"memory": case.memory, "heads": case.heads}
    plan = Plan(channels=(16, 32, 64), embedding=32, aside=16, tiles=13, **sizes)
    return Experiment(
        environment=XLand(case.layout, case.size, case.size, observe=("direction",)),
        curriculum=Uniform(Trees.published(case.tasks)),
        learner=PPO(plan, minibatches=case.minibatches, epochs=case.epochs, updates=100_000),
        trial=Trial(steps=TRIAL),
        lives=case.lives,
        length=case.length,
    )


def stagger(ours: Experiment, life: Life) -> Life:
    """Spread the lives over their episodes, so that every repeat sees its share of resets."""
    steps = jr.randint(jr.key(1), life.steps.shape, 0, ours.environment.time_limit)
    return eqx.tree_at(lambda life: life.state.step, life, steps)


def living_at_random(case: Case, length: int) -> tuple[Callable, Life]:
    """`length` steps of all lives with an agent that costs nothing, and where to begin."""
    ours = experiment(case)
    agent = Random(ours.environment.action_spec)
    living = Living(ours.environment, ours.trial)
    tasks = ours.curriculum.sample((), case.lives, key=jr.key(0)).tasks

    @jax.jit
    def live(life: Life, key: Array) -> tuple[Life, PyTree]:
        def step(life: Life, key: Array) -> tuple[Life, PyTree]:
            life, moment = living.live(agent, life, tasks, key=key)
            return life, jax.tree.map(jnp.sum, moment.next)

        return jax.lax.scan(step, life, jr.split(key, length))

    life, _ = live(unborn(ours.environment, agent, tasks), jr.key(0))
    return live, stagger(ours, life)
