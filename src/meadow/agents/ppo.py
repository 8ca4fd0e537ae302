"""PPO: proximal policy optimisation with a recurrent actor-critic; for meta-learning, RL^2.

**loss** the clipped surrogate, a clipped value loss, an entropy bonus.
**data** on-policy, whole chunks of lives; minibatches are split over lives, and over time only
  where `stretch` says so.
**return** runs to the end of the *trial*: an episode's end within a trial cuts nothing, because
  the agent lives on in the next one with what it has learnt. With one episode per trial this is
  ordinary PPO.
**time limits** where a trial is truncated, the value of its true final observation stands in for
  what would have followed; only where the environment says that nothing follows it is 0.
**actions that are vectors** are drawn from a normal distribution whose spread is learnt but does
  not depend on what is seen; what was drawn is learnt from, what is done is cut to the box.
**differs from the papers in** its return and its time limits, the latter not where `bootstrap` is
  false; and as the first paper's published code does: values that are clipped, advantages in units
  of how they spread in a minibatch, gradients that are cut.
**reference** Schulman et al., Proximal Policy Optimization Algorithms, 2017, eq. 7 and 9; Duan et
  al., RL^2, 2016; Nikulin et al., XLand-MiniGrid, 2023, for the presets.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped

from meadow.agents.actor import Actor as Actor
from meadow.agents.actor import Memory as Memory
from meadow.agents.actor import discounts, drawn, values_after
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.actor_critic import ActorCritic, actor_critic
from meadow.nn.descent import descended
from meadow.nn.plan import Plan
from meadow.nn.trunk import Senses, replayed
from meadow.returns import gae
from meadow.scores import report


class State(NamedTuple):
    """What PPO changes while it learns."""

    network: ActorCritic
    optimiser: PyTree


class Rows(NamedTuple):
    """What the loss needs of a chunk; every leaf `[time, batch, ...]`."""

    senses: Senses
    action: Shaped[Array, "time batch *action"]
    log_prob: Float[Array, "time batch"]
    values: Float[Array, "time batch values"]
    advantage: Float[Array, "time batch"]
    target: Float[Array, "time batch"]


class PPO(AbstractLearner[State]):
    """The learner.

    Attributes:
        plan: the network's sizes.
        gamma: discount of the learner, multiplied with the environment's.
        trace: lambda of the advantage estimate.
        clip: how far the policy's ratio may move.
        value_clip: how far the value may move; None for as far as it will. Returns here sum over a
            whole trial, so a bound that suits returns near 1 may hold the value back.
        entropy, value_cost: weights of these terms.
        learning_rate: of Adam; falls linearly to 0 over `updates` calls where that is given.
        anneal: whether it does.
        epsilon: of Adam.
        max_norm: gradients are scaled down to this global norm.
        epochs, minibatches: passes over a chunk, and how many parts its lives are dealt into.
        stretch: lives are cut into stretches of so many steps, which are dealt in their place, each
            with what was remembered before it; None for the whole chunk. With 1 single steps are
            dealt, as is usual without a memory.
        bootstrap: whether a time limit's last observation stands in for what would have followed;
            if not, nothing follows a truncated trial, as in much of the literature.
    """

    plan: Plan = Plan()
    gamma: float = eqx.field(static=True, default=0.99)
    trace: float = eqx.field(static=True, default=0.95)
    clip: float = eqx.field(static=True, default=0.2)
    value_clip: float | None = eqx.field(static=True, default=0.2)
    entropy: float = eqx.field(static=True, default=0.01)
    value_cost: float = eqx.field(static=True, default=0.5)
    learning_rate: float = eqx.field(static=True, default=1e-3)
    updates: int | None = eqx.field(static=True, default=None)
    anneal: bool = eqx.field(static=True, default=True)
    epsilon: float = eqx.field(static=True, default=1e-8)
    max_norm: float = eqx.field(static=True, default=0.5)
    epochs: int = eqx.field(static=True, default=1)
    minibatches: int = eqx.field(static=True, default=16)
    stretch: int | None = eqx.field(static=True, default=None)
    bootstrap: bool = eqx.field(static=True, default=True)

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
        """`epochs` passes over the chunk in minibatches of lives, or of stretches of them.

        Raises:
            SpecError: a window of a store; or a chunk that cannot be cut, or whose parts cannot be
                dealt, evenly (while tracing).
        """
        if trajectory.final_memory is None:
            raise SpecError(
                "`PPO` learns from what its own agent has just lived, got a window of a store. "
                "Write the experiment without a rehearsal, or take `IMPALA`, `R2D2` or `SAC`."
            )
        num = self._dealt(*trajectory.trial_ended.shape)
        hidden, rows = trajectory.memory.hidden, self._rows(state, trajectory)
        if self.stretch is not None:
            hidden, rows = _stretches(state.network, hidden, rows, self.stretch)

        def minibatch(state: State, who: Array) -> tuple[State, dict[str, Array]]:
            some = jax.tree.map(lambda x: x[:, who], rows)
            theirs = jax.tree.map(lambda x: x[who], hidden)
            grads, metrics = jax.grad(self._loss, has_aux=True)(state.network, theirs, some)
            metrics["gradient_norm"] = optax.tree.norm(grads)
            network, optimiser = descended(self._optimiser(), grads, state.optimiser, state.network)
            return State(network, optimiser), metrics

        shuffled = jr.permutation if self.stretch is None else _shuffled
        orders = jax.vmap(lambda key: shuffled(key, num))(jr.split(key, self.epochs))
        hands = orders.reshape(self.epochs * self.minibatches, -1)
        state, metrics = jax.lax.scan(minibatch, state, hands)
        return state, jax.tree.map(jnp.mean, metrics)

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by the values and advantages of the agent who lived it."""
        values, doubt = trajectory.record["value"], trajectory.record.get("doubt")
        return report(trajectory, values, self._advantages(state, trajectory), doubt)

    def _dealt(self, length: int, lives: int) -> int:
        """How many lives, or stretches of them, there are to deal."""
        stretch = self.stretch or length
        num = lives * (length // stretch)
        if length % stretch:
            raise SpecError(
                f"`PPO` cuts a chunk into equal stretches, but {length} steps do not divide by "
                f"stretch={stretch}. Change one of them."
            )
        if num % self.minibatches:
            what = "lives" if self.stretch is None else f"stretches of {stretch}"
            raise SpecError(
                f"`PPO` deals lives into equal minibatches, but {num} {what} do not divide by "
                f"minibatches={self.minibatches}. Change one of them."
            )
        return num

    def _rows(self, state: State, trajectory: Trajectory) -> Rows:
        advantages = self._advantages(state, trajectory)
        record = trajectory.record
        return Rows(
            senses=replayed(trajectory),
            action=drawn(trajectory),
            log_prob=record["log_prob"],
            values=record.get("values", record["value"][..., None]),
            advantage=advantages,
            target=advantages + record["value"],
        )

    def _advantages(self, state: State, trajectory: Trajectory) -> Float[Array, "time batch"]:
        ended, values = trajectory.trial_ended, trajectory.record["value"]
        discount = discounts(trajectory)
        if not self.bootstrap:
            discount = jnp.where(ended, 0.0, discount)

        def memories() -> PyTree:
            return state.network(trajectory.memory.hidden, replayed(trajectory))[0]

        next_values = values_after(
            *(state.network, trajectory, values, memories, trajectory.final_memory),
            bootstrap=self.bootstrap,
        )
        cuts = ended.astype(jnp.float32)
        return gae(
            trajectory.next.reward, self.gamma * discount, values, next_values, cuts,
            trace=self.trace,
        )  # fmt: skip

    def _loss(
        self, network: ActorCritic, hidden: PyTree, rows: Rows
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        _, judgement = network(hidden, rows.senses)
        taken = judgement.policy.log_prob(rows.action)
        entropy = judgement.policy.entropy().mean()

        ratio = jnp.exp(taken - rows.log_prob)
        advantages = rows.advantage - rows.advantage.mean()
        advantages = advantages / (rows.advantage.std() + 1e-8)
        bounded = jnp.clip(ratio, 1 - self.clip, 1 + self.clip)
        policy_loss = -jnp.minimum(ratio * advantages, bounded * advantages).mean()

        values, target = judgement.values, rows.target[..., None]
        errors = (values - target) ** 2
        if self.value_clip is not None:
            move = jnp.clip(values - rows.values, -self.value_clip, self.value_clip)
            errors = jnp.maximum(errors, (rows.values + move - target) ** 2)
        value_loss = 0.5 * errors.mean()

        loss = policy_loss + self.value_cost * value_loss - self.entropy * entropy
        metrics = {
            "loss": loss,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "clipped": (jnp.abs(ratio - 1) > self.clip).mean(),
        }
        return loss, metrics

    def _optimiser(self) -> optax.GradientTransformation:
        rate = self.learning_rate
        if self.anneal and self.updates is not None:
            steps = self.updates * self.epochs * self.minibatches
            rate = optax.linear_schedule(self.learning_rate, 0.0, steps)
        return optax.chain(
            optax.clip_by_global_norm(self.max_norm), optax.adam(rate, eps=self.epsilon)
        )


def _stretches(
    network: ActorCritic, hidden: PyTree, rows: Rows, length: int
) -> tuple[PyTree, Rows]:
    """A chunk cut into columns of so many steps, and what was remembered before each of them."""
    memories = network(hidden, rows.senses)[0]

    def before(start: Array, after: Array) -> Array:
        x = jnp.concatenate([start[None], after[:-1]])[::length]
        return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])  # of a memory of nothing, too

    def cut(x: Array) -> Array:
        parts = x.reshape(-1, length, *x.shape[1:]).swapaxes(0, 1)
        return parts.reshape(length, -1, *x.shape[2:])

    return jax.tree.map(before, hidden, memories), jax.tree.map(cut, rows)


def _shuffled(key: Key[Array, ""], num: int) -> Int[Array, "num"]:
    """The numbers below `num` in any order, for many of them.

    Luck and number are sorted as one: on a CPU XLA sorts pairs twelve times as slowly, which was
    a quarter of an update. Numbers whose luck is equal keep their order; both are small shares.
    """
    bits = (num - 1).bit_length()
    luck = jr.bits(key, (num,), jnp.uint32) >> bits << bits
    order = jnp.sort(luck | jnp.arange(num, dtype=jnp.uint32))
    return (order & ((1 << bits) - 1)).astype(jnp.int32)
