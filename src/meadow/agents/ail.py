"""AIL: another learner, paid for what looks like demonstrations; nobody tells it a reward.

**loss** of the discriminator, which tells demonstrations from what was lived: the logistic one of
  its log odds, and `penalty` times the square of how far slopes between the two are from 1.
**data** whatever the other learner learns from, and as many steps of the demonstrations; the reward
  of a step is the log odds of what was seen and done (`pays="logit"`), or `-log(1 - D)`, which is
  never negative (`"softplus"`). The former is AIRL's and, around a learner with a store, DAC's; the
  latter around PPO is GAIL's, which pays `-log D` of a D that tells the policy.
**return, time limits** the other learner's.
**differs from the papers in** states after an end, which are worth nothing, where DAC learns what
  they are worth: where episodes may terminate, positive rewards alone pay for going on. Its policy
  descends with every discriminator, not with every fifth; GAIL's had no penalty of slopes.
**reference** Ho and Ermon, Generative Adversarial Imitation Learning, 2016; Kostrikov et al.,
  Discriminator-Actor-Critic, 2019; Fu, Luo and Levine, Learning Robust Rewards with Adversarial
  Inverse Reinforcement Learning, 2018.
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
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import CriticPlan
from meadow.nn.descent import adam, descended
from meadow.nn.discriminator import Discriminator, discriminator, logistic_loss, steepness

PAYS = {"logit": lambda odds: odds, "softplus": jax.nn.softplus}


class State(NamedTuple):
    """What AIL changes while it learns."""

    learner: PyTree
    discriminator: Discriminator
    optimiser: PyTree


class AIL(AbstractLearner[State]):
    """A learner around another.

    Attributes:
        learner: who is paid.
        demonstrations: steps `[time, batch]` of somebody who does well, of which `timestep` and
            `action` count; `meadow.data` reads them. They are compared with what is lived as it
            comes, so `Normalised` belongs within: `AIL(Normalised(...), demonstrations)`.
        plan: sizes of the discriminator, as of one critic.
        pays: logit, or softplus.
        penalty: of slopes.
        learning_rate: of Adam, for the discriminator.

    Raises:
        UnknownNameError: no such way to pay.
    """

    learner: AbstractLearner
    demonstrations: Trajectory
    plan: CriticPlan = CriticPlan()
    pays: str = eqx.field(static=True, default="logit")
    penalty: float = eqx.field(static=True, default=10.0)
    learning_rate: float = eqx.field(static=True, default=3e-4)

    def __check_init__(self) -> None:
        if self.pays not in PAYS:
            raise UnknownNameError("way to pay", self.pays, PAYS)

    def init(self, timestep: TimeStep, action_spec: ActionSpec, *, key: Key[Array, ""]) -> State:
        """Fresh parameters: of the other learner, and of the discriminator.

        Raises:
            SpecError: demonstrations of another environment, or what no discriminator looks at.
        """
        shown = jax.tree.map(lambda x: x.shape[2:], self._steps)
        wanted = jax.tree.map(jnp.shape, timestep.observation), action_spec.shape
        if shown != wanted:
            raise SpecError(
                f"Expected demonstrations of observations {wanted[0]} and actions {wanted[1]}, got "
                f"{shown[0]} and {shown[1]}."
            )
        keys = jr.split(key)
        learner = self.learner.init(timestep, action_spec, key=keys[0])
        network = discriminator(self.plan, timestep.observation, action_spec, key=keys[1])
        return State(learner, network, self._optimiser().init(cast(Any, network)))

    def agent(self, state: State) -> AbstractAgent:
        """The other learner's."""
        return self.learner.agent(state.learner)

    def update(
        self, state: State, trajectory: Trajectory, *, key: Key[Array, ""]
    ) -> tuple[State, dict[str, Float[Array, "..."]]]:
        """Learn to tell demonstrations apart, and let the other learner learn to look like them.

        The metrics are the other learner's, `imitation`, the discriminator's loss, and
        `told_apart`, the share of examples on whose side the odds are: one half is the best that an
        agent can reach.
        """
        key_learner, key_shown, key_share = jr.split(key, 3)
        looked = state.discriminator.features(trajectory.timestep.observation, trajectory.action)
        here = looked.reshape(-1, looked.shape[-1])
        shown = self._shown(state.discriminator, len(here), key=key_shown)
        share = jr.uniform(key_share, (len(here), 1))

        def loss(network: Discriminator) -> tuple[Array, tuple[Array, Array]]:
            odds = network(here), network(shown)
            slopes = steepness(network, here, shown, share)
            return logistic_loss(*odds) + self.penalty * slopes, odds

        (wrong, odds), grads = jax.value_and_grad(loss, has_aux=True)(state.discriminator)
        network, optimiser = descended(
            self._optimiser(), grads, state.optimiser, state.discriminator
        )
        reward = PAYS[self.pays](odds[0]).reshape(trajectory.next.reward.shape)
        lived = paid(trajectory, reward)
        learner, metrics = self.learner.update(state.learner, lived, key=key_learner)
        apart = 0.5 * ((odds[0] < 0).mean() + (odds[1] > 0).mean())
        metrics |= {"imitation": wrong, "told_apart": apart}
        return State(learner, network, optimiser), metrics

    def score(self, state: State, trajectory: Trajectory) -> Report:
        """As the other learner has it, by the environment's rewards."""
        return self.learner.score(state.learner, trajectory)

    @property
    def _steps(self) -> tuple[PyTree, Array]:
        """What the demonstrations saw and did."""
        return self.demonstrations.timestep.observation, self.demonstrations.action

    def _shown(
        self, network: Discriminator, num: int, *, key: Key[Array, ""]
    ) -> Float[Array, "num width"]:
        """Features of so many steps of the demonstrations, drawn with replacement."""
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), self._steps)
        drawn = jr.randint(key, (num,), 0, self.demonstrations.trial_ended.size)
        return network.features(*jax.tree.map(lambda x: x[drawn], flat))

    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate)
