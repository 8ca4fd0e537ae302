"""Life: a batch of agents, each somewhere in a trial of a task; what persists between chunks.

A trial is a number of episodes of one task with memory kept, or a number of steps. Episodes within
it are reset here, and only here. Few lives finish at any one step, so only those are reset: they
are gathered, a few at a time, and nobody else is touched.
"""

from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.timestep import StepType, TimeStep
from meadow.rollout.few import first_few

BEGIN, ACT, STEP = range(3)  # what a life needs luck for
_PURPOSES = 3
_FEW = 8  # lives begun at a time, at least


class Trial(eqx.Module):
    """How long a task is lived: so many episodes, or so many steps, whichever is spent first.

    A budget of steps may cut an episode; it is then truncated like at a time limit.
    """

    episodes: int | None = eqx.field(static=True, default=None)
    steps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        budgets = [self.episodes, self.steps]
        if budgets == [None, None] or any(b is not None and b < 1 for b in budgets):
            raise SpecError(
                f"A trial needs `episodes` or `steps`, at least 1; got {self.episodes=}, "
                f"{self.steps=}. Write `Trial(episodes=1)` for ordinary reinforcement learning."
            )

    def spend(self, timestep: TimeStep, steps: Int[Array, "*batch"]) -> tuple[TimeStep, Array]:
        """The time step with a spent budget marked LAST, and whether the trial is over."""
        spent = jnp.zeros_like(steps, bool) if self.steps is None else steps >= self.steps
        step_type = jnp.where(spent, StepType.LAST, timestep.step_type).astype(jnp.uint8)
        timestep = eqx.tree_at(lambda t: t.step_type, timestep, step_type)
        if self.episodes is None:
            return timestep, spent
        return timestep, spent | (timestep.last() & (timestep.episode + 1 >= self.episodes))


class Life(eqx.Module):
    """A batch of lives; every leaf `[batch, ...]`.

    Attributes:
        task: what is being lived.
        state: the environment's.
        timestep: what the environment said last, possibly LAST.
        memory: the agent's.
        steps: lived in this trial.
        over: the trial has ended, or none has begun.
        number: which life this is; all its luck is drawn from `fold_in(key, number)`, so it
            depends on no other life and on no device.
    """

    task: PyTree
    state: PyTree
    timestep: TimeStep
    memory: PyTree
    steps: Int[Array, "batch"]
    over: Bool[Array, "batch"]
    number: Int[Array, "batch"]

    def keys(self, key: Key[Array, ""], purpose: int = BEGIN) -> Key[Array, "batch"]:
        """One key for each life, of those that one step's `key` has for this purpose."""
        return jax.vmap(jr.fold_in, (None, 0))(key, self.number * _PURPOSES + purpose)


def unborn(environment: AbstractEnvironment, agent: AbstractAgent, tasks: PyTree) -> Life:
    """As many lives as there are tasks, each waiting for its first.

    Args:
        tasks: a task pytree with a leading batch axis; only its shapes matter.
    """

    def first(task: PyTree) -> tuple:
        return environment.reset(task, key=jax.random.key(0)), agent.init_memory()

    (state, timestep), memory = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(jax.vmap(first), tasks)
    )
    (num,) = timestep.reward.shape
    last = jnp.full(num, StepType.LAST, jnp.uint8)
    timestep = eqx.tree_at(lambda t: t.step_type, timestep, last)
    return Life(
        task=jax.tree.map(jnp.zeros_like, tasks),
        state=state,
        timestep=timestep,
        memory=memory,
        steps=jnp.zeros(num, jnp.int32),
        over=jnp.ones(num, bool),
        number=jnp.arange(num),
    )


class _Beginning(NamedTuple):
    """What the beginning of an episode changes of a life."""

    task: PyTree | None
    state: PyTree
    timestep: TimeStep
    steps: Int[Array, "some"]
    over: Bool[Array, "some"]


def revive(
    environment: AbstractEnvironment, life: Life, tasks: PyTree | None, *, key: Key[Array, ""]
) -> Life:
    """Begin the next episode wherever one has ended; touch nobody else.

    Args:
        tasks: the next task for each life, `[batch, ...]`, taken where the trial is over. None
            leaves those lives as they are.
    """
    num = life.over.shape[0]
    waiting = life.timestep.last()
    if tasks is None:
        waiting = waiting & ~life.over
    # Only what a beginning changes goes round the loop; a task only where there are new ones.
    task = None if tasks is None else life.task
    changing = _Beginning(task, life.state, life.timestep, life.steps, life.over)

    few = max(min(num, _FEW), num // 128)

    def begin(carry: tuple[_Beginning, Array]) -> tuple[_Beginning, Array]:
        begun, waiting = carry
        who = first_few(waiting, few)
        some, offered = jax.tree.map(lambda x: x.at[who].get(mode="clip"), (life, tasks))
        fresh = _begin(environment, some, offered, key)
        begun = jax.tree.map(lambda x, new: x.at[who].set(new, mode="drop"), begun, fresh)
        return begun, waiting.at[who].set(False, mode="drop")

    begun, _ = jax.lax.while_loop(lambda carry: carry[1].any(), begin, (changing, waiting))
    task, state, timestep, steps, over = begun
    task = life.task if tasks is None else task
    return Life(task, state, timestep, life.memory, steps, over, life.number)


def _begin(
    environment: AbstractEnvironment, life: Life, tasks: PyTree | None, key: Key[Array, ""]
) -> _Beginning:
    """A first step for every one of `life`: of the next episode, or of the next trial."""
    over = life.over
    task = life.task if tasks is None else where(over, tasks, life.task)
    state, timestep = jax.vmap(lambda task, key: environment.reset(task, key=key))(
        task, life.keys(key)
    )
    timestep = eqx.tree_at(
        lambda t: (t.reward, t.episode),
        timestep,
        (
            jnp.where(over, 0.0, life.timestep.reward),
            jnp.where(over, 0, life.timestep.episode + 1),
        ),
    )
    steps = jnp.where(over, 0, life.steps)
    return _Beginning(None if tasks is None else task, state, timestep, steps, jnp.zeros_like(over))


def where(condition: Bool[Array, "batch"], yes: PyTree, no: PyTree) -> PyTree:
    """`jnp.where` over a batch of pytrees."""

    def choose(x: Array, y: Array) -> Array:
        return jnp.where(condition.reshape(-1, *(1,) * (x.ndim - 1)), x, y)

    return cast(PyTree, jax.tree.map(choose, yes, no))
