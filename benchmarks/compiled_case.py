"""What `bench_agents.py` times of agents whose environment is compiled with them: acting, learning
and everything between, beside rejax (https://pypi.org/project/rejax/).

Equal on both sides: the cart-pole of Gymnasium, float32, the number of environments, the steps
between two updates, what an update learns from and how often, hidden layers of 64 and 64 with a
ReLU, Adam. A call lives and learns many iterations in one compiled program, the state donated to
it; nobody is judged meanwhile. Sizes are those that rejax's own settings for the cart-pole have
(`configs/gymnax/cartpole.yaml` there), and for PPO also its defaults.

PPO: policy and value have networks of their own, single steps are shuffled, values are clipped.
Ours scales gradients of both down together, rejax cuts each number; ours judges the true last
observation of an episode that a time limit cut, which rejax drops.

DQN: duelling and double, squares, one ring of transitions with what followed them, a hard copy to
the target after equally many updates. rejax draws without replacement, with a pass over the whole
ring for every batch: most of its time. So there is a second rejax, whose ring draws as ours does.
"""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr

from meadow.agents.dqn import DQN
from meadow.agents.ppo import PPO
from meadow.core.learner import AbstractLearner
from meadow.curricula.uniform import Uniform
from meadow.envs import cartpole
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.worth import Scalar
from meadow.recipes.agents import FLAT, still
from meadow.replay.limiter import Limiter
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial


class PPOCase(NamedTuple):
    """Attributes:
    environments, steps: of each so many between two updates.
    epochs, minibatches: of an update.
    iterations: of a timed call.
    """

    environments: int
    steps: int
    epochs: int
    minibatches: int
    iterations: int

    @property
    def name(self) -> str:
        return f"ppo {self.environments} x {self.steps} steps, {self.epochs} x {self.minibatches}"


class DQNCase(NamedTuple):
    """Attributes:
    environments: step once between two rounds of updates.
    updates, batch: of a round.
    capacity, least: of the ring, and how much lies in it before the first update.
    copied: updates between two copies to the target.
    iterations: of a timed call.
    """

    environments: int = 10
    updates: int = 5
    batch: int = 100
    capacity: int = 50_000
    least: int = 5_000
    copied: int = 100
    iterations: int = 100

    @property
    def name(self) -> str:
        return f"dqn {self.environments} environments, {self.updates} x {self.batch}"


PPO_CASES = PPOCase(5, 100, 5, 5, 64), PPOCase(64, 64, 8, 16, 4)
DQN_CASES = (DQNCase(),)


class Timed:
    """A compiled call after another, each from where the last one ended."""

    def __init__(self, run: Callable[[Any], Any], state: Any, units: float):
        self.units, self._run, self._state = units, run, state

    def run(self) -> None:
        self._state = jax.block_until_ready(self._run(self._state))


def ours(learner: AbstractLearner, lives: int, length: int, **rehearsed: Any) -> Experiment:
    """A cart-pole for every life."""
    tasks = Uniform(still(cartpole.NAMES, cartpole.STANDARD))
    return Experiment(
        *(cartpole.CartPole(), tasks, learner, Trial(episodes=1), lives, length), **rehearsed
    )


def timed(experiment: Experiment, iterations: int, before: int = 0) -> Timed:
    placement = Compiled(experiment)
    progress = placement.begin(key=jr.key(0))
    progress = placement.run(progress, before)[0]
    return Timed(
        lambda progress: placement.run(progress, iterations)[0],
        progress,
        iterations * experiment.steps,
    )


def meadow_ppo(case: PPOCase) -> Timed:
    learner = PPO(
        dataclasses.replace(FLAT, apart=True),
        learning_rate=7.5e-4,
        epochs=case.epochs,
        minibatches=case.minibatches,
        stretch=1,
    )
    return timed(ours(learner, case.environments, case.steps), case.iterations)


def meadow_dqn(case: DQNCase) -> Timed:
    learner = DQN(FLAT, duelling=True, target_period=case.copied, worth=Scalar())
    ratio = case.updates * case.batch / case.environments
    rehearsal = Rehearsal(Replay(case.capacity), case.batch, Limiter.ratio_of(ratio, case.least))
    experiment = ours(learner, case.environments, 1, rehearsal=rehearsal)
    return timed(experiment, case.iterations, case.least // case.environments)


def rejax_ppo(case: PPOCase) -> Timed:
    sizes = {"num_steps": case.steps, "num_epochs": case.epochs}
    sizes |= {"num_minibatches": case.minibatches, "max_grad_norm": 0.5, "learning_rate": 7.5e-4}
    return peer(rejax("PPO", num_envs=case.environments, **sizes), case, case.steps)


def rejax_dqn(case: DQNCase) -> Timed:
    """As it is."""
    return peer(_dqn(case), case, 1, case.least // case.environments + 1)


def rejax_dqn_drawing(case: DQNCase) -> Timed:
    """With draws that may repeat."""
    from rejax.buffers import ReplayBuffer

    class Ring(ReplayBuffer):
        def sample(self, num: int, rng: jax.Array) -> Any:  # pyright: ignore
            rows = jr.randint(rng, (num,), 0, self.num_entries)
            return jax.tree.map(lambda x: x[rows], self.data)

    def with_ring(state: Any) -> Any:
        ring = state.replay_buffer
        return state.replace(replay_buffer=Ring(ring.size, ring.data, ring.index, ring.full))

    return peer(_dqn(case), case, 1, case.least // case.environments + 1, with_ring)


def _dqn(case: DQNCase) -> Any:
    return rejax(
        "DQN",
        num_envs=case.environments,
        agent="DuelingQNetwork",
        num_epochs=case.updates,
        batch_size=case.batch,
        buffer_size=case.capacity,
        fill_buffer=case.least,
        polyak=0.0,  # a hard copy
        target_update_freq=case.copied * case.environments // case.updates,
        max_grad_norm=10.0,
        learning_rate=1e-3,
    )


def rejax(algorithm: str, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rejax import get_algo

    # Its counts are asked for in 64 bits, which there are not; it works all the same.
    warnings.filterwarnings("ignore", message="Explicitly requested dtype")
    return get_algo(algorithm.lower()).create(
        env="CartPole-v1", agent_kwargs={"activation": "relu"}, **settings
    )


def peer(
    algorithm: Any,
    case: PPOCase | DQNCase,
    steps: int,
    before: int = 0,
    mend: Callable[[Any], Any] = lambda state: state,
) -> Timed:
    """Its own iterations, without the judging that its `train` does between them."""

    def many(state: Any, num: jax.Array) -> Any:
        return jax.lax.fori_loop(0, num, lambda _, state: algorithm.train_iteration(state), state)

    state = mend(jax.jit(algorithm.init_state)(jr.key(0)))
    # Its state holds some arrays twice, which a donated one must not.
    run, state = jax.jit(many, donate_argnums=0), jax.tree.map(jnp.array, state)
    state = run(state, jnp.int32(before))
    num = jnp.int32(case.iterations)
    return Timed(lambda state: run(state, num), state, case.iterations * steps * case.environments)
