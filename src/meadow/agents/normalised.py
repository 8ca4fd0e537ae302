"""Normalised: a learner that sees observations in units of how they spread, and so its agent.

Statistics are of what was lived. Learning from a chunk as it was lived, every row is counted once,
and what is learnt from looks as it did to who lived it: statistics move on afterwards. Behind a
store a learner sees draws alone. Each is counted, importance weights taking back what a selector
prefers; a mean over draws does not depend, but for its noise, on how many there are for each step,
though what was lived early is drawn more often. Of a dataset they are the dataset's.

Rewards may be measured, too, in units of how discounted returns spread; no mean is taken from them.
What the agent is shown of its rewards stays as it was.

References: Engstrom et al., Implementation Matters in Deep RL, 2020, for the scale of rewards.
"""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from meadow.agents.ail import AIL
from meadow.agents.paid import PAID, earned
from meadow.agents.statistics import Statistics, nothing
from meadow.core.agent import AbstractAgent
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory


class State(NamedTuple):
    """Attributes:
    learner: of the learner within.
    seen: statistics of every array of floats in an observation; None of others.
    returns: of discounted returns; None where rewards stay as they are.
    """

    learner: PyTree
    seen: PyTree
    returns: Statistics | None


class Memory(NamedTuple):
    """Attributes:
    within: of the agent within.
    returned: the trial's discounted return so far.
    """

    within: PyTree
    returned: Float[Array, ""]


class Actor(AbstractAgent[Memory]):
    """Shows the agent within what it sees, in units of how that spreads."""

    agent: AbstractAgent
    seen: PyTree
    most: float = eqx.field(static=True)
    discount: float = eqx.field(static=True)

    def init_memory(self) -> Memory:
        """The agent's within, and no return."""
        return Memory(self.agent.init_memory(), jnp.zeros(()))

    def act(
        self, memory: Memory, timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[Memory, PyTree, PyTree]:
        """What the agent within does."""
        shown = _shown(timestep, self.seen, self.most)
        within, action, record = self.agent.act(memory.within, shown, key=key)
        returned = _returned(memory.returned, timestep, self.discount)
        return Memory(within, returned), action, record


class Normalised(AbstractLearner[State]):
    """Normalises what a learner and its agent see. Scores are in the units that are learnt in.

    Attributes:
        learner: any.
        most: numbers are cut to so many standard deviations from their mean.
        returns: the discount of returns in units of whose spread rewards are measured; None to
            leave rewards as they are. A return runs over a trial, as far as is known: in windows
            without memory it begins with the window, and with the chunk where somebody else pays
            (`AIL`, `RND`).

    Raises:
        SpecError: around `AIL`, whose demonstrations are in other units.
    """

    learner: AbstractLearner
    most: float = eqx.field(static=True, default=10.0)
    returns: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        within = self.learner
        while isinstance(within, AbstractLearner):
            if isinstance(within, AIL):
                raise SpecError(
                    "`AIL` compares what is lived with its demonstrations, which nobody normalises "
                    "for it, got `Normalised` around it. Write `AIL(Normalised(...), "
                    "demonstrations)`."
                )
            within = getattr(within, "learner", None)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """The learner's, and statistics of nothing."""

        def begin(x: Array) -> Statistics | None:
            return nothing(x) if jnp.issubdtype(x.dtype, jnp.floating) else None

        returns = None if self.returns is None else nothing(timestep.reward)
        learner = self.learner.init(timestep, action_spec, key=key)
        return State(learner, jax.tree.map(begin, timestep.observation), returns)

    def agent(self, state: State) -> Actor:
        """The learner's, shown what it sees by the statistics of now."""
        agent = self.learner.agent(state.learner)
        return Actor(agent, state.seen, self.most, self.returns or 0.0)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """The learner's; then statistics take in what was lived."""
        lived = self._seen(state, trajectory)
        learner, metrics = self.learner.update(state.learner, lived, key=key)
        weight = jnp.ones_like(trajectory.next.reward)
        if trajectory.weight is not None:
            weight = weight * trajectory.weight

        def look(x: Array, seen: Statistics | None) -> Statistics | None:
            rows = x.reshape(-1, *x.shape[2:])
            return None if seen is None else seen.seen(rows, weight.ravel())

        seen = jax.tree.map(look, trajectory.timestep.observation, state.seen)
        returns = look(self._returns(trajectory), state.returns)
        return State(learner, seen, returns), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """The learner's."""
        return self.learner.score(state.learner, self._seen(state, trajectory))

    def _seen(self, state: State, trajectory: Trajectory) -> Trajectory:
        """What was lived, as the learner is to see it."""
        timestep, following, after = (
            _shown(x, state.seen, self.most)
            for x in (trajectory.timestep, trajectory.next, trajectory.after)
        )
        if state.returns is not None:
            reward = following.reward / state.returns.std
            following = eqx.tree_at(lambda t: t.reward, following, reward)
        memory, final = (
            None if x is None else x.within for x in (trajectory.memory, trajectory.final_memory)
        )
        return dataclasses.replace(
            trajectory,
            timestep=timestep,
            next=following,
            after=after,
            memory=memory,
            final_memory=final,
        )

    def _returns(self, trajectory: Trajectory) -> Float[Array, "time batch"]:
        """Discounted returns up to and with what came of each row."""
        discount = self.returns or 0.0

        def step(returned: Array, timestep: TimeStep) -> tuple[Array, Array]:
            returned = _returned(returned, timestep, discount)
            return returned, returned

        timestep, memory = trajectory.timestep, trajectory.memory
        start = jnp.zeros_like(trajectory.after.reward) if memory is None else memory.returned
        if isinstance(trajectory.record, dict) and PAID in trajectory.record:
            # What was told, and is remembered, is the environment's.
            timestep = eqx.tree_at(lambda t: t.reward, timestep, earned(trajectory))
            start = jnp.zeros_like(start)
        before = jax.lax.scan(step, start, timestep)[1]
        return discount * before + trajectory.next.reward


def _shown(timestep: TimeStep, seen: PyTree, most: float) -> TimeStep:
    """The time step with its observation in units of how that spreads."""

    def one(x: Array, seen: Statistics | None) -> Array:
        if seen is None:
            return x
        return jnp.clip((x - seen.mean) / seen.std, -most, most).astype(x.dtype)

    return timestep.showing(jax.tree.map(one, timestep.observation, seen))


def _returned(
    before: Float[Array, "*batch"], timestep: TimeStep, discount: float
) -> Float[Array, "*batch"]:
    """A trial's discounted return up to what led to this time step."""
    return jnp.where(timestep.begins_trial(), 0.0, discount * before) + timestep.reward
