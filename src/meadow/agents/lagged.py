"""Lagged: a learner whose agent is what it was some updates ago.

So it is where acting and learning run side by side; here the lag is exact, and so its cost can be
measured. Until there have been so many updates, it acts as it began.
"""

from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

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
    agents: a ring of as many agents as it lags behind, `[lag, ...]`.
    updates: done.
    """

    learner: PyTree
    agents: AbstractAgent
    updates: Int[Array, ""]


class Lagged(AbstractLearner[State]):
    """Acts as the learner within would have `lag` updates ago.

    Attributes:
        learner: any.
        lag: at least 1.
    """

    learner: AbstractLearner
    lag: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        if self.lag < 1:
            raise SpecError(f"`Lagged` lags behind by an update or more, got lag={self.lag}.")

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """As often the agent that the learner begins with."""
        state = self.learner.init(timestep, action_spec, key=key)
        agents = jax.tree.map(
            lambda x: jnp.broadcast_to(x, (self.lag, *x.shape)), self.learner.agent(state)
        )
        return State(state, agents, jnp.int32(0))

    def agent(self, state: State) -> AbstractAgent:
        """The oldest in the ring."""
        oldest = state.updates % self.lag
        return cast(AbstractAgent, jax.tree.map(lambda ring: ring[oldest], state.agents))

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """The learner's; who acted last makes room for who would have."""
        now, oldest = self.learner.agent(state.learner), state.updates % self.lag
        agents = jax.tree.map(lambda ring, x: ring.at[oldest].set(x), state.agents, now)
        learner, metrics = self.learner.update(state.learner, trajectory, key=key)
        return State(learner, agents, state.updates + 1), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """The learner's."""
        return self.learner.score(state.learner, trajectory)
