"""Host: a batch of environments that are stepped from outside, one call for all of them.

A compiled environment is part of the program that acts in it. One that lives elsewhere, a Python
program as a rule, is asked: to begin episodes, and to step. `Elsewhere` stands for it where shapes
and types are all that matters, so the same `Experiment` is written for both.
"""

import abc
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Key, PyTree, UInt32

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep, restart, transition
from meadow.rollout.life import Life


class Luck(NamedTuple):
    """What lives draw from in a chunk. Programs have luck of their own and look away.

    Attributes:
        tasks: for each life the task it takes up where a trial ends.
        keys: of each life in each row, and in the one after the last; as data, for a call costs ten
            times as much with a typed key (`keys_of`).
        row: which it is.
    """

    tasks: PyTree
    keys: UInt32[Array, "rows lives words"]
    row: int


def keys_of(data: UInt32[Array, "*batch words"]) -> Key[Array, "*batch"]:
    """Keys from their data; of JAX's default kind."""
    return jr.wrap_key_data(data)


class Outcome(NamedTuple):
    """What came of a step: NumPy arrays `[lives, ...]`, which the next call may write
    on.

    Attributes:
        observation: what they see.
        reward, discount: the environment's.
        last: the episode ended.
        lost: what came of it is not known, and the episode is gone; nothing else means anything.
    """

    observation: PyTree
    reward: Any
    discount: Any
    last: Any
    lost: Any


class AbstractHost(abc.ABC):
    """Environments of `num` lives, all alike; a context manager that closes them.

    Attributes:
        num: how many.
        environment: what they are to an `Experiment`.
    """

    num: int
    environment: AbstractEnvironment

    @abc.abstractmethod
    def start(self, life: Life, seed: int) -> bool:
        """Stand where these lives stood, or say that this cannot be: then every life is to begin an
        episode first, and its luck follows from the seed."""

    @abc.abstractmethod
    def begin(
        self, who: Bool[np.ndarray, "lives"], over: Bool[np.ndarray, "lives"], luck: Luck
    ) -> tuple[PyTree, Bool[np.ndarray, "lives"]]:
        """Begin an episode of some lives, of a new trial where the old is `over`.

        Returns:
            The observations of all; and whose episode got lost and is to be begun again.
        """

    @abc.abstractmethod
    def step(
        self, action: PyTree, luck: Luck, who: Bool[np.ndarray, "lives"] | None = None
    ) -> Outcome:
        """Step all lives; or some, and then nothing is told of the others."""

    @property
    def playing(self) -> tuple[PyTree, PyTree] | None:
        """Tasks and states, so that lives can be taken up again; None where nobody knows them."""
        return None

    @abc.abstractmethod
    def close(self) -> None:
        """End whatever was begun for them; twice does no harm."""

    def __enter__(self):
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Elsewhere(AbstractEnvironment[Int[Array, ""], tuple[()]]):
    """Stands for an environment outside: what its time steps look like, and no dynamics.

    The task is a number that means nothing.

    Attributes:
        spec: of its actions.
        observation: an example.

    Raises:
        MeadowError: somebody tries to live in it, when the program runs.
    """

    spec: ActionSpec
    observation: PyTree

    @property
    def action_spec(self) -> ActionSpec:
        return self.spec

    def reset(self, task: Int[Array, ""], *, key: Key[Array, ""]) -> tuple[tuple[()], TimeStep]:
        return (), restart(self._shown(task))

    def step(
        self, state: tuple[()], task: Int[Array, ""], action: PyTree, *, key: Key[Array, ""]
    ) -> tuple[tuple[()], TimeStep]:
        return (), transition(jnp.zeros(()), self._shown(task))

    def _shown(self, task: Int[Array, ""]) -> PyTree:
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), self.observation)
        return jax.pure_callback(_nowhere, shapes, task, vmap_method="broadcast_all")


def _nowhere(task: Array) -> None:
    raise MeadowError(
        "This environment is a program outside, and nothing compiled can live in it. Run the "
        "experiment with `meadow.loops.inline.Inline(experiment, host)`."
    )
