"""Life: a batch of agents, each somewhere in a trial of a task; what persists between chunks.

A trial is a number of episodes of one task with memory kept, or a number of steps. Episodes within
it are reset here, and only here. Few lives finish at any one step, so only those are reset: they
are gathered, a few at a time, and nobody else is touched.
"""

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.places import read, write
from meadow.core.timestep import StepType, TimeStep
from meadow.rollout.few import first_few

BEGIN, ACT, STEP = range(3)  # what a life needs luck for in one step
_FEW = 8  # lives begun at a time, at least


class Trial(eqx.Module):
    """How long a task is lived: so many episodes, or so many steps, whichever is spent first.

    A budget of steps may cut an episode: to learners that is a time limit, to whoever counts
    episodes it is none that was finished.
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
        """The time step with a spent budget marked, and whether the trial is over."""
        spent = jnp.zeros_like(steps, bool) if self.steps is None else steps >= self.steps
        cut = spent & ~timestep.last()
        step_type = jnp.where(cut, StepType.CUT, timestep.step_type).astype(jnp.uint8)
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

    def keys(self, key: Key[Array, ""]) -> Key[Array, "batch"]:
        """One key for each life."""
        return jax.vmap(jr.fold_in, (None, 0))(key, self.number)


def apart(keys: Key[Array, "*batch"], purpose: int) -> Key[Array, "*batch"]:
    """Other keys for another purpose, without hashing again: as far apart as two seeds are."""
    data = jr.key_data(keys)
    data = jnp.concatenate([data[..., :1] ^ purpose, data[..., 1:]], axis=-1)
    return jr.wrap_key_data(data, impl=jr.key_impl(keys))


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


def revive(
    environment: AbstractEnvironment, life: Life, tasks: PyTree | None, *, keys: Key[Array, "batch"]
) -> Life:
    """Begin the next episode wherever one has ended; touch nobody else.

    Args:
        tasks: the next task for each life, `[batch, ...]`, taken where the trial is over. None
            leaves those lives as they are.
        keys: one for each life, as `Life.keys` makes them.
    """
    num, before = life.over.shape[0], life.timestep
    begins = before.last() if tasks is not None else before.last() & ~life.over
    few = max(min(num, _FEW), num // 128)

    def begin(carry: tuple[PyTree, Array]) -> tuple[PyTree, Array]:
        begun, waiting = carry
        who = first_few(waiting, few)
        them = jnp.minimum(who, num - 1)
        everyone = (life.task, tasks, life.over, keys)
        task, offered, over, own = jax.tree.map(lambda x: read(x, them), everyone)
        task = task if tasks is None else where(over, offered, task)
        state, timestep = jax.vmap(lambda task, key: environment.reset(task, key=key))(task, own)
        fresh = (None if tasks is None else task, state, timestep.observation)
        begun = jax.tree.map(lambda x, new: write(x, who, new), begun, fresh)
        return begun, write(waiting, who, False)

    # Only what a reset draws goes round the loop; a task only where there are new ones.
    changing = (None if tasks is None else life.task, life.state, before.observation)
    (task, state, observation), _ = jax.lax.while_loop(
        lambda carry: carry[1].any(), begin, (changing, begins)
    )
    new = begins & life.over  # of a trial, and not only of an episode
    episode = jnp.where(begins, before.episode + 1, before.episode)
    timestep = TimeStep(
        step_type=jnp.where(begins, jnp.uint8(StepType.FIRST), before.step_type),
        reward=jnp.where(new, 0.0, before.reward),
        discount=jnp.where(begins, 1.0, before.discount),
        observation=observation,
        episode=jnp.where(new, 0, episode),
    )
    return Life(
        task=life.task if tasks is None else task,
        state=state,
        timestep=timestep,
        memory=life.memory,
        steps=jnp.where(new, 0, life.steps),
        over=life.over & ~begins,
        number=life.number,
    )


def where(condition: Bool[Array, "batch"], yes: PyTree, no: PyTree) -> PyTree:
    """`jnp.where` over a batch of pytrees."""

    def choose(x: Array, y: Array) -> Array:
        return jnp.where(condition.reshape(-1, *(1,) * (x.ndim - 1)), x, y)

    return cast(PyTree, jax.tree.map(choose, yes, no))
