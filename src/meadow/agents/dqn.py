"""DQN: Q-learning with a deep network, a target network and a store; and what it grew into.

**loss** `worth.loss` between what the action taken is told to be worth and `R + D * worth` of the
  best action after `n` steps: squares, Huber, C51 or quantiles.
**data** windows of as many rows as returns have steps, drawn uniformly or by surprise.
**return** runs over a window, but not past the end of an episode.
**time limits** the worth of a truncated episode's true final observation follows; of a terminated
  one nothing.
**differs from the papers in** its optimiser (Adam, with gradients cut), as everybody's does.
**reference** Mnih et al., Human-level control through deep reinforcement learning, 2015; van
  Hasselt et al., Deep Reinforcement Learning with Double Q-learning, 2016; Wang et al., 2016
  (duelling); Schaul et al., 2016 (weights and surprise); Bellemare et al., 2017 (C51); Dabney et
  al., 2018 (quantiles); Hessel et al., Rainbow, 2018; Vieillard et al., Munchausen Reinforcement
  Learning, 2020, eq. 1.
"""

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key

from meadow.agents.q_learning import State, begun, epsilon_greedy, stepped
from meadow.core.agent import AbstractAgent
from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE, AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.descent import adam, weighed
from meadow.nn.plan import Plan
from meadow.nn.q_network import QNetwork, q_network, taken
from meadow.nn.trunk import glance
from meadow.nn.worth import AbstractWorth, Categorical, Scalar
from meadow.returns import n_step
from meadow.scores import one_step_report


class Actor(AbstractAgent[tuple[()]]):
    """Takes the best action, but any with chance `epsilon`, unless `greedy`."""

    network: QNetwork
    worth: AbstractWorth
    epsilon: Float[Array, ""]
    greedy: bool = eqx.field(static=True, default=False)

    def init_memory(self) -> tuple[()]:
        """It remembers nothing."""
        return ()

    def act(
        self, memory: tuple[()], timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[tuple[()], Int[Array, ""], dict[str, Array]]:
        """The record holds the `value` of the time step."""
        worths = self.worth.mean(glance(self.network, timestep))
        epsilon = 0.0 if self.greedy else self.epsilon
        action = epsilon_greedy(worths, epsilon, jr.uniform(key, (2,)))
        return memory, action, {"value": worths.max()}


class DQN(AbstractLearner[State]):
    """The learner.

    Attributes:
        plan: the network's sizes; it has no memory and is not told what it did.
        worth: how the network tells what an action is worth.
        duelling, double: whether it is.
        gamma: discount of the learner, multiplied with the environment's.
        epsilon: chance of a random action at first, in the end, and over how many updates it falls
            from the one to the other.
        target_period: updates between two copies of the network to its target.
        clip_reward: rewards are cut to [-1, 1].
        learning_rate, adam_epsilon: of Adam.
        max_norm: gradients are scaled down to this global norm.
        munchausen: a temperature t, a share a and a bound, such as (0.03, 0.9, -1); t and the bound
            are in units of return, so they suit rewards of one size. The policy is then the softmax
            of Q / t of the target network; `a * max(t * log policy, bound)` of the first action
            taken is added to the reward, and what follows is worth what the policy makes of it,
            with its entropy. The choice of the best action, and so `double`, is gone.

    Raises:
        SpecError: a network with a memory; or worths that cannot be added up for `munchausen`.
    """

    plan: Plan = Plan(features=64, memory=64, heads=0, core="none", recalls=False)
    worth: AbstractWorth = Scalar(huber=1.0)
    duelling: bool = eqx.field(static=True, default=False)
    double: bool = eqx.field(static=True, default=True)
    gamma: float = eqx.field(static=True, default=0.99)
    epsilon: tuple[float, float, int] = eqx.field(static=True, default=(1.0, 0.05, 10_000))
    target_period: int = eqx.field(static=True, default=200)
    clip_reward: bool = eqx.field(static=True, default=False)
    learning_rate: float = eqx.field(static=True, default=1e-3)
    adam_epsilon: float = eqx.field(static=True, default=1e-8)
    max_norm: float = eqx.field(static=True, default=10.0)
    munchausen: tuple[float, float, float] | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        self.plan.check_glance("`DQN`", ", or use `R2D2`, which remembers")
        rescaled = isinstance(self.worth, Scalar) and self.worth.rescale
        if self.munchausen is not None and (rescaled or isinstance(self.worth, Categorical)):
            raise SpecError(
                f"With `munchausen` worths are added up, which {self.worth} cannot be. Write "
                "worth=Scalar(...) without `rescale`, or Quantiles(...)."
            )

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the network cannot take.
        """
        network = q_network(
            *(self.plan, timestep.observation, action_spec),
            size=self.worth.size,
            duelling=self.duelling,
            key=key,
        )
        return begun(network, self._optimiser())

    def agent(self, state: State) -> Actor:
        """The policy as it is now, with its share of random actions."""
        first, last, over = self.epsilon
        share = jnp.clip(state.updates / max(over, 1), 0.0, 1.0)
        return Actor(state.network, self.worth, first + share * (last - first))

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step down the gradient, from windows `[steps of a return, batch]`."""
        grads, metrics = jax.grad(self._loss, has_aux=True)(state.network, state.target, trajectory)
        metrics["gradient_norm"] = optax.tree.norm(grads)
        return stepped(state, grads, self._optimiser(), self.target_period), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by the worths told while it was lived."""
        return one_step_report(trajectory, trajectory.record["value"], self.gamma)

    def _loss(
        self, network: QNetwork, target: QNetwork, trajectory: Trajectory
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        reward, after = trajectory.next.reward, trajectory.next
        reward = jnp.clip(reward, -1.0, 1.0) if self.clip_reward else reward
        reward, discount, row = n_step(reward, self.gamma * after.discount, after.last())
        seen, action = jax.tree.map(lambda x: x[0], (trajectory.timestep, trajectory.action))
        after = jax.tree.map(lambda x: x[row, jnp.arange(row.size)], after)

        told = taken(glance(network, seen), action)
        options = glance(target, after)
        if self.munchausen is None:
            judge = glance(network, after) if self.double else options
            follows = taken(options, jnp.argmax(self.worth.mean(judge), axis=-1))
        else:
            bonus, follows = self._softly(glance(target, seen), action, options)
            reward = reward + bonus
        follows = jax.lax.stop_gradient(follows)

        losses = self.worth.loss(told, reward, discount, follows)
        metrics = {
            "loss": weighed(losses, trajectory.weight),
            "value": self.worth.mean(told).mean(),
            SURPRISE: jnp.abs(self.worth.error(told, reward, discount, follows)),
        }
        return metrics["loss"], metrics

    def _softly(
        self, now: Array, action: Int[Array, "batch"], then: Float[Array, "batch actions size"]
    ) -> tuple[Float[Array, "batch"], Float[Array, "batch size"]]:
        """What is added to the reward, and what follows, where the policy is a softmax."""
        temperature, share, bound = cast(tuple, self.munchausen)
        policy = jax.nn.log_softmax(self.worth.mean(now) / temperature)
        bonus = temperature * taken(policy[..., None], action)[:, 0]
        policy = jax.nn.log_softmax(self.worth.mean(then) / temperature)[..., None]
        follows = jnp.sum(jnp.exp(policy) * (then - temperature * policy), axis=1)
        return share * jnp.clip(bonus, bound, 0.0), follows

    def _optimiser(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.max_norm),
            adam(self.learning_rate, eps=self.adam_epsilon),
        )
