"""Hosted: a compiled environment stepped from outside, with the luck it has in a compiled rollout.

So the same run can be had both ways, step for step.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.rollout.host import AbstractHost, Luck, Outcome, keys_of
from meadow.rollout.life import BEGIN, STEP, Life, apart, where


class Hosted(AbstractHost):
    """`num` lives in a compiled environment; its lives can be taken up again."""

    def __init__(self, environment: AbstractEnvironment, num: int):
        self.environment, self.num = environment, num
        self._playing: tuple[PyTree, PyTree] = ((), ())
        self._observation: PyTree = ()
        self._begin, self._step = jax.jit(self._begun), jax.jit(self._stepped)

    @property
    def playing(self) -> tuple[PyTree, PyTree]:
        """Tasks and states, which are known."""
        return self._playing

    def start(self, life: Life, seed: int) -> bool:
        """Stand where they stood; the seed is not needed."""
        self._playing, self._observation = (life.task, life.state), life.timestep.observation
        return True

    def begin(
        self, who: Bool[np.ndarray, "lives"], over: Bool[np.ndarray, "lives"], luck: Luck
    ) -> tuple[PyTree, Bool[np.ndarray, "lives"]]:
        """Reset them, with the luck and the tasks of the row."""
        self._playing, self._observation = self._begin(
            self._playing, self._observation, who, over, luck
        )
        return jax.device_get(self._observation), np.zeros(self.num, bool)

    def step(
        self, action: PyTree, luck: Luck, who: Bool[np.ndarray, "lives"] | None = None
    ) -> Outcome:
        self._playing, told = self._step(self._playing, action, luck)
        self._observation = told.observation
        return jax.device_get(told)

    def close(self) -> None:
        """There is nothing to end."""

    def _begun(
        self,
        playing: tuple[PyTree, PyTree],
        shown: PyTree,
        who: Bool[Array, "lives"],
        over: Bool[Array, "lives"],
        luck: Luck,
    ) -> tuple[tuple[PyTree, PyTree], PyTree]:
        task = where(who & over, luck.tasks, playing[0])
        keys = apart(keys_of(luck.keys[luck.row]), BEGIN)
        state, timestep = jax.vmap(lambda task, key: self.environment.reset(task, key=key))(
            task, keys
        )
        new = where(who, (state, timestep.observation), (playing[1], shown))
        return (task, new[0]), new[1]

    def _stepped(
        self, playing: tuple[PyTree, PyTree], action: PyTree, luck: Luck
    ) -> tuple[tuple[PyTree, PyTree], Outcome]:
        task, state = playing
        state, timestep = jax.vmap(
            lambda state, task, action, key: self.environment.step(state, task, action, key=key)
        )(state, task, action, apart(keys_of(luck.keys[luck.row]), STEP))
        last, lost = timestep.last(), jnp.zeros(self.num, bool)
        told = Outcome(timestep.observation, timestep.reward, timestep.discount, last, lost)
        return (task, state), told
