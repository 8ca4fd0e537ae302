"""Environments outside change nothing: inline is the compiled run, and can be cut and resumed."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.dqn import DQN
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.curricula.uniform import Uniform
from meadow.envs.cartpole import STANDARD, CartPole
from meadow.loops.compiled import Compiled
from meadow.loops.drive import Placement, drive
from meadow.loops.inline import Inline
from meadow.loops.iteration import Experiment
from meadow.loops.rehearsal import Rehearsal
from meadow.nn.plan import Plan
from meadow.replay.limiter import Limiter
from meadow.replay.replay import Replay
from meadow.replay.ring import everything
from meadow.rollout.host import Elsewhere
from meadow.rollout.host_compiled import Hosted
from meadow.rollout.host_program import Told
from meadow.rollout.host_serial import Serial
from meadow.rollout.life import Trial
from meadow.tasks.only import Only

LIVES = 2


def rehearsing(environment, task, lives: int = LIVES, length: int = 4, **options) -> Experiment:
    """A small DQN that draws two steps at a time."""
    plan = Plan(features=8, memory=8, heads=0, core="none", recalls=False)
    learner = DQN(plan, epsilon=(1.0, 0.05, 100), target_period=20)
    rehearsal = Rehearsal(Replay(400, length=2, **options), 8, Limiter.ratio_of(4.0, 40))
    return Experiment(
        environment, Uniform(Only(task)), learner, Trial(episodes=1), lives, length,
        rehearsal=rehearsal,
    )  # fmt: skip


class Counting:
    """A program: shows how far it has come; episodes of five steps."""

    action_spec = Discrete(2)
    observation = np.zeros(2, np.float32)

    def __init__(self, seed: int):
        self.count = 0

    def reset(self):
        self.count = 0
        return np.zeros(2, np.float32)

    def step(self, action) -> Told:
        self.count += 1
        return Told(np.full(2, self.count, np.float32), 1.0, 1.0, self.count == 5)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def balancing() -> Experiment:
    """DQN, with a store, on a cart that JAX has compiled."""
    return rehearsing(CartPole(), jnp.array(STANDARD))


@pytest.fixture(scope="module")
def inline(balancing) -> Inline:
    """The same, stepped from outside."""
    return Inline(balancing, Hosted(CartPole(), LIVES))


@pytest.fixture(scope="module")
def counted() -> tuple[Experiment, Inline]:
    """A Python program, and its run."""
    host = Serial(Counting, LIVES)
    experiment = rehearsing(host.environment, np.int32(0))
    return experiment, Inline(experiment, host)


def alike(got, expected, law: str) -> None:
    """Whole numbers exactly, others to 1e-5."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True)
    for (where, x), y in pairs:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jr.key_data(x), jr.key_data(y)
        tolerance = 1e-5 if jnp.issubdtype(x.dtype, jnp.floating) else 0.0
        assert x.dtype == y.dtype and x.shape == y.shape, f"{law}: {jax.tree_util.keystr(where)}"
        np.testing.assert_allclose(
            np.asarray(x), np.asarray(y), tolerance, tolerance / 10, err_msg=f"{law}: {where}"
        )


def check_equal(experiment: Experiment, inline, compiled, iterations: int) -> None:
    """Both placements come to the same."""
    progress, metrics = compiled.run(compiled.begin(key=jr.key(3)), iterations)
    got, figures = inline.run(inline.begin(key=jr.key(3)), iterations)
    alike(got, progress, "an environment outside is the same run")
    assert figures.keys() == metrics.keys(), "with metrics of the same names"
    alike(figures, metrics, "and the same metrics")


def test_inline_is_the_compiled_run_with_a_store(balancing, inline):
    assert isinstance(inline, Placement)
    check_equal(balancing, inline, Compiled(balancing), 40)
    progress, _ = inline.run(inline.begin(key=jr.key(3)), 40)
    assert progress.learner.updates == (40 * 4 * LIVES - 40) * 4 // 8, "as often as was due"


def test_inline_is_the_compiled_run_on_policy_with_memory(experiment, compiled):
    inline = Inline(experiment, Hosted(experiment.environment, experiment.lives))
    check_equal(experiment, inline, compiled, 3)


@pytest.mark.slow
def test_inline_is_the_compiled_run_after_a_thousand_updates():
    """One environment, a chunk a step, an update a step: the schedule is exact."""
    experiment = rehearsing(CartPole(), jnp.array(STANDARD), lives=1, length=1)
    updates = 1000
    inline, compiled = Inline(experiment, Hosted(CartPole(), 1)), Compiled(experiment)
    check_equal(experiment, inline, compiled, 40 + 2 * updates)
    progress, _ = compiled.run(compiled.begin(key=jr.key(3)), 40 + 2 * updates)
    assert progress.learner.updates == updates


def test_a_run_of_compiled_lives_is_cut_anywhere_and_resumed(balancing, inline, same_bits):
    whole, _ = inline.run(inline.begin(key=jr.key(1)), 30)
    half, _ = inline.run(inline.begin(key=jr.key(1)), 15)
    saved = jax.tree.map(lambda x: jnp.array(x) if isinstance(x, jax.Array) else x, half)
    fresh = Inline(balancing, Hosted(CartPole(), LIVES))
    resumed, _ = fresh.run(saved, 15)
    same_bits(resumed, whole, "15 iterations, a stop, and 15 more")
    on, _ = drive(inline, half, 30, 7, lambda *_: False), None
    same_bits(on, whole, "chunks cut a run without a trace")


def test_programs_that_are_resumed_begin_new_episodes_and_the_old_are_cut(counted):
    experiment, inline = counted
    progress, _ = inline.run(inline.begin(key=jr.key(0)), 3)  # 12 steps: the third episode is open
    last = everything(progress.store.rows).next.last()[:12, 0]
    assert np.flatnonzero(last).tolist() == [4, 9], "episodes of five steps"
    copy = jax.tree.map(lambda x: jnp.array(x) if isinstance(x, jax.Array) else x, progress)
    on, _ = inline.run(progress, 1)
    last = everything(on.store.rows).next.last()[:16, 0]
    assert np.flatnonzero(last).tolist() == [4, 9, 14], "a run that goes on goes on"
    resumed, _ = Inline(experiment, Serial(Counting, LIVES)).run(copy, 1)
    rows = everything(resumed.store.rows)
    last = rows.next.last()[:16, 0]
    assert np.flatnonzero(last).tolist() == [4, 9, 11], "the open one ends where it was left"
    assert rows.next.truncated()[11, 0], "truncated, for more would have followed"
    assert rows.timestep.first()[12, 0], "and another begins"
    assert resumed.iteration == on.iteration == 4


def test_lives_that_begin_anew_are_begun_anew():
    host = Serial(Counting, LIVES)
    experiment = Experiment(
        host.environment, Uniform(Only(np.int32(0))), rehearsing(host.environment, 0).learner,
        Trial(episodes=1), LIVES, 3, anew=True,
    )  # fmt: skip
    inline = Inline(experiment, host)
    progress, metrics = inline.run(inline.begin(key=jr.key(0)), 4)
    assert progress.life is None and progress.iteration == 4
    assert metrics["reward"] == 1.0 and "loss" in metrics


def test_what_cannot_be_run_inline_says_so(balancing):
    with pytest.raises(SpecError, match=r"2 lives and the host 3 .*lives=3"):
        Inline(balancing, Hosted(CartPole(), 3))
    with pytest.raises(SpecError, match=r"is of CartPole.*environment=host.environment"):
        Inline(balancing, Serial(Counting, LIVES))


def test_nothing_compiled_lives_outside(counted):
    experiment, _ = counted
    assert isinstance(experiment.environment, Elsewhere)
    living = jax.jit(lambda key: experiment.environment.reset(jnp.int32(0), key=key))
    with pytest.raises(Exception, match="program outside.*Inline"):
        jax.block_until_ready(living(jr.key(0)))
