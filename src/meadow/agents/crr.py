"""CRR: critic-regularised regression: clone what was done, where the critic approves of it.

**loss** of critics `worth.loss` against `R + D worth` of an action that the target policy would do
  after `n` steps; of the policy minus the log probability of what was done, weighed with
  `exp(sharpness A)`, which is capped, or with whether A > 0. A is what the action is worth above
  the mean of some that the policy would do.
**data** windows of as many rows as returns have steps.
**return** runs over a window, but not past the end of an episode.
**time limits** the worth of a truncated episode's true final observation follows; of a terminated
  one nothing.
**differs from the paper in** one critic that tells a number unless `critics` and `worth` say
  otherwise, no memory, and no choice among actions by their worth when it acts.
**reference** Wang et al., Critic Regularized Regression, 2020; Hoffman et al., Acme, 2020, for the
  number of its samples and its one update of all networks.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.agents.critics import critics_report
from meadow.agents.sac import Actor
from meadow.core.errors import UnknownNameError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan, Critics, Lesson, critics_loss, least
from meadow.nn.descent import adam, copied, descended, weighed
from meadow.nn.policy import MixturePolicy, PolicyPlan, StochasticPolicy
from meadow.nn.preference import preference
from meadow.nn.worth import AbstractWorth, Scalar
from meadow.returns import Transition, joined

PREFERENCES = ("exponential", "indicator")


class Networks(NamedTuple):
    """What descends."""

    policy: StochasticPolicy | MixturePolicy
    critics: Critics


class State(NamedTuple):
    """What CRR changes while it learns."""

    networks: Networks
    target: Networks
    optimiser: PyTree
    updates: Int[Array, ""]


class CRR(AbstractLearner[State]):
    """The learner.

    Attributes:
        policy, critics: their sizes.
        worth: how critics tell what an action is worth.
        gamma: discount of the learner, multiplied with the environment's.
        prefers: exponential or indicator.
        sharpness: how much better actions are preferred; one over the paper's beta.
        cap: the most that one of them counts.
        samples: actions that what was done is compared with.
        target_period: updates between two copies of the networks to their targets.
        learning_rate: of Adam.

    Raises:
        UnknownNameError: no such preference.
    """

    policy: PolicyPlan = PolicyPlan()
    critics: CriticPlan = CriticPlan(num=1)
    worth: AbstractWorth = Scalar()
    gamma: float = eqx.field(static=True, default=0.99)
    prefers: str = eqx.field(static=True, default="exponential")
    sharpness: float = eqx.field(static=True, default=1.0)
    cap: float = eqx.field(static=True, default=20.0)
    samples: int = eqx.field(static=True, default=4)
    target_period: int = eqx.field(static=True, default=100)
    learning_rate: float = eqx.field(static=True, default=3e-4)

    def __check_init__(self) -> None:
        if self.prefers not in PREFERENCES:
            raise UnknownNameError("preference of CRR", self.prefers, PREFERENCES)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the networks cannot take.
        """
        key_policy, key_critics = jr.split(key)
        example = timestep.observation, action_spec
        networks = Networks(
            self.policy.cloning(*example, key=key_policy),
            self.critics.build(*example, self.worth.size, key=key_critics),
        )
        optimiser = self._optimiser().init(cast(Any, networks))
        return State(networks, jax.tree.map(jnp.copy, networks), optimiser, jnp.int32(0))

    def agent(self, state: State) -> Actor:
        """The policy as it is now, sampling its actions."""
        return Actor(state.networks.policy)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step of everything, from windows `[steps of a return, batch]`."""
        networks, target, optimiser, updates = state
        key_next, key_now = jr.split(key)
        now, weight = joined(trajectory, self.gamma), trajectory.weight
        then = target.policy(now.next).sample(key=key_next)
        after = least(target.critics(now.next.observation, then), self.worth)
        lesson = Lesson(now.timestep.observation, now.action, now.reward, now.discount, after)
        critics, metrics = jax.grad(critics_loss, has_aux=True)(
            networks.critics, self.worth, lesson._replace(weight=weight)
        )
        preferred = self._preferred(networks, now, key=key_now)

        def policy_loss(policy: StochasticPolicy | MixturePolicy) -> Float[Array, ""]:
            return -weighed(preferred * policy(now.timestep).log_prob(now.action), weight)

        loss, policy = jax.value_and_grad(policy_loss)(networks.policy)
        grads = Networks(policy, critics)
        networks, optimiser = descended(self._optimiser(), grads, optimiser, networks)
        target = copied(target, networks, updates + 1, self.target_period)
        metrics |= {"policy_loss": loss, "preference": preferred.mean()}
        return State(networks, target, optimiser, updates + 1), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by what the critics say now of what was done."""
        return critics_report(state.networks.critics, self.worth, trajectory, self.gamma)

    def _preferred(
        self, networks: Networks, now: Transition, *, key: Key[Array, ""]
    ) -> Float[Array, "batch"]:
        """How much what was done counts."""
        options = networks.policy(now.timestep)
        drawn = jax.vmap(lambda key: options.sample(key=key))(jr.split(key, self.samples))

        def worth(action: Float[Array, "batch num"]) -> Float[Array, "batch"]:
            told = networks.critics(now.timestep.observation, action)
            return self.worth.mean(least(told, self.worth))

        better = worth(now.action) - jax.vmap(worth)(drawn).mean(axis=0)
        if self.prefers == "indicator":
            return (better > 0).astype(jnp.float32)
        return preference(better, self.sharpness, self.cap)

    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate)
