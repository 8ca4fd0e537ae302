"""TD3: a deterministic policy, twin critics that are asked beside the point, and patience.

**loss** of critics `worth.loss` against `R + D worth` of what the target policy would do after `n`
  steps, give or take some noise, by the target critic that expects least; of the policy `-Q` of
  the first critic. With `bc`, for data that others made, `-bc Q / mean|Q|` and the squared distance
  from what was done.
**data** windows of as many rows as returns have steps, drawn uniformly or by surprise.
**return** runs over a window, but not past the end of an episode.
**time limits** the worth of a truncated episode's true final observation follows; of a terminated
  one nothing.
**differs from the papers in** nothing but that every length of an action is in units of half its
  box, and in how the networks begin. TD3+BC's normalisation of observations is left to the data.
**reference** Fujimoto, van Hoof and Meger, Addressing Function Approximation Error in Actor-Critic
  Methods, 2018, algorithm 1; Fujimoto and Gu, A Minimalist Approach to Offline Reinforcement
  Learning, 2021, eq. 3 and 5.
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
from meadow.nn.box import half, units
from meadow.nn.critic import CriticPlan, Critics, Lesson, critics_loss, least
from meadow.nn.descent import adam, descended, followed, weighed
from meadow.nn.policy import DeterministicPolicy, PolicyPlan
from meadow.nn.worth import AbstractWorth, Scalar
from meadow.returns import joined

_LEAST_SIZE = 1e-8  # of values, so that nothing is divided by none


class Networks(NamedTuple):
    """What acts, and what judges it; the same of their targets and optimisers."""

    policy: DeterministicPolicy
    critics: Critics


class State(NamedTuple):
    """What TD3 changes while it learns."""

    networks: Networks
    target: Networks
    optimisers: tuple[PyTree, PyTree]
    updates: Int[Array, ""]


class TD3(AbstractLearner[State]):
    """The learner.

    Attributes:
        policy, critics: their sizes.
        worth: how critics tell what an action is worth.
        gamma: discount of the learner, multiplied with the environment's.
        share: of the way to the networks that their targets move in an update.
        noise: standard deviation of what is added to actions while acting.
        smoothing, most: standard deviation of what is added to the target policy's actions, and the
            most that is; both noises in units of half the box.
        delay: updates of the critics for one of the policy and of the targets.
        bc: weight of the critic against the data, for learning from a dataset; 2.5 in the paper.
            None for no regard to the data.
        learning_rate: of Adam.
    """

    policy: PolicyPlan = PolicyPlan()
    critics: CriticPlan = CriticPlan()
    worth: AbstractWorth = Scalar()
    gamma: float = eqx.field(static=True, default=0.99)
    share: float = eqx.field(static=True, default=0.005)
    noise: float = eqx.field(static=True, default=0.1)
    smoothing: float = eqx.field(static=True, default=0.2)
    most: float = eqx.field(static=True, default=0.5)
    delay: int = eqx.field(static=True, default=2)
    bc: float | None = eqx.field(static=True, default=None)
    learning_rate: float = eqx.field(static=True, default=3e-4)

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
        policy, critics = (self._optimiser().init(cast(Any, network)) for network in networks)
        target = jax.tree.map(jnp.copy, networks)
        return State(networks, target, (policy, critics), jnp.int32(0))

    def agent(self, state: State) -> Noisy:
        """The policy as it is now, with noise."""
        return Noisy(state.networks.policy, state.updates == 0, self.noise)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step of the critics, and of the rest where it is due, from windows `[steps of a
        return, batch]`."""
        (policy, critics), target, optimisers, updates = state
        grads, metrics = jax.grad(critics_loss, has_aux=True)(
            critics, self.worth, self._lesson(state, trajectory, key=key)
        )
        critics, moments = descended(self._optimiser(), grads, optimisers[1], critics)

        def moved() -> tuple[Networks, Networks, PyTree]:
            grads = jax.grad(self._policy_loss)(policy, critics, trajectory)
            better, moments = descended(self._optimiser(), grads, optimisers[0], policy)
            networks = Networks(better, critics)
            return networks, followed(target, networks, self.share), moments

        def waited() -> tuple[Networks, Networks, PyTree]:
            return Networks(policy, critics), target, optimisers[0]

        due = (updates + 1) % self.delay == 0
        networks, target, other = jax.lax.cond(due, moved, waited)
        return State(networks, target, (other, moments), updates + 1), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by what the critics say now of what was done."""
        return critics_report(state.networks.critics, self.worth, trajectory, self.gamma)

    def _lesson(self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]) -> Lesson:
        """What critics learn: the worth of actions like the target policy's."""
        now, (policy, critics) = joined(trajectory, self.gamma), state.target
        action, box = policy(now.next), policy.box
        noise = self.smoothing * jr.normal(key, action.shape)
        action = action + half(box) * jnp.clip(noise, -self.most, self.most)
        action = jnp.clip(action, box.low, box.high)
        after = least(critics(now.next.observation, action), self.worth)
        seen = now.timestep.observation
        return Lesson(seen, now.action, now.reward, now.discount, after, trajectory.weight)

    def _policy_loss(
        self, policy: DeterministicPolicy, critics: Critics, trajectory: Trajectory
    ) -> Float[Array, ""]:
        now = jax.tree.map(lambda x: x[0], trajectory.timestep)
        action, weight = policy(now), trajectory.weight
        value = self.worth.mean(critics.first(now.observation, action)[0])
        if self.bc is None:
            return -weighed(value, weight)
        far = units(policy.box, action) - units(policy.box, trajectory.action[0])
        size = jax.lax.stop_gradient(jnp.maximum(jnp.abs(value).mean(), _LEAST_SIZE))
        return weighed((far**2).mean(axis=-1) - self.bc * value / size, weight)

    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate)
