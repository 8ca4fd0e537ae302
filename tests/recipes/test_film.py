"""A film shows the very trial that was judged."""

import dataclasses

import jax
import jax.random as jr
import numpy as np

from meadow.agents.random import Random
from meadow.envs.xland.draw import map_of
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.film import film as write
from meadow.envs.xland.mixed import Mixed, MixedTasks
from meadow.envs.xland.pixels import Pixels
from meadow.evaluation.trials import lived
from meadow.recipes.film import frames, stage, task_at
from meadow.recipes.presets import DEMO
from meadow.tasks.trees import Trees

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


def test_pictures_of_a_mixed_batch_are_filmed_where_they_were_lived(tmp_path):
    rooms = XLand("R1", 5, 7, max_steps=3), XLand("R2", 7, 5, view_size=3, max_steps=2)
    space = MixedTasks((Trees.published("trivial"),) * 2)
    tasks = jax.jit(jax.vmap(lambda k: space.sample(key=k)))(jr.split(jr.key(2), 6))
    tasks = dataclasses.replace(tasks, environment=jax.numpy.arange(6) % 2)
    mixed = Pixels(Mixed(rooms), tile=4)
    told = frames(mixed, Random(mixed.action_spec), tasks, 1, 1, key=jr.key(0))
    room = stage(mixed, task_at(tasks, 1))
    assert room == rooms[1]
    assert map_of(room, told[-1].state).shape == (7, 5), "its own map"
    assert told[-1].over and not any(frame.over for frame in told[:-1]), "one episode"
    assert write(room, told, tmp_path / "a.gif").stat().st_size > 0
