"""Recipe: a complete experiment as a dataclass; its fields are the options of `meadow train`.

Whether it is meta-learning is in its numbers. Many tasks, each lived for many steps with the memory
kept, make an agent that finds out what is hidden; a task of one episode is ordinary reinforcement
learning.
"""

import dataclasses

from meadow.agents.ppo import PPO
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.curricula.uniform import Uniform
from meadow.envs.published import make
from meadow.envs.xland.environment import XLand
from meadow.loops.iteration import Experiment
from meadow.rollout.life import Trial
from meadow.tasks.table import Split


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A complete experiment: change any field, of it or within it.

    Attributes:
        environment: the world.
        tasks: the space that tasks are drawn from.
        learner: how the agent improves.
        trial: how long a task is lived in training.
        lives: how many live side by side.
        length: steps of each between two updates.
        iterations: how many updates.
        held_out: share of different tasks kept for evaluation, below 1; 0 to train on them all.
        episodes: of a trial in evaluation.
        chunk: iterations between two lines of metrics.
        seed: of everything random.
    """

    environment: AbstractEnvironment
    tasks: AbstractTaskSpace
    learner: PPO
    trial: Trial
    lives: int
    length: int
    iterations: int
    held_out: float = 0.1
    episodes: int = 10
    chunk: int = 20
    seed: int = 0

    def space(self, *, held_out: bool) -> AbstractTaskSpace:
        """The tasks to learn from, or those held out; no goal with its rules is on both sides.

        Raises:
            TaskError: the tasks held out, where none are.
        """
        if self.held_out:
            return Split(self.tasks, held_out, self.held_out)
        if held_out:
            raise TaskError(
                "This recipe holds no tasks out: it was trained on all it can draw. Judge it on "
                "those (`--tasks-from training`), or train one with `--held-out 0.1`."
            )
        return self.tasks

    def experiment(self) -> Experiment:
        """What the loop runs."""
        return Experiment(
            environment=self.environment,
            curriculum=Uniform(self.space(held_out=False)),
            learner=dataclasses.replace(self.learner, updates=self.iterations),
            trial=self.trial,
            lives=self.lives,
            length=self.length,
        )

    def elsewhere(self, world: str) -> "Recipe":
        """The same recipe in a published environment, with the tasks that come with it.

        Only tasks with a goal and rules can be held out; of others all are trained on.

        Raises:
            UnknownNameError: no such environment.
        """
        environment, tasks = make(world, observe=getattr(self.environment, "observe", ()))
        held_out = self.held_out if isinstance(environment, XLand) else 0.0
        return dataclasses.replace(self, environment=environment, tasks=tasks, held_out=held_out)

    @property
    def steps(self) -> int:
        """Environment steps in the whole run."""
        return self.iterations * self.lives * self.length
