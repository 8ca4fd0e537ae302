"""RND: another learner, paid for what is new.

**loss** the squared error of a network that predicts what a random one says of an observation: what
  was seen often is predicted well.
**data** whatever the other learner learns from; the reward of a step is more by that error of what
  followed, beside those of late: all get smaller, and what is new stays so.
**return, time limits** the other learner's, for both kinds of reward alike.
**differs from the paper in** one sum of rewards, where it keeps two values and lets what is new
  count beyond an episode's end; in the unit, which is the root mean square of late errors and not
  the deviation of all their returns; and in observations, which are looked at as they are.
**reference** Burda et al., Exploration by Random Network Distillation, 2019.
"""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key, PyTree

from meadow.agents.paid import paid
from meadow.core.agent import AbstractAgent
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.descent import adam, descended
from meadow.nn.head import Head
from meadow.nn.plan import Plan, parts
from meadow.nn.trunk import Trunk, glance


class Sight(eqx.Module):
    """A network that says some numbers of a time step by itself."""

    trunk: Trunk
    head: Head

    def __call__(self, timestep: TimeStep) -> Float[Array, "*batch size"]:
        """What it says."""
        return self.head(glance(self.trunk, timestep))


class State(NamedTuple):
    """What RND changes while it learns, but for `target`; `late` is the mean square of errors."""

    learner: PyTree
    predictor: Sight
    target: Sight
    optimiser: PyTree
    late: PyTree


class RND(AbstractLearner[State]):
    """A learner around another.

    Attributes:
        learner: who is paid.
        plan: sizes of both networks; they have no memory and are not told what was done.
        size: how many numbers are predicted.
        scale: of what is paid, in units of how large errors were of late.
        decay: of late, from one update to the next.
        learning_rate: of Adam, for the predictor.

    Raises:
        SpecError: networks with a memory.
    """

    learner: AbstractLearner
    plan: Plan = Plan(features=64, memory=64, heads=64, core="none", recalls=False)
    size: int = eqx.field(static=True, default=32)
    scale: float = eqx.field(static=True, default=0.05)
    decay: float = eqx.field(static=True, default=0.99)
    learning_rate: float = eqx.field(static=True, default=3e-4)

    def __check_init__(self) -> None:
        self.plan.check_glance("`RND`")

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters: of the other learner, and of two networks."""
        key_learner, *keys = jr.split(key, 3)

        def sight(key: Key[Array, ""]) -> Sight:
            keys = iter(jr.split(key, len(parts(timestep.observation)) + 4))
            trunk = self.plan.trunk(timestep.observation, action_spec, keys)
            return Sight(trunk, self.plan.head(self.size, 1.0, keys))

        learner = self.learner.init(timestep, action_spec, key=key_learner)
        predictor, target = map(sight, keys)
        optimiser = self._optimiser().init(cast(Any, predictor))
        return State(learner, predictor, target, optimiser, self._late().init(jnp.zeros(())))

    def agent(self, state: State) -> AbstractAgent:
        """The other learner's."""
        return self.learner.agent(state.learner)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """Learn what is new, and let the other learner learn from it.

        The metrics are the other learner's, and `novelty`, the mean error of the prediction."""

        def loss(predictor: Sight) -> tuple[Array, Array]:
            said = jax.lax.stop_gradient(state.target(trajectory.next))
            error = ((predictor(trajectory.next) - said) ** 2).mean(axis=-1)
            return error.mean(), error

        (novelty, error), grads = jax.value_and_grad(loss, has_aux=True)(state.predictor)
        predictor, optimiser = descended(self._optimiser(), grads, state.optimiser, state.predictor)
        square, late = self._late().update((error**2).mean(), state.late)
        novel = error / jnp.sqrt(jnp.maximum(cast(Array, square), 1e-12))
        reward = trajectory.next.reward + self.scale * novel
        learner, metrics = self.learner.update(state.learner, paid(trajectory, reward), key=key)
        state = State(learner, predictor, state.target, optimiser, late)
        return state, metrics | {"novelty": novelty}

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """As the other learner has it, by the environment's rewards alone."""
        return self.learner.score(state.learner, trajectory)

    def _late(self) -> optax.GradientTransformation:
        return optax.ema(self.decay)

    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate)
