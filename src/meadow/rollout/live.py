"""Where an agent meets an environment: one step of a batch of lives, and a chunk of them.

`live` is the one place where an agent acts in a compiled environment. Training stacks its moments
into a `Trajectory`, evaluation counts them, a benchmark throws them away.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Bool, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.rollout.life import ACT, BEGIN, STEP, Life, Trial, apart, revive


class Moment(NamedTuple):
    """One step of a batch of lives: a row of a `Trajectory`."""

    timestep: TimeStep
    action: PyTree
    next: TimeStep
    trial_ended: Bool[Array, "batch"]
    record: PyTree


class Living(eqx.Module):
    """Who lives where, and for how long: what does not change while living."""

    environment: AbstractEnvironment
    trial: Trial

    def live(
        self, agent: AbstractAgent, life: Life, tasks: PyTree | None, *, key: Key[Array, ""]
    ) -> tuple[Life, Moment]:
        """One step: begin again whoever has ended, then act, then step.

        Args:
            tasks: the next task for each life, `[batch, ...]`; None to stop where a trial ends
                (such lives go on stepping in place; ignore them where `life.over`).
        """
        keys = life.keys(key)
        life = revive(self.environment, life, tasks, keys=apart(keys, BEGIN))
        memory, action, record = jax.vmap(
            lambda memory, timestep, key: agent.act(memory, timestep, key=key)
        )(life.memory, life.timestep, apart(keys, ACT))
        state, timestep = jax.vmap(
            lambda state, task, action, key: self.environment.step(state, task, action, key=key)
        )(life.state, life.task, action, apart(keys, STEP))
        timestep = eqx.tree_at(lambda t: t.episode, timestep, life.timestep.episode)
        steps = life.steps + 1
        timestep, over = self.trial.spend(timestep, steps)
        over = over | life.over  # without a next task a trial that is over stays so
        moment = Moment(life.timestep, action, timestep, over, record)
        life = Life(life.task, state, timestep, memory, steps, over, life.number)
        return jax.tree.map(_strong, life), moment

    def ready(self, life: Life, tasks: PyTree | None, *, key: Key[Array, ""]) -> Life:
        """Begin again whoever has ended: what `live` does first with the same key."""
        return revive(self.environment, life, tasks, keys=apart(life.keys(key), BEGIN))

    def collect(
        self,
        agent: AbstractAgent,
        life: Life,
        tasks: PyTree,
        length: int,
        *,
        key: Key[Array, ""],
    ) -> tuple[Life, Trajectory]:
        """Live `length` steps and keep all of them, time-major.

        Args:
            tasks: for each life the task it takes up where a trial ends, `[batch, ...]`.

        Returns:
            The lives, ready to go on, and what they lived.
        """
        key_live, key_after = jr.split(key)

        def step(life: Life, key: Key[Array, ""]) -> tuple[Life, Moment]:
            return self.live(agent, life, tasks, key=key)

        memory = life.memory
        life, moments = jax.lax.scan(step, life, jr.split(key_live, length))
        # Begin the next episode of trials that go on, so that what follows the last row is known.
        life = self.ready(life, None, key=key_after)
        trajectory = Trajectory(
            *moments, memory=memory, after=life.timestep, final_memory=life.memory
        )
        return life, trajectory


def _strong(x: Array) -> Array:
    """Drop weak types: lives that come back weaker than they went in are compiled for twice."""
    return x.astype(x.dtype) if jax.typeof(x).weak_type else x
