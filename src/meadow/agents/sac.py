"""SAC: soft actor-critic, which is paid for being unpredictable.

**loss** of critics `worth.loss` against `R + D (worth - temperature log pi)` of an action drawn
  after `n` steps, of the critic that expects least; of the policy `temperature log pi - Q`, Q of
  the critic that expects least; of the temperature `-log temperature (log pi + target entropy)`.
**data** windows of as many rows as returns have steps, drawn uniformly or by surprise.
**return** runs over a window, but not past the end of an episode; the entropy of the actions within
  a window is not part of it.
**time limits** the worth of a truncated episode's true final observation follows; of a terminated
  one nothing.
**differs from the papers in** one update of all networks from the same parameters, with one
  optimiser; densities are those of actions in units of half their box, so that entropies do not
  depend on how actions are measured.
**reference** Haarnoja et al., Soft Actor-Critic, 2018; Haarnoja et al., Soft Actor-Critic
  Algorithms and Applications, 2019, for the temperature.
"""

import math
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key, PyTree, Shaped

from meadow.agents.critics import critics_report
from meadow.core.agent import AbstractAgent
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.box import half
from meadow.nn.categorical_policy import CategoricalPolicy
from meadow.nn.critic import CriticPlan, Critics, Lesson, critics_loss, least
from meadow.nn.descent import adam, descended, followed, weighed
from meadow.nn.policy import MixturePolicy, PolicyPlan, StochasticPolicy
from meadow.nn.worth import AbstractWorth, Scalar
from meadow.returns import joined


class Actor(AbstractAgent[tuple[()]]):
    """Samples from its policy, or does what its mean is squashed to where `greedy`."""

    policy: StochasticPolicy | MixturePolicy | CategoricalPolicy
    greedy: bool = eqx.field(static=True, default=False)

    def init_memory(self) -> tuple[()]:
        """It remembers nothing."""
        return ()

    def act(
        self, memory: tuple[()], timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[tuple[()], Shaped[Array, "*action"], dict[str, Array]]:
        """It records nothing."""
        options = self.policy(timestep)
        return memory, options.mode() if self.greedy else options.sample(key=key), {}


class Networks(NamedTuple):
    """What descends."""

    policy: StochasticPolicy
    critics: Critics
    log_temperature: Float[Array, ""]


class State(NamedTuple):
    """What SAC changes while it learns."""

    networks: Networks
    target: Critics
    optimiser: PyTree


class SAC(AbstractLearner[State]):
    """The learner.

    Attributes:
        policy, critics: their sizes.
        worth: how critics tell what an action is worth.
        gamma: discount of the learner, multiplied with the environment's.
        share: of the way to the critics that their targets move in an update.
        temperature: what a nat of entropy is paid, at first.
        adaptive: whether it is moved to where the policy has the target entropy.
        target_entropy: in nats, of actions in units of half their box; minus one for each number
            of an action when None.
        learning_rate: of Adam.
    """

    policy: PolicyPlan = PolicyPlan()
    critics: CriticPlan = CriticPlan()
    worth: AbstractWorth = Scalar()
    gamma: float = eqx.field(static=True, default=0.99)
    share: float = eqx.field(static=True, default=0.005)
    temperature: float = eqx.field(static=True, default=1.0)
    adaptive: bool = eqx.field(static=True, default=True)
    target_entropy: float | None = eqx.field(static=True, default=None)
    learning_rate: float = eqx.field(static=True, default=3e-4)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the networks cannot take.
        """
        key_policy, key_critics = jr.split(key)
        example = timestep.observation, action_spec
        critics = self.critics.build(*example, self.worth.size, key=key_critics)
        networks = Networks(
            self.policy.stochastic(*example, key=key_policy),
            critics,
            jnp.log(jnp.float32(self.temperature)),
        )
        optimiser = self._optimiser().init(cast(Any, networks))
        return State(networks, jax.tree.map(jnp.copy, critics), optimiser)

    def agent(self, state: State) -> Actor:
        """The policy as it is now, sampling its actions."""
        return Actor(state.networks.policy)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step of everything, from windows `[steps of a return, batch]`."""
        grads, metrics = self.gradients(state, trajectory, key=key)
        networks, optimiser = descended(self._optimiser(), grads, state.optimiser, state.networks)
        target = followed(state.target, networks.critics, self.share)
        metrics["temperature"] = jnp.exp(networks.log_temperature)
        return State(networks, target, optimiser), metrics

    def gradients(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[Networks, dict[str, Float[Array, "..."]]]:
        """Of all losses, for learners that add to them; and metrics."""
        networks = state.networks
        key_lesson, key_policy = jr.split(key)
        lesson = self._lesson(state, trajectory, key=key_lesson)
        critics, metrics = jax.grad(critics_loss, has_aux=True)(
            networks.critics, self.worth, lesson
        )
        policy, log_prob = jax.grad(self._policy_loss, has_aux=True)(
            networks.policy, networks, trajectory, key=key_policy
        )
        warmer = self._warmer(networks.policy, log_prob, trajectory.weight)
        return Networks(policy, critics, warmer), metrics | {"entropy": -log_prob.mean()}

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by what the critics say now of what was done."""
        return critics_report(state.networks.critics, self.worth, trajectory, self.gamma)

    def _lesson(self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]) -> Lesson:
        """What critics learn: the entropy of what is done next is paid with the reward."""
        now = joined(trajectory, self.gamma)
        action, log_prob = _drawn(state.networks.policy, now.next, key=key)
        after = least(state.target(now.next.observation, action), self.worth)
        bonus = jnp.exp(state.networks.log_temperature) * log_prob
        return Lesson(
            now.timestep.observation,
            now.action,
            now.reward - now.discount * bonus,
            now.discount,
            after,
            trajectory.weight,
        )

    def _policy_loss(
        self,
        policy: StochasticPolicy,
        networks: Networks,
        trajectory: Trajectory,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, "batch"]]:
        """And the log densities of what the policy would do."""
        now = jax.tree.map(lambda x: x[0], trajectory.timestep)
        action, log_prob = _drawn(policy, now, key=key)
        value = self.worth.mean(networks.critics(now.observation, action)).min(axis=0)
        losses = jnp.exp(networks.log_temperature) * log_prob - value
        return weighed(losses, trajectory.weight), log_prob

    def _warmer(
        self,
        policy: StochasticPolicy,
        log_prob: Float[Array, "batch"],
        weight: Float[Array, "batch"] | None,
    ) -> Float[Array, ""]:
        """The gradient of the temperature's logarithm: how far entropies lie above the target, each
        as far as it counts."""
        if not self.adaptive:
            return jnp.zeros(())
        wanted = self.target_entropy
        if wanted is None:
            wanted = -float(policy.box.shape[0])
        counts = 1.0 if weight is None else weight.mean()
        return -weighed(log_prob, weight) - wanted * counts

    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate)


def _drawn(
    policy: StochasticPolicy, timestep: TimeStep, *, key: Key[Array, ""]
) -> tuple[Float[Array, "batch num"], Float[Array, "batch"]]:
    """Actions, and their log densities in units of half the box."""
    action, log_prob = policy(timestep).sample_and_log_prob(key=key)
    return action, log_prob + action.shape[-1] * math.log(half(policy.box))
