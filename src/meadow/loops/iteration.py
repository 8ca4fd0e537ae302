"""One iteration: choose, live, learn, tell. The loop of this library, written once.

An `Experiment` is everything that does not change while a run goes on, `Progress` everything that
does. Progress is the checkpoint: resuming, branching and repeating are the same operation.

Most curricula practise in every iteration. One that examines tasks as well says what is due, and an
iteration practises, examines, or does both.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.curriculum import AbstractCurriculum, AbstractExaminer, Due
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.loops.each import each
from meadow.loops.rehearsal import Mean, Means, Rehearsal, learnt, means
from meadow.rollout.life import Life, Trial, unborn
from meadow.rollout.live import Living

Metrics = dict[str, Float[Array, "..."]]
PRACTISED = "practised"  # the share of iterations that practised: the others have no metrics
_BLOCK = 4096  # iterations whose schedule is looked up at a time, so that one program serves all
_STEPS_AT_ONCE = 2**20  # of examined tasks: a hundred megabytes where a step is a hundred bytes


class Experiment(eqx.Module):
    """What is run: who lives where, for how long, and who learns from it.

    Attributes:
        environment, curriculum, learner: one of each noun.
        trial: how long a task is lived.
        lives: how many live side by side.
        length: steps of each life between two updates of the learner.
        anew: every iteration begins new lives, each on its own task of the ticket, so that what a
            curriculum hears of a task is of that task alone. Otherwise lives go on where they were.
        look: steps for which an examined task is lived; `length` when None.
        students: so many learners, who differ in their luck alone and live the same tickets; their
            axis leads in `Progress.learner` and in every report. None for one, without the axis.
        rehearsal: learn from a store of what was lived; None to learn from each chunk as it comes.

    Raises:
        SpecError: the curriculum examines tasks, and lives do not begin anew; or there is a store,
            and they do.
    """

    environment: AbstractEnvironment
    curriculum: AbstractCurriculum
    learner: AbstractLearner
    trial: Trial
    lives: int = eqx.field(static=True)
    length: int = eqx.field(static=True)
    anew: bool = eqx.field(static=True, default=False)
    look: int | None = eqx.field(static=True, default=None)
    students: int | None = eqx.field(static=True, default=None)
    rehearsal: Rehearsal | None = None

    def __check_init__(self) -> None:
        if self.rehearsal is not None and self.anew:
            raise SpecError(
                "A store keeps lives that go on from chunk to chunk, so that windows may span "
                "them. Write `Experiment(..., anew=False)`, or leave out `rehearsal`."
            )
        if isinstance(self.curriculum, AbstractExaminer) and not self.anew:
            raise SpecError(
                f"{type(self.curriculum).__name__} ranks tasks by how they went, so lives must "
                "begin anew with every ticket. Write `Experiment(..., anew=True)`."
            )

    def agent(self, learner: PyTree) -> AbstractAgent:
        """The agent of a learner's state; of several students the first."""
        if self.students is not None:
            learner = jax.tree.map(lambda x: x[0], learner)
        return self.learner.agent(learner)

    @property
    def steps(self) -> int:
        """Environment steps of one iteration that practises."""
        return self.lives * self.length * (self.students or 1)


class Progress(NamedTuple):
    """What a run has become.

    Attributes:
        learner, curriculum: their states.
        life: where everyone is; None where lives begin anew.
        key: the luck not yet used.
        iteration: iterations done.
        store: what is kept of what was lived; None without a rehearsal.
    """

    learner: PyTree
    curriculum: PyTree
    life: Life | None
    key: Key[Array, ""]
    iteration: Int[Array, ""]
    store: PyTree = None


Step = Callable[[Progress], tuple[Progress, Means]]
"""One iteration of a given experiment."""

Collect = Callable[..., tuple[Life, Trajectory]]
"""As `collect`."""


def begin(experiment: Experiment, *, key: Key[Array, ""]) -> Progress:
    """A run before its first iteration.

    Raises:
        SpecError: draws from the store are due before it holds a window.
    """
    key_learner, key_curriculum, key_shape, key = jr.split(key, 4)
    curriculum = experiment.curriculum.init(key=key_curriculum)
    tasks = experiment.curriculum.sample(curriculum, experiment.lives, key=key_shape).tasks
    timestep = example(experiment.environment, jax.tree.map(lambda x: x[0], tasks))

    def student(key: Key[Array, ""]) -> tuple[PyTree, Life | None, PyTree]:
        environment, learner = experiment.environment, experiment.learner
        state = learner.init(timestep, environment.action_spec, key=key)
        if experiment.anew:
            return state, None, None
        agent = learner.agent(state)
        life = unborn(environment, agent, tasks)
        if experiment.rehearsal is None:
            return state, life, None
        chunk = jax.eval_shape(lambda: collect(experiment, agent, life, tasks, key=key)[1])
        return state, life, experiment.rehearsal.begin(chunk)

    learner, life, store = _each(experiment, student)(_keys(experiment, key_learner))
    return Progress(learner, curriculum, life, key, jnp.int32(0), store)


def example(environment: AbstractEnvironment, task: PyTree) -> TimeStep:
    """A blank time step as the environment shows them; nothing is run."""
    reset = jax.eval_shape(lambda: environment.reset(task, key=jr.key(0))[1])
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), reset)


def iterate(
    experiment: Experiment, progress: Progress, live: Collect | None = None
) -> tuple[Progress, Means]:
    """One iteration; `live` is how a placement collects, when it has a way of its own."""
    key, *keys = jr.split(progress.key, 4)
    curriculum, iteration = experiment.curriculum, progress.iteration
    progress = progress._replace(key=key, iteration=iteration + 1)
    live = live or collect
    if not isinstance(curriculum, AbstractExaminer):
        return practise(experiment, progress, keys, live)

    def practised(progress: Progress) -> tuple[Progress, Means]:
        return practise(experiment, progress, keys, live)

    def examined(progress: Progress) -> Progress:
        return examine(experiment, progress, key=jr.fold_in(keys[2], 1))

    nothing = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(practised, progress)[1]
    )
    due = curriculum.due(iteration)
    progress, metrics = jax.lax.cond(
        due.practise, practised, lambda progress: (progress, nothing), progress
    )
    progress = jax.lax.cond(due.examine, examined, lambda progress: progress, progress)
    return progress, metrics | means({PRACTISED: due.practise.astype(jnp.float32)})


def practise(
    experiment: Experiment, progress: Progress, keys: list[Key[Array, ""]], live: Collect
) -> tuple[Progress, Means]:
    """Tasks are offered and lived, the learner learns, and the curriculum hears how they went."""
    curriculum, learner = experiment.curriculum, experiment.learner
    ticket = curriculum.sample(progress.curriculum, experiment.lives, key=keys[0])

    def study(student: tuple, key_live: Array, key_learn: Array) -> tuple:
        state, life, store = student
        life, lived = live(experiment, learner.agent(state), life, ticket.tasks, key=key_live)
        after, store, metrics = _learn(experiment, progress.iteration, (state, store), lived,
                                       key=key_learn)  # fmt: skip
        life = None if experiment.anew else life
        return (after, life, store), learner.score(state, lived), metrics | told(lived)

    luck = [_keys(experiment, key) for key in keys[1:]]
    students = progress.learner, progress.life, progress.store
    (state, life, store), report, metrics = _each(experiment, study)(students, *luck)
    if experiment.students is not None:
        metrics = jax.tree.map(lambda x: x.mean(0), metrics)
    known = curriculum.update(progress.curriculum, ticket, report)
    return progress._replace(learner=state, curriculum=known, life=life, store=store), metrics


def _learn(
    experiment: Experiment,
    iteration: Int[Array, ""],
    known: tuple[PyTree, PyTree],
    lived: Trajectory,
    *,
    key: Key[Array, ""],
) -> tuple[PyTree, PyTree, Means]:
    """The learner and the store after a chunk, the last of so many iterations."""
    (state, store), learner, rehearsal = known, experiment.learner, experiment.rehearsal
    if rehearsal is None:
        state, metrics = learnt(learner, state, lived, key=key)
        return state, store, metrics
    store = rehearsal.store.add(store, lived)
    times = rehearsal.due(iteration, experiment.lives * experiment.length)
    return rehearsal.learn(learner, state, store, times, key=key)


def collect(
    experiment: Experiment,
    agent: AbstractAgent,
    life: Life | None,
    tasks: PyTree,
    *,
    key: Key[Array, ""],
) -> tuple[Life, Trajectory]:
    """The agent lives a chunk."""
    environment = experiment.environment
    life = unborn(environment, agent, tasks) if life is None else life
    return Living(environment, experiment.trial).collect(
        agent, life, tasks, experiment.length, key=key
    )


def examine(experiment: Experiment, progress: Progress, *, key: Key[Array, ""]) -> Progress:
    """The agent lives tasks that nobody learns from, and the curriculum hears how they went.

    Forward only, and no more steps at a time than memory holds: what was lived is reported and
    forgotten, a part of the tasks after the other.
    """
    curriculum, learner = cast(AbstractExaminer, experiment.curriculum), experiment.learner
    key_tasks, key_live = jr.split(key)
    ticket = curriculum.examine(progress.curriculum, key=key_tasks)
    (num,) = ticket.slots.shape
    length = experiment.look or experiment.length
    parts = next(
        n for n in range(1, num + 1) if num % n == 0 and num // n * length <= _STEPS_AT_ONCE
    )

    def look(state: PyTree, key: Key[Array, ""]) -> Report:
        agent = learner.agent(state)

        def some(part: tuple[PyTree, Array]) -> Report:
            tasks, key = part
            life = unborn(experiment.environment, agent, tasks)
            living = Living(experiment.environment, experiment.trial)
            return learner.score(state, living.collect(agent, life, tasks, length, key=key)[1])

        dealt = jax.tree.map(lambda x: x.reshape(parts, num // parts, *x.shape[1:]), ticket.tasks)
        reports = jax.lax.map(some, (dealt, jr.split(key, parts)))
        return jax.tree.map(lambda x: x.reshape(num), reports)

    report = _each(experiment, look)(progress.learner, _keys(experiment, key_live))
    known = curriculum.update(progress.curriculum, ticket, report)
    return progress._replace(curriculum=known)


def told(trajectory: Trajectory) -> Means:
    """What happened in a chunk: `return` is reward per finished episode, `success` the share of
    these that ended with the task done and paid, `length` their steps, `reward` that of a step.
    """
    ended, reward = trajectory.next.finished(), trajectory.next.reward
    done = trajectory.next.terminated() & (reward > 0)
    steps, episodes = jnp.float32(ended.size), ended.sum().astype(jnp.float32)
    return {
        "return": Mean(reward.sum(), episodes),
        "success": Mean(done.sum().astype(jnp.float32), episodes),
        "length": Mean(steps, episodes),
        "reward": Mean(reward.sum(), steps),
    }


def updated(experiment: Experiment, iterations: int) -> int:
    """How often a learner learns in a run's first iterations."""
    if (rehearsal := experiment.rehearsal) is not None:
        return rehearsal.updates(iterations * experiment.lives * experiment.length)
    return iterations if (due := _due(experiment, iterations)) is None else int(due.practise.sum())


def spent(experiment: Experiment, iterations: int) -> int:
    """Environment steps of a run's first iterations, those of examined tasks included."""
    curriculum, due = experiment.curriculum, _due(experiment, iterations)
    if due is None or not isinstance(curriculum, AbstractExaminer):
        return iterations * experiment.steps
    state = jax.eval_shape(lambda: curriculum.init(key=jr.key(0)))
    ticket = jax.eval_shape(lambda state: curriculum.examine(state, key=jr.key(0)), state)
    look = (experiment.look or experiment.length) * (experiment.students or 1)
    practised, examined = int(due.practise.sum()), int(due.examine.sum())
    return practised * experiment.steps + examined * ticket.slots.size * look


def _due(experiment: Experiment, iterations: int) -> Due | None:
    """What each of a run's first iterations does; None where all only practise."""
    if not isinstance(experiment.curriculum, AbstractExaminer):
        return None
    blocks = [
        _block(experiment.curriculum, jnp.asarray(n)) for n in range(0, max(iterations, 1), _BLOCK)
    ]
    return Due(*(jnp.concatenate(row)[:iterations] for row in zip(*blocks, strict=True)))


@eqx.filter_jit
def _block(curriculum: AbstractExaminer, start: Array) -> Due:
    return jax.vmap(curriculum.due)(start + jnp.arange(_BLOCK))


def _keys(experiment: Experiment, key: Key[Array, ""]) -> Key[Array, "..."]:
    """One key, or one for each student."""
    return key if experiment.students is None else jr.split(key, experiment.students)


def _each(experiment: Experiment, function: Callable) -> Callable:
    """The function, or that of every student."""
    return function if experiment.students is None else each(function)
