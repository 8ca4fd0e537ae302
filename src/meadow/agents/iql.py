"""IQL: implicit Q-learning: no action is ever judged that was not done.

**loss** of the value the expectile loss of `Q - V`, Q of the target critic that expects least; of
  critics `worth.loss` against `R + D V` of what followed after `n` steps; of the policy minus the
  log probability of what was done, weighed with `exp(sharpness (Q - V))`, which is capped.
**data** windows of as many rows as returns have steps.
**return** runs over a window, but not past the end of an episode.
**time limits** the value of a truncated episode's true final observation follows; of a terminated
  one nothing.
**differs from the paper in** one update of all networks from the same parameters.
**reference** Kostrikov et al., Offline Reinforcement Learning with Implicit Q-Learning, 2022.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key, PyTree

from meadow.agents.mpo import Actor
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan, Critics, Lesson, critics_loss, least
from meadow.nn.descent import adam, descended, followed, weighed
from meadow.nn.policy import MixturePolicy, PolicyPlan, SteadyPolicy
from meadow.nn.preference import preference
from meadow.nn.state_value import StateValue, expectile_loss, state_value
from meadow.nn.worth import Scalar
from meadow.returns import Transition, joined
from meadow.scores import one_step_report

_WORTH = Scalar()


class Networks(NamedTuple):
    """What descends."""

    policy: SteadyPolicy | MixturePolicy
    value: StateValue
    critics: Critics


class State(NamedTuple):
    """What IQL changes while it learns."""

    networks: Networks
    target: Critics
    optimiser: PyTree


class IQL(AbstractLearner[State]):
    """The learner.

    Attributes:
        policy, critics: their sizes; the value is as large as one critic. The paper's policy has
            one part.
        gamma: discount of the learner, multiplied with the environment's.
        expectile: of what actions that were done are worth; one half for their mean, towards 1 for
            the best of them.
        sharpness: how much better actions are preferred; the paper's inverse temperature.
        cap: the most that one of them counts.
        share: of the way to the critics that their targets move in an update.
        learning_rate: of Adam; the policy's falls to 0 over `updates` calls, along half a cosine,
            where that is given.

    Raises:
        SpecError: an expectile outside (0, 1).
    """

    policy: PolicyPlan = PolicyPlan()
    critics: CriticPlan = CriticPlan()
    gamma: float = eqx.field(static=True, default=0.99)
    expectile: float = eqx.field(static=True, default=0.7)
    sharpness: float = eqx.field(static=True, default=3.0)
    cap: float = eqx.field(static=True, default=100.0)
    share: float = eqx.field(static=True, default=0.005)
    learning_rate: float = eqx.field(static=True, default=3e-4)
    updates: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if not 0 < self.expectile < 1:
            raise SpecError(f"`IQL` needs an expectile between 0 and 1, got {self.expectile}.")

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the networks cannot take.
        """
        keys = jr.split(key, 3)
        networks = Networks(
            self.policy.steady(timestep.observation, action_spec, key=keys[0]),
            state_value(self.critics, timestep.observation, key=keys[1]),
            self.critics.build(timestep.observation, action_spec, key=keys[2]),
        )
        target = jax.tree.map(jnp.copy, networks.critics)
        return State(networks, target, self._optimiser().init(cast(Any, networks)))

    def agent(self, state: State) -> Actor:
        """The policy as it is now, drawing its actions."""
        return Actor(state.networks.policy)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step of everything, from windows `[steps of a return, batch]`."""
        now, weight = joined(trajectory, self.gamma), trajectory.weight
        told = least(state.target(now.timestep.observation, now.action), _WORTH)
        grads, metrics = jax.grad(self._loss, has_aux=True)(
            state.networks, now, _WORTH.mean(told), weight
        )
        networks, optimiser = descended(self._optimiser(), grads, state.optimiser, state.networks)
        return State(networks, followed(state.target, networks.critics, self.share), optimiser), (
            metrics
        )

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by what its states are worth now."""
        return one_step_report(trajectory, state.networks.value(trajectory.timestep), self.gamma)

    def _loss(
        self,
        networks: Networks,
        now: Transition,
        worth: Float[Array, "batch"],
        weight: Float[Array, "batch"] | None,
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        """Of all networks; no gradient goes from one into the other."""
        better = worth - networks.value(now.timestep)
        value = weighed(expectile_loss(better, self.expectile), weight)

        after = jax.lax.stop_gradient(networks.value(now.next))[:, None]
        lesson = Lesson(now.timestep.observation, now.action, now.reward, now.discount, after)
        critics, metrics = critics_loss(networks.critics, _WORTH, lesson._replace(weight=weight))

        better = jax.lax.stop_gradient(better)
        preferred = preference(better, self.sharpness, self.cap)
        log_prob = networks.policy(now.timestep).log_prob(now.action)
        policy = -weighed(preferred * log_prob, weight)
        metrics |= {"value_loss": value, "policy_loss": policy, "preference": preferred.mean()}
        return value + critics + policy, metrics

    def _optimiser(self) -> optax.GradientTransformation:
        rule = adam(self.learning_rate)
        if self.updates is None:
            return rule
        falling = optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, self.updates))
        return optax.chain(rule, optax.masked(falling, Networks(True, False, False)))  # pyright: ignore
