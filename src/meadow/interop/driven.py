"""Driven: lives whose actions come from outside and whose luck comes from a seed each.

Every door stands on this. A life draws its task from a space, is lived for a trial, then draws the
next; all its luck follows from its seed and how much it has drawn, and from no other life. So one
life alone and a thousand at once are the same lives, bit for bit.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int, Key, PyTree, UInt32

from meadow.agents.random import Random
from meadow.core.environment import AbstractEnvironment
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import StepType, TimeStep
from meadow.envs.fresh import Drawn
from meadow.rollout.life import Life, Trial, revive, unborn


class Luck(NamedTuple):
    """A random key, not made yet: few lives need theirs at any one step."""

    seed: UInt32[Array, "*batch words"]
    draw: Int[Array, "*batch"]

    def key(self) -> Key[Array, ""]:
        """The key; of a single life."""
        return jr.fold_in(jr.wrap_key_data(self.seed), self.draw)


class Draw(NamedTuple):
    """What stands for a task until a life begins: the luck it is drawn with.

    Attributes:
        task: of the trial.
        episode: of the episode.
        space: this life's own; None where all lives share one.
    """

    task: Luck
    episode: Luck
    space: AbstractTaskSpace | None


class Drawing(AbstractEnvironment[Draw, Drawn]):
    """An environment that draws its own tasks, where and only where an episode begins.

    To the rollout its task is the luck; the task itself lies in the state.
    """

    environment: AbstractEnvironment
    space: AbstractTaskSpace | None

    @property
    def action_spec(self):
        return self.environment.action_spec

    def reset(self, task: Draw, *, key: Key[Array, ""]) -> tuple[Drawn, TimeStep]:
        del key  # luck comes with the draw
        space = self.space if task.space is None else task.space
        assert space is not None, "lives without a shared space bring their own"
        key_task, _ = jr.split(task.task.key())
        _, key_episode = jr.split(task.episode.key())
        drawn = space.sample(key=key_task)
        state, timestep = self.environment.reset(drawn, key=key_episode)
        return Drawn(drawn, state), timestep

    def step(
        self, state: Drawn, task: Draw, action: PyTree, *, key: Key[Array, ""]
    ) -> tuple[Drawn, TimeStep]:
        after, timestep = self.environment.step(state.state, state.task, action, key=key)
        return Drawn(state.task, after), timestep


class Lives(eqx.Module):
    """A batch of lives between two calls.

    Attributes:
        life: where each stands; its `task` is a `Draw`, its `state` a `Drawn`.
        seed: of each, the words of a random key.
        draws: how many draws each has made from it.
        trial: index of the trial since the seed, from 0.
    """

    life: Life
    seed: UInt32[Array, "batch words"]
    draws: Int[Array, "batch"]
    trial: Int[Array, "batch"]

    @property
    def luck(self) -> Luck:
        """The next draw of each."""
        return Luck(self.seed, self.draws)


class Driven(eqx.Module):
    """The verbs of lives driven from outside; all but `act` work on a batch.

    Attributes:
        environment: what is lived in.
        space: where its tasks come from; None where every life brings its own.
        trial: how long a task is lived.
    """

    environment: AbstractEnvironment
    space: AbstractTaskSpace | None
    trial: Trial = Trial(episodes=1)

    @property
    def drawn(self) -> Drawing:
        """The environment with its tasks."""
        return Drawing(self.environment, self.space)

    def first(self, seed: UInt32[Array, "batch words"]) -> Lives:
        """The first step of the first trial of every seed."""
        num = seed.shape[0]
        none = jnp.zeros(num, jnp.int32)
        draw = Draw(Luck(seed, none), Luck(seed, none), None)
        life = unborn(self.drawn, Random(self.environment.action_spec), draw)
        state, timestep = jax.vmap(lambda draw: self.drawn.reset(draw, key=jr.key(0)))(draw)
        life = Life(
            draw, state, timestep, life.memory, none, jnp.zeros(num, bool), jnp.zeros_like(none)
        )
        return Lives(life, seed, none + 1, none)

    def act(self, lives: Lives, action: PyTree) -> Lives:
        """One step of one life (its leaves without the batch axis; `vmap` it for more).

        It may come to a LAST time step, and stays there until it begins again.
        """
        life, playing = lives.life, lives.life.state
        state, timestep = self.environment.step(
            playing.state, playing.task, action, key=lives.luck.key()
        )
        timestep = eqx.tree_at(lambda t: t.episode, timestep, life.timestep.episode)
        steps = life.steps + 1
        timestep, over = self.trial.spend(timestep, steps)
        return eqx.tree_at(
            lambda lives: (
                lives.life.state.state,
                lives.life.timestep,
                lives.life.steps,
                lives.life.over,
                lives.draws,
            ),
            lives,
            (state, timestep, steps, over, lives.draws + 1),
        )

    def begin(self, lives: Lives) -> Lives:
        """Where an episode has ended begin the next one, of the next trial where that is over."""
        life, luck = lives.life, lives.luck
        waiting, over = life.timestep.last(), life.over
        space = life.task.space
        same = eqx.tree_at(lambda life: life.task, life, Draw(life.task.task, luck, space))
        # Keys are made of the draws, where they are needed.
        life = revive(self.drawn, same, Draw(luck, luck, space), keys=jr.wrap_key_data(lives.seed))
        return Lives(life, lives.seed, lives.draws + waiting, lives.trial + (waiting & over))

    def abandon(self, lives: Lives, who: Bool[Array, "batch"]) -> Lives:
        """End the episode of some lives where they stand; it counts as one of the trial's."""
        life = lives.life
        last = jnp.where(who, StepType.LAST, life.timestep.step_type).astype(jnp.uint8)
        timestep = eqx.tree_at(lambda t: t.step_type, life.timestep, last)
        timestep, over = self.trial.spend(timestep, life.steps)
        return eqx.tree_at(
            lambda lives: (lives.life.timestep, lives.life.over), lives, (timestep, over)
        )


def batch_of_one(life: Lives) -> Lives:
    """One life with a batch axis."""
    return jax.tree.map(lambda x: x[None], life)


def only(lives: Lives) -> Lives:
    """The one life of a batch of one, without the axis."""
    return jax.tree.map(lambda x: x[0], lives)
