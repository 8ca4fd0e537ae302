"""Framed: what is learnt from is what was acted upon, from chunks and from windows of a store."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.framed import Framed
from meadow.core.agent import AbstractAgent
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.learner import AbstractLearner
from meadow.core.spec import Discrete
from meadow.core.timestep import restart, transition
from meadow.replay.replay import Replay
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living

NUM, LENGTH, LIVES = 3, 8, 2


class Film(AbstractEnvironment):
    """Shows which frame of which life it is; an episode has as many steps as its task says."""

    @property
    def action_spec(self):
        return Discrete(2)

    def reset(self, task, *, key):
        return jnp.int32(1), restart(self._frame(task, jnp.int32(1)))

    def step(self, state, task, action, *, key):
        state = state + 1
        return state, transition(0.0, self._frame(task, state), terminated=state > task)

    def _frame(self, task, state):
        return jnp.stack([task, state]).astype(jnp.uint8)[:, None]


class Watching(AbstractAgent):
    """Writes down what it is shown."""

    def init_memory(self):
        return ()

    def act(self, memory, timestep, *, key):
        return memory, jnp.int32(0), {"seen": timestep.observation}


class Idle(AbstractLearner):
    """Learns nothing."""

    def init(self, timestep, action_spec, *, key):
        return jnp.zeros(timestep.observation.shape)

    def update(self, state, trajectory, *, key):
        return state, {"loss": jnp.float32(0)}

    def agent(self, state):
        return Watching()

    def score(self, state, trajectory):
        raise NotImplementedError


@pytest.fixture(scope="module")
def chunks():
    """Two chunks that follow one another, and the learner's state."""
    learner, environment = Framed(Idle(), NUM), Film()
    tasks = jnp.array([4, 3], jnp.int32)
    example = environment.reset(tasks[0], key=jr.key(0))[1]
    state = learner.init(example, environment.action_spec, key=jr.key(0))
    living, agent = Living(environment, Trial(episodes=100)), learner.agent(state)
    life = unborn(environment, agent, tasks)
    collect = jax.jit(lambda life, key: living.collect(agent, life, tasks, LENGTH, key=key))
    life, first = collect(life, jr.key(1))
    return learner, state, first, collect(life, jr.key(2))[1]


def test_the_learner_is_made_for_frames(chunks):
    assert chunks[1].learner.shape == (2, NUM)


def test_chunks_show_what_was_acted_upon(chunks):
    learner, state, *both = chunks
    for chunk in both:
        given = learner.framed(chunk)
        np.testing.assert_array_equal(given.timestep.observation, chunk.record["seen"])
    seen, after = np.asarray(given.timestep.observation), np.asarray(given.next.observation)
    assert (after[..., :-1] == seen[..., 1:]).all(), "what follows has the frames before it"
    assert (after[..., -1] == np.asarray(both[1].next.observation)[..., 0]).all()
    assert (seen[..., 0] == 0).any(), "and nothing of the episode before"
    final, begins = np.asarray(given.after.observation), np.asarray(both[1].after.first())
    assert begins.any() and (final[begins][..., :-1] == 0).all()


def test_windows_of_a_store_show_the_same(chunks):
    learner, state, *both = chunks
    store = Replay(100, length=NUM + 1, record=("seen",))
    kept = store.init(both[0])
    for chunk in both:
        kept = store.add(kept, chunk)
    lived = store.sample(kept, 40, key=jr.key(3)).trajectory
    given = learner.framed(lived)
    assert given.trial_ended.shape == (2, 40), "rows without all their frames are left out"
    np.testing.assert_array_equal(given.timestep.observation, lived.record["seen"][NUM - 1 :])
    short = Replay(100, length=NUM - 1)
    few = short.sample(short.add(short.init(both[0]), both[0]), 4, key=jr.key(3)).trajectory
    with pytest.raises(SpecError, match="length=3"):
        learner.update(state, few, key=jr.key(0))


def test_what_cannot_be_framed_is_refused():
    with pytest.raises(SpecError, match="two frames"):
        Framed(Idle(), 1)
    with pytest.raises(SpecError, match=r"last axis of size 1.*\[4\]"):
        Framed(Idle()).init(restart(jnp.zeros(4)), Discrete(2), key=jr.key(0))
