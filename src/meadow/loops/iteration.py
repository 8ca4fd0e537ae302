"""One iteration: choose, live, learn, tell. The loop of this library, written once.

An `Experiment` is everything that does not change while a run goes on, `Progress` everything that
does. Progress is the checkpoint: resuming, branching and repeating are the same operation.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.core.curriculum import AbstractCurriculum, Ticket
from meadow.core.environment import AbstractEnvironment
from meadow.core.learner import AbstractLearner
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.rollout.life import Life, Trial, unborn
from meadow.rollout.live import Living

Metrics = dict[str, Float[Array, "..."]]


class Experiment(eqx.Module):
    """What is run: who lives where, for how long, and who learns from it.

    Attributes:
        environment, curriculum, learner: one of each noun.
        trial: how long a task is lived.
        lives: how many live side by side.
        length: steps of each life between two updates of the learner.
    """

    environment: AbstractEnvironment
    curriculum: AbstractCurriculum
    learner: AbstractLearner
    trial: Trial
    lives: int = eqx.field(static=True)
    length: int = eqx.field(static=True)

    @property
    def steps(self) -> int:
        """Environment steps in one iteration."""
        return self.lives * self.length


class Progress(NamedTuple):
    """What a run has become.

    Attributes:
        learner, curriculum: their states.
        life: where everyone is.
        key: the luck not yet used.
        iteration: iterations done.
    """

    learner: PyTree
    curriculum: PyTree
    life: Life
    key: Key[Array, ""]
    iteration: Int[Array, ""]


Step = Callable[[Progress], tuple[Progress, Metrics]]
"""One iteration of a given experiment."""

Collect = Callable[..., tuple[Life, Trajectory]]
"""As `collect`."""


def begin(experiment: Experiment, *, key: Key[Array, ""]) -> Progress:
    """A run before its first iteration."""
    key_learner, key_curriculum, key_shape, key = jr.split(key, 4)
    curriculum = experiment.curriculum.init(key=key_curriculum)
    tasks = experiment.curriculum.sample(curriculum, experiment.lives, key=key_shape).tasks
    timestep = example(experiment.environment, jax.tree.map(lambda x: x[0], tasks))
    environment, learner = experiment.environment, experiment.learner
    state = learner.init(timestep, environment.action_spec, key=key_learner)
    life = unborn(environment, learner.agent(state), tasks)
    return Progress(state, curriculum, life, key, jnp.int32(0))


def example(environment: AbstractEnvironment, task: PyTree) -> TimeStep:
    """A blank time step as the environment shows them; nothing is run."""
    reset = jax.eval_shape(lambda: environment.reset(task, key=jr.key(0))[1])
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), reset)


def iterate(
    experiment: Experiment, progress: Progress, live: Collect | None = None
) -> tuple[Progress, Metrics]:
    """One iteration; `live` is how a placement collects, when it has a way of its own."""
    key, *keys = jr.split(progress.key, 4)
    ticket = choose(experiment, progress, key=keys[0])
    life, trajectory = (live or collect)(experiment, progress, ticket, key=keys[1])
    learner, curriculum, metrics = learn(experiment, progress, ticket, trajectory, key=keys[2])
    progress = Progress(learner, curriculum, life, key, progress.iteration + 1)
    return progress, metrics | lived(trajectory)


def choose(experiment: Experiment, progress: Progress, *, key: Key[Array, ""]) -> Ticket:
    """The curriculum offers every life a next task."""
    return experiment.curriculum.sample(progress.curriculum, experiment.lives, key=key)


def collect(
    experiment: Experiment, progress: Progress, ticket: Ticket, *, key: Key[Array, ""]
) -> tuple[Life, Trajectory]:
    """The agent lives a chunk."""
    living = Living(experiment.environment, experiment.trial)
    agent = experiment.learner.agent(progress.learner)
    return living.collect(agent, progress.life, ticket.tasks, experiment.length, key=key)


def learn(
    experiment: Experiment,
    progress: Progress,
    ticket: Ticket,
    trajectory: Trajectory,
    *,
    key: Key[Array, ""],
) -> tuple[PyTree, PyTree, Metrics]:
    """The learner takes the chunk in, and the curriculum hears how it went."""
    learner, metrics = experiment.learner.update(progress.learner, trajectory, key=key)
    scores = experiment.learner.score(progress.learner, trajectory)
    curriculum = experiment.curriculum.update(progress.curriculum, ticket, scores)
    return learner, curriculum, metrics


def lived(trajectory: Trajectory) -> Metrics:
    """What happened in a chunk: `return` is reward per finished episode, `success` the share of
    finished episodes that ended with the task done, `length` their steps (means over the chunk).
    """
    ended = trajectory.next.last()
    episodes = jnp.maximum(ended.sum(), 1)
    return {
        "return": trajectory.next.reward.sum() / episodes,
        "success": trajectory.next.terminated().sum() / episodes,
        "length": ended.size / episodes,
        "reward": trajectory.next.reward.mean(),
    }
