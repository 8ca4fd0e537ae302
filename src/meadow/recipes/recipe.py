"""Recipe: a complete experiment as a dataclass; its fields are the options of `meadow train`.

Whether it is meta-learning is in its numbers. Many tasks, each lived for many steps with the memory
kept, make an agent that finds out what is hidden; a task of one episode is ordinary reinforcement
learning.
"""

import dataclasses
from typing import Annotated, Any, cast

import jax
import jax.random as jr
import tyro

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError, TaskError
from meadow.core.learner import AbstractLearner
from meadow.core.task import AbstractDesignSpace, AbstractTaskSpace
from meadow.envs.published import make
from meadow.envs.xland.pixels import Pixels
from meadow.loops.iteration import Experiment, spent, updated
from meadow.loops.rehearsal import Rehearsal
from meadow.recipes.choosing import Choosing, Place, choose
from meadow.recipes.outside import Outside, compiled, is_outside
from meadow.rollout.life import Trial
from meadow.tasks.grid import GridTask
from meadow.tasks.only import Numbered, Only
from meadow.tasks.rulesets import Rulesets, Within
from meadow.tasks.table import Split
from meadow.tasks.trees import Trees


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
        iterations: how many chunks are lived; without a store each is an update.
        held_out: share of different tasks kept for evaluation, below 1; 0 to train on them all.
        episodes: of a trial in evaluation.
        chunk: iterations between two lines of metrics.
        seed: of everything random.
        curriculum: how tasks are chosen: uniform, fresh, plr, robust-plr, parallel-plr, accel,
            parallel-accel, sfl, ncc, minimax, paired, population or repaired.
        choosing: its numbers.
        anew: whether `uniform` begins new lives in every iteration, as all that rank tasks do.
        rehearsal: learn from a store of what was lived; None to learn from each chunk as it comes.
        looks: how often over a run the agent is judged without its luck, and kept if it is the best
            so far (`meadow.recipes.looks`).
    """

    environment: AbstractEnvironment
    tasks: AbstractTaskSpace
    learner: AbstractLearner
    trial: Trial
    lives: int
    length: int
    iterations: int
    held_out: float = 0.1
    episodes: int = 10
    chunk: int = 20
    seed: int = 0
    curriculum: str = "uniform"
    choosing: Choosing = Choosing()
    anew: bool = False
    rehearsal: Annotated[Rehearsal | None, tyro.conf.AvoidSubcommands] = None
    looks: int = 0

    def space(self, *, held_out: bool) -> AbstractTaskSpace:
        """The tasks to learn from, or those held out; no goal with its rules is on both sides.

        Raises:
            TaskError: the tasks held out, where none are; or tasks that cannot be.
        """
        tasks: AbstractTaskSpace = self.tasks
        if isinstance(tasks, Trees) and self.curriculum not in ("uniform", "fresh"):
            tasks = Rulesets(tasks)
        if self.held_out and not _divisible(tasks):
            raise TaskError(
                f"Only tasks that have a goal and rules can be held out, and only where there is "
                f"more than one: expected such a space, got {type(self.tasks).__name__}. Write "
                "`--held-out 0`."
            )
        if self.held_out and isinstance(tasks, AbstractDesignSpace):
            return Within(tasks, held_out, self.held_out)
        if self.held_out:
            return Split(tasks, held_out, self.held_out)
        if held_out:
            other = ", or train one with `--held-out 0.1`" if _divisible(tasks) else ""
            raise TaskError(
                "This recipe holds no tasks out: it was trained on all it can draw. Judge it on "
                f"those (`--tasks-from training`){other}."
            )
        return tasks

    def experiment(self) -> Experiment:
        """What the loop runs.

        Raises:
            UnknownNameError: no such curriculum.
            SpecError: it asks for what the tasks cannot do, or for whole trials.
        """
        place = Place(self.environment, self.space(held_out=False), self.lives, self.anew)
        chosen = choose(self.curriculum, self.choosing, place)
        if chosen.anew and (self.trial.steps or 0) > self.length:
            raise SpecError(
                f"The curriculum {self.curriculum!r} begins new lives in every iteration, so an "
                f"iteration must hold a trial: of its {self.trial.steps} steps it has "
                f"{self.length}. Write length={self.trial.steps}, with fewer lives."
            )
        experiment = Experiment(
            environment=chosen.environment,
            curriculum=chosen.curriculum,
            learner=self.learner,
            trial=self.trial,
            lives=self.lives,
            length=self.length,
            anew=chosen.anew,
            look=chosen.look,
            students=chosen.students,
            rehearsal=self.rehearsal,
        )
        learner = scheduled(self.learner, updated(experiment, self.iterations))
        return dataclasses.replace(experiment, learner=learner)

    def elsewhere(self, world: str) -> "Recipe":
        """The same recipe in a published environment, with the tasks that come with it; or in one
        of another library (`meadow.recipes.outside`), with its parameters where it is compiled.

        What an agent sees besides its view is what was published and what the recipe adds. Only
        tasks with a goal and rules can be held out; of others all are trained on.

        Raises:
            UnknownNameError: no such environment.
        """
        if is_outside(world):
            mine = self.environment if isinstance(self.environment, Outside) else Outside(world)
            outside = {"environment": dataclasses.replace(mine, name=world), "tasks": Only(0)}
            return dataclasses.replace(self, held_out=0.0, **outside)
        if (found := compiled(world)) is not None:
            environment, tasks = found
            return dataclasses.replace(self, environment=environment, tasks=tasks, held_out=0.0)
        environment, tasks = make(world)
        environment = _seen(self.environment, environment)
        held_out = self.held_out if _divisible(tasks) else 0.0
        return dataclasses.replace(self, environment=environment, tasks=tasks, held_out=held_out)

    @property
    def steps(self) -> int:
        """Environment steps in the whole run, those of examined tasks included."""
        return spent(self.experiment(), self.iterations)


def _seen(mine: AbstractEnvironment, there: Any) -> AbstractEnvironment:
    """A published environment that also shows what mine does, and as it does."""
    if isinstance(mine, Pixels):
        return dataclasses.replace(mine, environment=_seen(mine.environment, there))
    extras = dict.fromkeys((*there.observe, *getattr(mine, "observe", ())))
    return dataclasses.replace(there, observe=tuple(extras))


def _divisible(tasks: AbstractTaskSpace) -> bool:
    """Whether some of the tasks can be held out: they have rules, and there are several."""
    task = jax.eval_shape(lambda key: tasks.sample(key=key), jr.key(0))
    return isinstance(task, GridTask) and not isinstance(tasks, Only | Numbered)


def scheduled(learner: AbstractLearner, updates: int | None) -> AbstractLearner:
    """It, or who it is around, told how often it will learn, where it wants to know."""
    fields = {field.name for field in dataclasses.fields(learner)}
    if "updates" in fields:
        return dataclasses.replace(cast(Any, learner), updates=updates)
    if "learner" in fields:
        inner = scheduled(cast(Any, learner).learner, updates)
        return dataclasses.replace(cast(Any, learner), learner=inner)
    return learner
