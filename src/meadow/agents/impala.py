"""IMPALA: an actor-critic that learns from what an older self has lived.

**loss** a policy gradient with the advantages of V-trace, half the squared distance of values to
  its targets, an entropy bonus.
**data** chunks of lives, each learnt from once: as they were lived, or from a queue,
  `Replay(length=T, period=T, selector=Fifo(), record=("log_prob",), memory=True)`; for actions that
  are vectors also the record "drawn". Memories begin where the older self's stood.
**return** runs to the end of the trial, as PPO's.
**time limits** where a trial is truncated, the value of its true final observation stands in for
  what would have followed.
**differs from the papers in** its optimiser, Adam without momentum, which is RMSProp but for its
  first steps; losses are means, not sums.
**reference** Espeholt et al., IMPALA: Scalable Distributed Deep-RL with Importance Weighted
  Actor-Learner Architectures, 2018, section 4.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from meadow.agents.actor import DRAWN, Actor, Memory, discounts, drawn, values_after
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.actor_critic import ActorCritic, actor_critic
from meadow.nn.descent import descended, weighed
from meadow.nn.plan import Plan
from meadow.nn.trunk import replayed
from meadow.returns import v_trace
from meadow.scores import one_step_report


class State(NamedTuple):
    """What IMPALA changes while it learns."""

    network: ActorCritic
    optimiser: PyTree


class IMPALA(AbstractLearner[State]):
    """The learner.

    Attributes:
        plan: the network's sizes.
        gamma: discount of the learner, multiplied with the environment's.
        trace: lambda of V-trace.
        ratio: importance ratios are cut to this, at least 1.
        entropy, value_cost: weights of these terms.
        clip_reward: rewards are cut to [-1, 1].
        learning_rate: of Adam; falls linearly to 0 over `updates` calls where that is given.
        decay, epsilon: of Adam: how long it remembers squares of gradients, and what is added to
            their root.
        max_norm: gradients are scaled down to this global norm.

    Raises:
        SpecError: ratios cut below 1.
    """

    plan: Plan = Plan(features=64, memory=64, heads=0, core="none", recalls=False)
    gamma: float = eqx.field(static=True, default=0.99)
    trace: float = eqx.field(static=True, default=1.0)
    ratio: float = eqx.field(static=True, default=1.0)
    entropy: float = eqx.field(static=True, default=0.01)
    value_cost: float = eqx.field(static=True, default=0.5)
    clip_reward: bool = eqx.field(static=True, default=False)
    learning_rate: float = eqx.field(static=True, default=2e-4)
    updates: int | None = eqx.field(static=True, default=None)
    decay: float = eqx.field(static=True, default=0.99)
    epsilon: float = eqx.field(static=True, default=1e-8)
    max_norm: float = eqx.field(static=True, default=40.0)

    def __check_init__(self) -> None:
        if self.ratio < 1:
            raise SpecError(f"`IMPALA` cuts ratios to at least 1, got ratio={self.ratio}.")

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the network cannot take.
        """
        network = actor_critic(self.plan, timestep.observation, action_spec, key=key)
        return State(network, self._optimiser().init(cast(Any, network)))

    def agent(self, state: State) -> Actor:
        """The policy as it is now, sampling its actions."""
        return Actor(state.network)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, ""]]]:
        """One step down the gradient.

        Raises:
            SpecError: a store that keeps no memories, no log-probabilities, or not what was drawn
                where actions are vectors (while tracing).
        """
        wanted = ("log_prob",) if state.network.box is None else ("log_prob", DRAWN)
        if trajectory.memory is None or any(name not in trajectory.record for name in wanted):
            drew = "" if state.network.box is None else " and what was drawn"
            names = str(wanted).replace("'", '"')
            raise SpecError(
                f"`IMPALA` learns from the log-probabilities{drew} of who acted, and begins with "
                f"their memory. Write `Replay(..., record={names}, memory=True)`."
            )
        grads, metrics = jax.grad(self._loss, has_aux=True)(state.network, trajectory)
        metrics["gradient_norm"] = optax.tree.norm(grads)
        network, optimiser = descended(self._optimiser(), grads, state.optimiser, state.network)
        return State(network, optimiser), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by the values of the agent who lived it."""
        return one_step_report(trajectory, trajectory.record["value"], self.gamma)

    def _loss(
        self, network: ActorCritic, trajectory: Trajectory
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        memories, judgement = network(trajectory.memory.hidden, replayed(trajectory))
        log_prob = judgement.policy.log_prob(drawn(trajectory))
        ratios = jnp.exp(log_prob - trajectory.record["log_prob"])
        targets, advantages = jax.lax.stop_gradient(
            self._traced(network, trajectory, memories, judgement.value, ratios)
        )

        weight, errors = trajectory.weight, judgement.values - targets[..., None]
        policy_loss = -weighed(log_prob * advantages, weight)
        value_loss = 0.5 * weighed((errors**2).mean(axis=-1), weight)
        entropy = weighed(judgement.policy.entropy(), weight)
        loss = policy_loss + self.value_cost * value_loss - self.entropy * entropy
        metrics = {
            "loss": loss,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "ratio": weighed(ratios, weight),
        }
        return loss, metrics

    def _traced(
        self,
        network: ActorCritic,
        trajectory: Trajectory,
        memories: PyTree,
        values: Float[Array, "time batch"],
        ratios: Float[Array, "time batch"],
    ) -> tuple[Float[Array, "time batch"], Float[Array, "time batch"]]:
        """Targets of values, and advantages."""
        network, memories, values = jax.lax.stop_gradient((network, memories, values))
        final = jax.tree.map(lambda x: x[-1], Memory(memories, trajectory.action))
        next_values = values_after(network, trajectory, values, lambda: memories, final)
        reward = trajectory.next.reward
        return v_trace(
            jnp.clip(reward, -1.0, 1.0) if self.clip_reward else reward,
            self.gamma * discounts(trajectory),
            values,
            next_values,
            trajectory.trial_ended.astype(jnp.float32),
            jnp.minimum(ratios, self.ratio),
            trace=self.trace,
        )

    def _optimiser(self) -> optax.GradientTransformation:
        rate = self.learning_rate
        if self.updates is not None:
            rate = optax.linear_schedule(rate, 0.0, self.updates)
        return optax.chain(
            optax.clip_by_global_norm(self.max_norm),
            optax.adam(rate, b1=0.0, b2=self.decay, eps=self.epsilon),
        )
