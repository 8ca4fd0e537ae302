"""Trials: what an agent makes of tasks it never chose, episode by episode.

The same task is lived for several episodes with the memory kept. An agent that adapts does better
in the last than in the first: that difference is the adaptation curve.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.timestep import TimeStep
from meadow.rollout.life import Life, Trial, revive, unborn
from meadow.rollout.live import Living


class Outcome(eqx.Module):
    """What came of each episode of each trial.

    Attributes:
        returns: undiscounted sum of rewards.
        success: the task was done (the episode terminated with reward).
        lengths: steps.
    """

    returns: Float[Array, "tasks episodes"]
    success: Bool[Array, "tasks episodes"]
    lengths: Int[Array, "tasks episodes"]


@eqx.filter_jit
def lived(
    environment: AbstractEnvironment,
    agent: AbstractAgent,
    tasks: PyTree,
    episodes: int,
    *,
    key: Key[Array, ""],
) -> Outcome:
    """One trial of `episodes` episodes for each task, all at once.

    Args:
        tasks: `[tasks, ...]`.

    The environment must end its episodes by itself; one that never does makes this never return.
    What happens at time t is drawn from `fold_in(key, t)`, so that `opening` and `Living.live` can
    live any one of these trials again.
    """
    living = Living(environment, Trial(episodes=episodes))
    life = opening(environment, agent, tasks, key=key)
    num = life.over.shape[0]
    blank = jnp.zeros((num, episodes))
    outcome = Outcome(blank, blank.astype(bool), blank.astype(jnp.int32))

    def step(carry: tuple[Life, Outcome, Array]) -> tuple[Life, Outcome, Array]:
        life, outcome, time = carry
        alive = ~life.over
        life, moment = living.live(agent, life, None, key=jr.fold_in(key, time))
        row = (jnp.arange(num), moment.next.episode)
        solved = alive & moment.next.terminated() & (moment.next.reward > 0)
        outcome = Outcome(
            returns=outcome.returns.at[row].add(jnp.where(alive, moment.next.reward, 0.0)),
            success=outcome.success.at[row].max(solved),
            lengths=outcome.lengths.at[row].add(alive),
        )
        return life, outcome, time + 1

    start = (life, outcome, jnp.int32(1))
    return jax.lax.while_loop(lambda carry: ~carry[0].over.all(), step, start)[1]


def opening(
    environment: AbstractEnvironment, agent: AbstractAgent, tasks: PyTree, *, key: Key[Array, ""]
) -> Life:
    """Everyone at the first step of a trial, at time 0 of `lived` with the same key."""
    life = unborn(environment, agent, tasks)
    return revive(environment, life, tasks, keys=life.keys(jr.fold_in(key, 0)))


class Forgetful(AbstractAgent):
    """An agent whose memory is cleared at the start of every episode: what adaptation is worth."""

    agent: AbstractAgent

    def init_memory(self) -> PyTree:
        """The agent's own."""
        return self.agent.init_memory()

    def act(
        self, memory: PyTree, timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[PyTree, PyTree, PyTree]:
        """Make every episode look like the first of a trial."""
        first = timestep.first()
        reward = jnp.where(first, 0.0, timestep.reward)
        alone = (jnp.zeros_like(timestep.episode), reward)
        timestep = eqx.tree_at(lambda t: (t.episode, t.reward), timestep, alone)
        return self.agent.act(memory, timestep, key=key)
