"""BC: behaviour cloning: do what was done, wherever that was seen.

**loss** minus the log probability of what was done; or, of vectors, the squared distance to it in
  units of half the box.
**data** windows of any length; every row counts alike.
**return** none; rewards are not looked at.
**time limits** do not matter.
**differs from the papers in** nothing.
**reference** Pomerleau, ALVINN: An Autonomous Land Vehicle in a Neural Network, 1989.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from meadow.agents.sac import Actor
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec, Discrete
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.box import units
from meadow.nn.categorical_policy import CategoricalPolicy, categorical_policy
from meadow.nn.descent import adam, descended, weighed
from meadow.nn.plan import Plan
from meadow.nn.policy import MixturePolicy, PolicyPlan, StochasticPolicy
from meadow.scores import one_step_report

LOSSES = ("log_prob", "square")


class State(NamedTuple):
    """What BC changes while it learns."""

    policy: StochasticPolicy | MixturePolicy | CategoricalPolicy
    optimiser: PyTree


class BC(AbstractLearner[State]):
    """The learner.

    Attributes:
        policy: sizes of the policy where actions are vectors.
        plan: sizes of the policy where they are one of a few; without a memory.
        loss: log_prob; or, of vectors, square.
        learning_rate: of Adam.

    Raises:
        UnknownNameError: no such loss.
    """

    policy: PolicyPlan = PolicyPlan()
    plan: Plan = Plan(features=64, memory=64, heads=0, core="none", recalls=False)
    loss: str = eqx.field(static=True, default="log_prob")
    learning_rate: float = eqx.field(static=True, default=1e-4)

    def __check_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UnknownNameError("loss of behaviour cloning", self.loss, LOSSES)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the network cannot take, or squares of actions
                that are no vectors.
        """
        example = timestep.observation, action_spec
        if isinstance(action_spec, Discrete):
            if self.loss == "square":
                raise SpecError(
                    f"No distance lies between actions that are one of a few, got {action_spec} "
                    "and loss='square'. Write loss='log_prob'."
                )
            policy = categorical_policy(self.plan, *example, key=key)
        else:
            policy = self.policy.cloning(*example, key=key)
        return State(policy, self._optimiser().init(cast(Any, policy)))

    def agent(self, state: State) -> Actor:
        """The policy as it is now, sampling its actions."""
        return Actor(state.policy)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step down the gradient."""
        grads, metrics = jax.grad(self._loss, has_aux=True)(state.policy, trajectory)
        policy, optimiser = descended(self._optimiser(), grads, state.optimiser, state.policy)
        return State(policy, optimiser), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went; nothing is known of worth."""
        return one_step_report(trajectory, jnp.zeros_like(trajectory.next.reward), 1.0)

    def _loss(
        self, policy: StochasticPolicy | MixturePolicy | CategoricalPolicy, trajectory: Trajectory
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        options = policy(trajectory.timestep)
        if self.loss == "square" and not isinstance(policy, CategoricalPolicy):
            pair = options.mode(), trajectory.action
            told, done = (units(policy.box, x) for x in pair)
            losses = jnp.sum((told - done) ** 2, axis=-1)
        else:
            losses = -options.log_prob(trajectory.action)
        loss = weighed(losses, trajectory.weight)
        return loss, {"loss": loss}

    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate)
