"""MPO: maximum a posteriori policy optimisation; with a critic that tells distributions, DMPO.

Actions are drawn from a target policy and weighed by what a target critic says of them, as sharply
as keeps them `epsilon` nats from the target policy (the E-step). The policy becomes likely to draw
those that count, while its mean and its spread each stay near the target's (the M-step).

**loss** of critics `worth.loss` against `R + D worth`, the latter mixed over drawn actions; of the
  policy `-sum_i w_i log pi(a_i)`, for the mean with the target's spread and for the spread with the
  target's mean, and `alpha KL` of each and of every number; of the temperature and of the alphas
  their duals.
**data** windows of as many rows as returns have steps, drawn uniformly or by surprise.
**return** runs over a window, but not past the end of an episode.
**time limits** the worth of a truncated episode's true final observation follows; of a terminated
  one nothing.
**differs from the papers in** decoupled, per-number constraints and their constants, and the
  penalty for actions out of the box, which are those of Acme; the policy is improved where windows
  end, on the actions that were drawn for the critics there. Critics judge actions cut to the box.
**reference** Abdolmaleki et al., Maximum a Posteriori Policy Optimisation, 2018; Abdolmaleki et
  al., Relative Entropy Regularized Policy Iteration, 2018 (decoupled constraints); Hoffman et al.,
  Acme, 2020 (DMPO); Abdolmaleki et al., A Distributional View on Multi-Objective Policy
  Optimization, 2020, for the penalty.
"""

import math
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.agents.critics import critics_report
from meadow.core.agent import AbstractAgent
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.box import half
from meadow.nn.critic import CriticPlan, Critics, Lesson, critics_loss, least
from meadow.nn.descent import adam, copied, descended, weighed
from meadow.nn.distribution import Normal
from meadow.nn.policy import MixturePolicy, NormalPolicy, PolicyPlan, SteadyPolicy
from meadow.nn.worth import AbstractWorth, Scalar
from meadow.returns import joined


class Actor(AbstractAgent[tuple[()]]):
    """Draws from its policy, or takes its mean where `greedy`, cut to the box."""

    policy: NormalPolicy | SteadyPolicy | MixturePolicy
    greedy: bool = eqx.field(static=True, default=False)

    def init_memory(self) -> tuple[()]:
        """It remembers nothing."""
        return ()

    def act(
        self, memory: tuple[()], timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[tuple[()], Float[Array, "num"], dict[str, Array]]:
        """It records nothing."""
        options, box = self.policy(timestep), self.policy.box
        action = options.mode() if self.greedy else options.sample(key=key)
        return memory, jnp.clip(action, box.low, box.high), {}


class Networks(NamedTuple):
    """What descends; and, copied now and then, the targets."""

    policy: NormalPolicy
    critics: Critics


class Duals(NamedTuple):
    """What holds a constraint, through a softplus: of the weights, of the penalty, and of every
    number of an action's mean and spread."""

    temperature: Float[Array, ""]
    penalty: Float[Array, ""]
    mean: Float[Array, "num"]
    spread: Float[Array, "num"]


class State(NamedTuple):
    """What MPO changes while it learns."""

    networks: Networks
    target: Networks
    duals: Duals
    optimiser: PyTree
    dual_optimiser: PyTree
    updates: Int[Array, ""]


class Drawn(NamedTuple):
    """What the target policy would do, and what is thought of it."""

    timestep: TimeStep
    actions: Float[Array, "samples batch num"]
    values: Float[Array, "samples batch"]
    weight: Float[Array, "batch"] | None


class MPO(AbstractLearner[State]):
    """The learner.

    Attributes:
        policy, critics: their sizes.
        worth: how critics tell what an action is worth; `Categorical` makes this DMPO.
        gamma: discount of the learner, multiplied with the environment's.
        samples: actions drawn where a window ends.
        epsilon: how far weights may lie from the target policy, in nats.
        epsilon_mean, epsilon_spread: how far the policy may, for each number of an action.
        epsilon_penalty: the same of weights that prefer actions within the box; None for none.
        duals: at first, of the temperatures, of the means and of the spreads.
        target_period: updates between two copies of the networks to their targets.
        learning_rate, dual_rate: of Adam, for networks and for duals.
        max_norm: gradients are scaled down to this global norm.
    """

    policy: PolicyPlan = PolicyPlan((256, 256, 256), normed=True)
    critics: CriticPlan = CriticPlan((512, 512, 256), num=1, normed=True)
    worth: AbstractWorth = Scalar()
    gamma: float = eqx.field(static=True, default=0.99)
    samples: int = eqx.field(static=True, default=20)
    epsilon: float = eqx.field(static=True, default=0.1)
    epsilon_mean: float = eqx.field(static=True, default=2.5e-3)
    epsilon_spread: float = eqx.field(static=True, default=1e-6)
    epsilon_penalty: float | None = eqx.field(static=True, default=1e-3)
    duals: tuple[float, float, float] = eqx.field(static=True, default=(10.0, 10.0, 1000.0))
    target_period: int = eqx.field(static=True, default=100)
    learning_rate: float = eqx.field(static=True, default=1e-4)
    dual_rate: float = eqx.field(static=True, default=1e-2)
    max_norm: float = eqx.field(static=True, default=40.0)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters.

        Raises:
            SpecError: an observation or action that the networks cannot take.
        """
        key_policy, key_critics = jr.split(key)
        example = timestep.observation, action_spec
        policy = self.policy.normal(*example, key=key_policy)
        critics = self.critics.build(*example, self.worth.size, key=key_critics)
        networks = Networks(policy, critics)
        temperature, mean, spread = (jnp.float32(_unsoftened(x)) for x in self.duals)
        num = policy.box.shape
        duals = Duals(
            temperature, temperature, jnp.broadcast_to(mean, num), jnp.broadcast_to(spread, num)
        )
        return State(
            networks,
            jax.tree.map(jnp.copy, networks),
            jax.tree.map(jnp.copy, duals),
            self._optimiser().init(cast(Any, networks)),
            self._dual_optimiser().init(cast(Any, duals)),
            jnp.int32(0),
        )

    def agent(self, state: State) -> Actor:
        """The policy as it is now, drawing its actions."""
        return Actor(state.networks.policy)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """One step of everything, from windows `[steps of a return, batch]`."""
        networks, target, duals, *_ = state
        lesson, drawn = self._asked(target, trajectory, key=key)
        critics, metrics = jax.grad(critics_loss, has_aux=True)(
            networks.critics, self.worth, lesson
        )
        (policy, constraints), told = jax.grad(self._policy_loss, (0, 1), has_aux=True)(
            networks.policy, duals, target.policy, drawn
        )
        grads = Networks(policy, critics)
        networks, optimiser = descended(self._optimiser(), grads, state.optimiser, networks)
        duals, dual_optimiser = descended(
            self._dual_optimiser(), constraints, state.dual_optimiser, duals
        )
        duals = jax.tree.map(lambda x: jnp.maximum(x, _LEAST_DUAL), duals)
        updates = state.updates + 1
        target = copied(target, networks, updates, self.target_period)
        after = State(networks, target, duals, optimiser, dual_optimiser, updates)
        return after, metrics | told

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """How each column went, by what the critics say now of what was done."""
        return critics_report(state.networks.critics, self.worth, trajectory, self.gamma)

    def _asked(
        self, target: Networks, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[Lesson, Drawn]:
        """What critics learn, and what the policy learns from."""
        now = joined(trajectory, self.gamma)
        options, box = target.policy(now.next), target.policy.box
        actions = jax.vmap(lambda key: options.sample(key=key))(jr.split(key, self.samples))

        def judge(action: Array) -> Array:
            return least(target.critics(now.next.observation, action), self.worth)

        told = jax.vmap(judge)(jnp.clip(actions, box.low, box.high))
        lesson = Lesson(
            *(now.timestep.observation, now.action, now.reward, now.discount),
            *(self.worth.mixed(told), trajectory.weight),
        )
        return lesson, Drawn(now.next, actions, self.worth.mean(told), trajectory.weight)

    def _policy_loss(
        self, policy: NormalPolicy, duals: Duals, target: NormalPolicy, drawn: Drawn
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        """Of the policy, and of what holds it."""
        now, before = policy(drawn.timestep), target(drawn.timestep)
        held = jax.tree.map(lambda x: jax.nn.softplus(x) + _LEAST, duals)
        weights, temperature_loss = sharpened(drawn.values, held.temperature, self.epsilon)
        dual_loss = weighed(temperature_loss, drawn.weight)
        if self.epsilon_penalty is not None:
            box = policy.box
            out = (drawn.actions - jnp.clip(drawn.actions, box.low, box.high)) / half(box)
            cost = -jnp.linalg.norm(out, axis=-1)
            within, penalty_loss = sharpened(cost, held.penalty, self.epsilon_penalty)
            weights = weights + within
            dual_loss = dual_loss + weighed(penalty_loss, drawn.weight)

        losses = []
        for free, dual, epsilon in (
            (Normal(now.mean, before.log_std), held.mean, self.epsilon_mean),
            (Normal(before.mean, now.log_std), held.spread, self.epsilon_spread),
        ):
            likely = -jnp.sum(jax.lax.stop_gradient(weights) * free.log_prob(drawn.actions), axis=0)
            divergence, constraint = constrained(before.divergence(free), dual, epsilon)
            losses.append(likely + divergence + constraint)
        loss = weighed(sum(losses, jnp.zeros(())), drawn.weight) + dual_loss
        metrics = {
            "policy_loss": loss,
            "temperature": held.temperature,
            "spread": jnp.exp(now.log_std).mean() / half(policy.box),
        }
        return loss, metrics

    def _optimiser(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_norm), adam(self.learning_rate))

    def _dual_optimiser(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_norm), adam(self.dual_rate))


_LEAST, _LEAST_DUAL = 1e-8, -18.0  # of a dual, and of what goes through the softplus


def sharpened(
    values: Float[Array, "samples *batch"], temperature: Float[Array, ""], epsilon: float
) -> tuple[Float[Array, "samples *batch"], Float[Array, "*batch"]]:
    """The E-step: how much each sample counts, and the loss of the temperature, whose minimum is
    where weights are `epsilon` nats from all alike.

        w_i = exp(q_i / eta) / sum_j exp(q_j / eta),  eta (epsilon + log mean_i exp(q_i / eta))

    References: Abdolmaleki et al., Maximum a Posteriori Policy Optimisation, 2018, eq. 7 to 9.
    """
    scaled = jax.lax.stop_gradient(values) / temperature
    spread = jax.nn.logsumexp(scaled, axis=0) - math.log(values.shape[0])
    weights = jax.lax.stop_gradient(jax.nn.softmax(scaled, axis=0))
    return weights, temperature * (epsilon + spread)


def constrained(
    divergence: Float[Array, "*batch num"], alpha: Float[Array, "num"], epsilon: float
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """The M-step's constraint: the loss of who diverges, and that of the alphas, which rise while
    there is more of it than `epsilon`. Each learns as if the other stood still."""
    held = jax.lax.stop_gradient(alpha) * divergence
    slack = alpha * (epsilon - jax.lax.stop_gradient(divergence))
    return held.sum(axis=-1), slack.sum(axis=-1)


def _unsoftened(x: float) -> float:
    """Of which x is the softplus."""
    return x + math.log(-math.expm1(-x))
