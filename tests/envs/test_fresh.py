"""Fresh: the luck of an episode is drawn where it begins and kept until it ends."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from meadow.agents.random import Random
from meadow.envs.fresh import Fresh
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing.probes import Choice, DelayedReward

NUM = 64
FRESH = Fresh(DelayedReward(), Choice(5))


def test_every_reset_draws_a_task_and_a_step_keeps_it():
    @jax.jit
    @jax.vmap
    def lived(key):
        born, _ = FRESH.reset((), key=key)
        return born, FRESH.step(born, (), jnp.int32(0), key=key)[0]

    born, later = lived(jr.split(jr.key(0), NUM))
    assert set(born.task.tolist()) == {0, 1, 2, 3, 4}, "every task is drawn by some reset"
    assert eqx.tree_equal(born.task, later.task), "a step must not change the task"
    assert (later.state == born.state + 1).all(), "a step is the environment's"
    assert FRESH.action_spec == DelayedReward().action_spec, "and so is an action"


def test_a_life_meets_another_task_every_episode():
    """Through the rollout, which knows one task only: the one that says nothing."""
    living, agent = Living(FRESH, Trial(episodes=4)), Random(FRESH.action_spec)
    nothing = jax.vmap(lambda key: FRESH.nothing.sample(key=key))(jr.split(jr.key(0), NUM))
    life = unborn(FRESH, agent, nothing)

    @jax.jit
    def tasks(life, key):
        def step(life, key):
            life, _ = living.live(agent, life, nothing, key=key)
            return life, life.state.task

        return jax.lax.scan(step, life, jr.split(key, 12))[1]

    met = tasks(life, jr.key(1)).reshape(4, 3, NUM)  # four episodes of three steps
    assert (met == met[:, :1]).all(), "an episode has one task"
    assert len({tuple(row) for row in met[:, 0].T.tolist()}) > NUM // 2, "each episode its own"
