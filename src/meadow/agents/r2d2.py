"""R2D2: Q-learning with a network that remembers, from sequences in a store.

**loss** `worth.loss` at every row of a window behind its burn-in, meaned over them.
**data** windows with the agent's memory before their first row (`Replay(..., memory=True)`). The
  first `burn_in` rows only bring that memory up to what the networks are now.
**return** of `steps` steps, or as many as the window or the episode still has.
**time limits** the worth of a truncated episode's true final observation follows; of a terminated
  one nothing.
**memory** is kept for a whole trial, whatever its episodes; a window may span several trials.
**differs from the papers in** the loss's mean over a window, where others sum; in gradients that
  are cut; and in the share of random actions, which is drawn for each episode, where every actor
  has one of its own.
**reference** Kapturowski et al., Recurrent Experience Replay in Distributed Reinforcement Learning,
  2019; Pohlen et al., Observe and Look Further, 2018 (rescaling); Horgan et al., Distributed
  Prioritized Experience Replay, 2018 (shares of random actions).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

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
from meadow.nn.trunk import replayed, senses_of
from meadow.nn.worth import AbstractWorth, Scalar
from meadow.returns import n_step
from meadow.scores import one_step_report

_PEAK = 0.9  # share of the greatest error in how surprising a window was; the rest is the mean


class Memory(NamedTuple):
    """What the agent carries from step to step; `epsilon` is its share of random actions in this
    episode."""

    hidden: PyTree
    action: Int[Array, ""]
    epsilon: Float[Array, ""]


class Actor(AbstractAgent[Memory]):
    """Takes the best action, but any with a chance that it draws for every episode, log-uniformly
    between two numbers; the best alone where `greedy`."""

    network: QNetwork
    worth: AbstractWorth
    epsilon: tuple[float, float] = eqx.field(static=True)
    greedy: bool = eqx.field(static=True, default=False)

    def init_memory(self) -> Memory:
        """A memory of nothing, and no previous action."""
        return Memory(self.network.init_memory(), jnp.int32(-1), jnp.float32(0.0))

    def act(
        self, memory: Memory, timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[Memory, Int[Array, ""], dict[str, Array]]:
        """The record holds the `value` of the time step."""
        row = jax.tree.map(lambda x: x[None], senses_of(timestep, memory.action))
        hidden, told = jax.tree.map(lambda x: x[0], self.network(memory.hidden, row))
        worths, luck = self.worth.mean(told), jr.uniform(key, (3,))
        low, high = self.epsilon
        epsilon = jnp.where(timestep.first(), low * (high / low) ** luck[2], memory.epsilon)
        action = epsilon_greedy(worths, 0.0 if self.greedy else epsilon, luck[:2])
        return Memory(hidden, action, epsilon), action, {"value": worths.max()}


class R2D2(AbstractLearner[State]):
    """The learner.

    Attributes:
        plan: the network's sizes.
        worth: how the network tells what an action is worth.
        duelling, double: whether it is.
        gamma: discount of the learner, multiplied with the environment's.
        epsilon: between which an episode's chance of random actions is drawn.
        burn_in: rows of a window that nothing is learnt from.
        steps: of a return.
        target_period: updates between two copies of the network to its target.
        learning_rate, adam_epsilon: of Adam.
        max_norm: gradients are scaled down to this global norm.

    Raises:
        SpecError: chances that cannot be drawn.
    """

    plan: Plan = Plan(core="lstm")
    worth: AbstractWorth = Scalar(rescale=True)
    duelling: bool = eqx.field(static=True, default=True)
    double: bool = eqx.field(static=True, default=True)
    gamma: float = eqx.field(static=True, default=0.997)
    epsilon: tuple[float, float] = eqx.field(static=True, default=(1e-3, 0.1))
    burn_in: int = eqx.field(static=True, default=40)
    steps: int = eqx.field(static=True, default=5)
    target_period: int = eqx.field(static=True, default=2500)
    learning_rate: float = eqx.field(static=True, default=1e-3)
    adam_epsilon: float = eqx.field(static=True, default=1e-3)
    max_norm: float = eqx.field(static=True, default=40.0)

    def __check_init__(self) -> None:
        low, high = self.epsilon
        if not 0 < low <= high <= 1:
            raise SpecError(
                f"`R2D2` draws epsilon log-uniformly between two numbers in (0, 1], got {low} and "
                f"{high}. Write epsilon=({max(low, 1e-3)}, ...), or the same number twice."
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
        return Actor(state.network, self.worth, self.epsilon)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step down the gradient, from windows `[burn_in + rows to learn from, batch]`.

        Raises:
            SpecError: windows without memory, or no longer than the burn-in (while tracing).
        """
        length = trajectory.trial_ended.shape[0]
        if trajectory.memory is None or length <= self.burn_in:
            raise SpecError(
                f"`R2D2` learns from windows with a memory and more than burn_in={self.burn_in} "
                f"rows, got {length} rows and memory={trajectory.memory}. Write "
                f"`Replay(..., length={2 * self.burn_in or 80}, period=..., memory=True)`."
            )
        grads, metrics = jax.grad(self._loss, has_aux=True)(state.network, state.target, trajectory)
        metrics["gradient_norm"] = optax.tree.norm(grads)
        return stepped(state, grads, self._optimiser(), self.target_period), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by the worths told while it was lived."""
        return one_step_report(trajectory, trajectory.record["value"], self.gamma)

    def _loss(
        self, network: QNetwork, target: QNetwork, trajectory: Trajectory
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        here, after = self._judged(network, trajectory)
        options = self._judged(target, trajectory)[1]
        best = jnp.argmax(self.worth.mean(after if self.double else options), axis=-1)
        follows = jax.lax.stop_gradient(taken(options, best))

        told = taken(here, trajectory.action[self.burn_in :])
        reward, discount, row = self._returns(self._learnt(trajectory.next))
        follows = jnp.take_along_axis(follows, row[..., None], axis=0)
        losses = self.worth.loss(told, reward, discount, follows).mean(axis=0)
        error = jnp.abs(self.worth.error(told, reward, discount, follows))
        metrics = {
            "loss": weighed(losses, trajectory.weight),
            "value": self.worth.mean(told).mean(),
            SURPRISE: _PEAK * error.max(axis=0) + (1.0 - _PEAK) * error.mean(axis=0),
        }
        return metrics["loss"], metrics

    def _judged(self, network: QNetwork, trajectory: Trajectory) -> tuple[Array, Array]:
        """What every action is worth at every row behind the burn-in, and at what followed it
        before any reset."""
        senses = replayed(trajectory)
        hidden, burnt = trajectory.memory.hidden, jax.tree.map(lambda x: x[: self.burn_in], senses)
        if self.burn_in:
            hidden = jax.tree.map(lambda x: x[-1], network(hidden, burnt)[0])
        after, action = self._learnt((trajectory.next, trajectory.action))
        following = senses_of(after, action)
        rows = jax.tree.map(
            lambda x, y: jnp.concatenate([x, y[-1:]]), self._learnt(senses), following
        )
        memories, worths = network(jax.lax.stop_gradient(hidden), rows)
        memories = jax.lax.stop_gradient(jax.tree.map(lambda x: x[:-1], memories))

        # The next row is what followed, unless the episode was cut and another one began.
        def look() -> Array:
            row = jax.tree.map(lambda x: x[None], following)
            return jax.lax.stop_gradient(network)(memories, row)[1][0]

        cut = after.truncated().at[-1].set(False)
        seen = jax.lax.cond(cut.any(), look, lambda: worths[1:])
        return worths[:-1], jnp.where(cut[..., None, None], seen, worths[1:])

    def _returns(self, after: TimeStep) -> tuple[Array, Array, Array]:
        """Of `steps` steps from every row: reward, discount, and the row they end with."""
        time = jnp.arange(after.reward.shape[0])
        which = jnp.minimum(time + jnp.arange(self.steps)[:, None], time[-1])
        last = after.last().at[-1].set(True)
        rows = after.reward, self.gamma * after.discount, last
        reward, discount, row = n_step(*(x[which] for x in rows))
        return reward, discount, time[:, None] + row

    def _learnt(self, rows: PyTree) -> PyTree:
        """The rows behind the burn-in."""
        return jax.tree.map(lambda x: x[self.burn_in :], rows)

    def _optimiser(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.max_norm),
            adam(self.learning_rate, eps=self.adam_epsilon),
        )
