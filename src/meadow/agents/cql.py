"""CQL: conservative Q-learning: SAC whose critics think little of what was never done.

**loss** SAC's; of critics in addition `coefficient` times what they think the best of some actions
  is worth above the one that was done: uniform ones, and those that the policy would do there and
  next. With a `threshold` the coefficient is a multiplier that keeps that excess there. During
  `warmup` updates the policy clones what was done.
**data** windows of as many rows as returns have steps.
**return** runs over a window, but not past the end of an episode.
**time limits** as SAC's.
**differs from the paper in** nothing but what SAC here differs in: `sac.adaptive` and
  `sac.temperature` say whether entropy is paid.
**reference** Kumar et al., Conservative Q-Learning for Offline Reinforcement Learning, 2020.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.agents.sac import SAC, Actor
from meadow.agents.sac import Networks as SoftNetworks
from meadow.agents.sac import State as SoftState
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.conservative import excess, proposals
from meadow.nn.critic import Critics
from meadow.nn.descent import adam, descended, followed, weighed
from meadow.nn.policy import StochasticPolicy
from meadow.returns import joined


class Networks(NamedTuple):
    """What descends; the multiplier is the coefficient."""

    soft: SoftNetworks
    log_multiplier: Float[Array, ""]


class State(NamedTuple):
    """What CQL changes while it learns."""

    networks: Networks
    target: Critics
    optimiser: PyTree
    updates: Int[Array, ""]


class CQL(AbstractLearner[State]):
    """The learner.

    Attributes:
        sac: what it adds to; its learning rate is the critics'.
        coefficient: how much the excess counts, or the multiplier at first.
        threshold: where a multiplier keeps the excess; None for a fixed coefficient.
        samples: of each kind of action.
        warmup: updates in which the policy clones.
        policy_rate: learning rate of the policy.
    """

    sac: SAC = SAC()
    coefficient: float = eqx.field(static=True, default=5.0)
    threshold: float | None = eqx.field(static=True, default=None)
    samples: int = eqx.field(static=True, default=10)
    warmup: int = eqx.field(static=True, default=50_000)
    policy_rate: float = eqx.field(static=True, default=3e-5)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the networks cannot take.
        """
        begun = self.sac.init(timestep, action_spec, key=key)
        networks = Networks(begun.networks, jnp.log(jnp.float32(self.coefficient)))
        optimiser = self._optimiser().init(cast(Any, networks))
        return State(networks, begun.target, optimiser, jnp.int32(0))

    def agent(self, state: State) -> Actor:
        """The policy as it is now, sampling its actions."""
        return self.sac.agent(self._soft(state))

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step of everything, from windows `[steps of a return, batch]`."""
        networks, target, optimiser, updates = state
        key_soft, key_others = jr.split(key)
        grads, metrics = self.sac.gradients(self._soft(state), trajectory, key=key_soft)
        (loss, more), dear = jax.value_and_grad(self._excess, has_aux=True)(
            networks.soft.critics, state, trajectory, key=key_others
        )
        clone = jax.grad(_clone_loss)(networks.soft.policy, trajectory)
        policy = jax.tree.map(
            lambda x, y: jnp.where(updates < self.warmup, x, y), clone, grads.policy
        )
        grads = Networks(
            grads._replace(policy=policy, critics=jax.tree.map(jnp.add, grads.critics, dear)),
            jnp.zeros(()) if self.threshold is None else self.threshold - more,
        )
        networks, optimiser = descended(self._optimiser(), grads, optimiser, networks)
        target = followed(target, networks.soft.critics, self.sac.share)
        metrics |= {"excess": more, "multiplier": jnp.exp(networks.log_multiplier)}
        metrics["loss"] += loss
        return State(networks, target, optimiser, updates + 1), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by what the critics say now of what was done."""
        return self.sac.score(self._soft(state), trajectory)

    def _excess(
        self, critics: Critics, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """What is added to the critics' loss, summed over them; and the mean excess."""
        now = joined(trajectory, self.sac.gamma)
        policy = state.networks.soft.policy
        others = proposals((policy(now.timestep), policy(now.next)), critics, self.samples, key=key)
        each = excess(critics, self.sac.worth, now.timestep.observation, now.action, others)
        loss = jnp.exp(state.networks.log_multiplier) * weighed(each.sum(0), trajectory.weight)
        return loss, each.mean()

    def _soft(self, state: State) -> SoftState:
        return SoftState(state.networks.soft, state.target, None)

    def _optimiser(self) -> optax.GradientTransformation:
        slower = self.policy_rate / self.sac.learning_rate

        def slowed(steps: Networks, _: PyTree) -> Networks:
            policy = jax.tree.map(lambda step: slower * step, steps.soft.policy)
            return steps._replace(soft=steps.soft._replace(policy=policy))

        return optax.chain(adam(self.sac.learning_rate), optax.stateless(cast(Any, slowed)))


def _clone_loss(policy: StochasticPolicy, trajectory: Trajectory) -> Float[Array, ""]:
    log_prob = policy(trajectory.timestep).log_prob(trajectory.action)
    return -weighed(log_prob, trajectory.weight)
