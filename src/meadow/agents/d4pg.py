"""D4PG: a deterministic policy, and a critic that knows how returns are distributed.

**loss** of the critic `worth.loss` against `R + D worth` of what the target policy would do after
  `n` steps: cross-entropy with a categorical distribution, or whatever else tells a worth; of the
  policy `-Q`, the mean of that distribution.
**data** windows of as many rows as returns have steps, drawn uniformly or by surprise.
**return** runs over a window, but not past the end of an episode.
**time limits** the worth of a truncated episode's true final observation follows; of a terminated
  one nothing.
**differs from the papers in** one optimiser for both networks; noise is in units of half the
  actions' box; with several critics the one counts that expects least.
**reference** Barth-Maron et al., Distributed Distributional Deterministic Policy Gradients, 2018,
  algorithm 1; Lillicrap et al., Continuous Control with Deep Reinforcement Learning, 2016, of which
  it is the child; Hoffman et al., Acme, 2020, for sizes, the norm and target copies.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.agents.critics import critics_report
from meadow.agents.noisy import Noisy
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan, Critics, Lesson, critics_loss, least
from meadow.nn.descent import adam, copied, descended, weighed
from meadow.nn.policy import DeterministicPolicy, PolicyPlan
from meadow.nn.worth import AbstractWorth, Categorical
from meadow.returns import joined


class Networks(NamedTuple):
    """What acts, and what judges it."""

    policy: DeterministicPolicy
    critics: Critics


class State(NamedTuple):
    """What D4PG changes while it learns."""

    networks: Networks
    target: Networks
    optimiser: PyTree
    updates: Int[Array, ""]


class D4PG(AbstractLearner[State]):
    """The learner.

    Attributes:
        policy, critics: their sizes.
        worth: how critics tell what an action is worth.
        gamma: discount of the learner, multiplied with the environment's.
        noise: standard deviation of what is added to actions while acting, in units of half the
            box.
        target_period: updates between two copies of the networks to their targets.
        learning_rate: of Adam.
        max_norm: gradients of each network are scaled down to this global norm.
    """

    policy: PolicyPlan = PolicyPlan((256, 256, 256), normed=True)
    critics: CriticPlan = CriticPlan((256, 256, 256), num=1, normed=True)
    worth: AbstractWorth = Categorical(-150.0, 150.0)
    gamma: float = eqx.field(static=True, default=0.99)
    noise: float = eqx.field(static=True, default=0.3)
    target_period: int = eqx.field(static=True, default=100)
    learning_rate: float = eqx.field(static=True, default=3e-4)
    max_norm: float = eqx.field(static=True, default=40.0)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the networks cannot take.
        """
        key_policy, key_critics = jr.split(key)
        example = timestep.observation, action_spec
        networks = Networks(
            self.policy.deterministic(*example, key=key_policy),
            self.critics.build(*example, self.worth.size, key=key_critics),
        )
        optimiser = self._optimiser().init(cast(Any, networks))
        return State(networks, jax.tree.map(jnp.copy, networks), optimiser, jnp.int32(0))

    def agent(self, state: State) -> Noisy:
        """The policy as it is now, with noise."""
        return Noisy(state.networks.policy, state.updates == 0, self.noise)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step of both networks, from windows `[steps of a return, batch]`."""
        networks, updates = state.networks, state.updates + 1
        critics, metrics = jax.grad(critics_loss, has_aux=True)(
            networks.critics, self.worth, self._lesson(state, trajectory)
        )
        policy = jax.grad(self._policy_loss)(networks.policy, networks.critics, trajectory)
        grads = Networks(self._bounded(policy), self._bounded(critics))
        networks, optimiser = descended(self._optimiser(), grads, state.optimiser, networks)
        target = copied(state.target, networks, updates, self.target_period)
        return State(networks, target, optimiser, updates), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by what the critics say now of what was done."""
        return critics_report(state.networks.critics, self.worth, trajectory, self.gamma)

    def _lesson(self, state: State, trajectory: Trajectory) -> Lesson:
        """What critics learn: the worth of what the target policy would do."""
        now, (policy, critics) = joined(trajectory, self.gamma), state.target
        after = least(critics(now.next.observation, policy(now.next)), self.worth)
        seen = now.timestep.observation
        return Lesson(seen, now.action, now.reward, now.discount, after, trajectory.weight)

    def _policy_loss(
        self, policy: DeterministicPolicy, critics: Critics, trajectory: Trajectory
    ) -> Float[Array, ""]:
        now = jax.tree.map(lambda x: x[0], trajectory.timestep)
        value = self.worth.mean(critics(now.observation, policy(now))).min(axis=0)
        return -weighed(value, trajectory.weight)

    def _bounded(self, grads: PyTree) -> PyTree:
        return optax.clip_by_global_norm(self.max_norm).update(grads, optax.EmptyState())[0]

    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate)
