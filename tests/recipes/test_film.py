"""A film shows the very trial that was judged."""

import dataclasses

import jax
import jax.random as jr
import numpy as np

from meadow.agents.random import Random
from meadow.evaluation.trials import lived
from meadow.recipes.film import frames
from meadow.recipes.presets import DEMO

EPISODES, TASKS = 3, 5


def test_a_trial_is_filmed_as_it_was_judged():
    world = dataclasses.replace(DEMO.environment, max_steps=30)
    agent, key = Random(world.action_spec), jr.key(4)
    tasks = jax.jit(jax.vmap(lambda k: DEMO.tasks.sample(key=k)))(jr.split(jr.key(0), TASKS))
    outcome = lived(world, agent, tasks, EPISODES, key=key)
    number = int(np.argmax(np.asarray(outcome.success).sum(axis=1)))
    assert outcome.success[number].any(), "a trial worth a film"
    told = frames(world, agent, tasks, number, EPISODES, key=key)
    for episode in range(EPISODES):
        shown = [frame for frame in told if frame.episode == episode]
        assert shown[0].action is None, "an episode is shown from its first moment"
        assert len(shown) == 1 + outcome.lengths[number, episode], "and every step of it"
        total = sum(frame.reward for frame in shown)
        np.testing.assert_allclose(total, outcome.returns[number, episode], rtol=1e-6)
        reached = [bool(frame.fired.goal) for frame in shown[1:]]
        assert reached[-1] == outcome.success[number, episode], "with what was set off"
        assert not any(reached[:-1]), "the goal ends the episode"
