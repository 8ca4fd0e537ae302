"""Programs: the verbs of driven lives compiled, once for all doors to one definition.

Two doors to equal definitions share their programs, so a hundred environments compile once.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, UInt8, UInt32

from meadow.envs.fresh import Drawn
from meadow.interop.driven import Driven, Lives, batch_of_one, only
from meadow.interop.packed import Packing, packing_of
from meadow.interop.said import Said, said
from meadow.rollout.life import where

Row = UInt8[Array, "_"]
Seeds = UInt32[np.ndarray, "batch words"]


class Programs(NamedTuple):
    """Compiled verbs of a batch of lives, each from the arrays of the definition and more.

    What lives say comes packed.

    Attributes:
        again: some lives abandon their episode and begin the next; the others stand where they do,
            even at the end of one.
        step: an action of every life; whose episode ends begins the next at once. It is said
            twice: what came of the action, and what is seen next.
        step_or_begin: an action of every life, except that whose episode has ended before begins
            the next instead.
    """

    said: Packing
    twice: Packing
    first: Callable[[tuple, Seeds], tuple[Lives, Row]]
    again: Callable[[tuple, Lives, Bool[np.ndarray, "batch"]], tuple[Lives, Row]]
    reseed: Callable[[tuple, Lives, Bool[np.ndarray, "batch"], Seeds], tuple[Lives, Row]]
    step: Callable[[tuple, Lives, np.ndarray], tuple[Lives, Row]]
    step_or_begin: Callable[[tuple, Lives, np.ndarray], tuple[Lives, Row]]


class SinglePrograms(NamedTuple):
    """The same of one life, which is packed too: a call costs by the array, not by the byte."""

    lives: Packing
    said: Packing
    first: Callable[[tuple, UInt32[np.ndarray, "words"]], tuple[Row, Row]]
    again: Callable[[tuple, Row], tuple[Row, Row]]
    step: Callable[[tuple, Row, np.ndarray], tuple[Row, Row]]


def programs(driven: Driven, num: int) -> tuple[tuple, Programs]:
    """The arrays of a definition, if it has any, and its programs for `num` lives."""
    arrays, definition = _split(driven)
    return arrays, _programs(definition, num)


def single_programs(driven: Driven) -> tuple[tuple, SinglePrograms]:
    """The arrays of a definition, if it has any, and its programs for one life."""
    arrays, definition = _split(driven)
    return arrays, _single_programs(definition)


class _Definition(NamedTuple):
    """All of a definition but its arrays: equal where the same program serves."""

    rest: tuple[tuple[type, Any], ...]
    structure: Any  # a PyTreeDef
    is_array: tuple[bool, ...]
    shapes: tuple[tuple[tuple[int, ...], Any], ...]

    def driven(self, arrays: tuple) -> Driven:
        """The definition with its arrays."""
        given, rest = iter(arrays), iter(self.rest)
        leaves = [next(given) if array else next(rest)[1] for array in self.is_array]
        return jax.tree.unflatten(self.structure, leaves)


def _split(driven: Driven) -> tuple[tuple, _Definition]:
    leaves, structure = jax.tree.flatten(driven)
    is_array = tuple(isinstance(leaf, (jax.Array, np.ndarray)) for leaf in leaves)
    arrays = tuple(leaf for leaf, array in zip(leaves, is_array, strict=True) if array)
    rest = tuple((type(x), x) for x, array in zip(leaves, is_array, strict=True) if not array)
    shapes = tuple((x.shape, x.dtype) for x in arrays)
    return arrays, _Definition(rest, structure, is_array, shapes)


def num_words() -> int:
    """Of how many words a random key is made."""
    return jax.eval_shape(lambda: jr.key_data(jr.key(0))).shape[0]


def _shapes(definition: _Definition, num: int) -> Lives:
    """What lives look like, without making any."""
    seeds = jax.ShapeDtypeStruct((num, num_words()), jnp.uint32)
    arrays = tuple(jax.ShapeDtypeStruct(*shape) for shape in definition.shapes)
    return jax.eval_shape(
        lambda arrays, seeds: definition.driven(arrays).first(seeds), arrays, seeds
    )


@functools.lru_cache(maxsize=64)
def _programs(definition: _Definition, num: int) -> Programs:
    lives = _shapes(definition, num)
    once = jax.eval_shape(said, lives)
    packing, twice = packing_of(once), packing_of((once, once))

    def told(lives: Lives) -> tuple[Lives, Row]:
        return lives, packing.pack(said(lives))

    @jax.jit
    def first(arrays, seeds):
        return told(definition.driven(arrays).first(seeds))

    @jax.jit
    def again(arrays, lives, who):
        driven = definition.driven(arrays)
        return told(where(who, driven.begin(driven.abandon(lives, who)), lives))

    @jax.jit
    def reseed(arrays, lives, who, seeds):
        return told(where(who, definition.driven(arrays).first(seeds), lives))

    @jax.jit
    def step(arrays, lives, actions):
        driven = definition.driven(arrays)
        after = jax.vmap(driven.act)(lives, actions)
        lives = driven.begin(after)
        return lives, twice.pack((said(after), said(lives)))

    @jax.jit
    def step_or_begin(arrays, lives, actions):
        driven = definition.driven(arrays)
        begun = driven.begin(lives)
        after = jax.vmap(driven.act)(begun, actions)
        return told(where(lives.life.timestep.last(), begun, after))

    return Programs(packing, twice, first, again, reseed, step, step_or_begin)


@functools.lru_cache(maxsize=64)
def _single_programs(definition: _Definition) -> SinglePrograms:
    shapes = jax.eval_shape(only, _shapes(definition, 1))
    lives_packing, packing = packing_of(shapes), packing_of(jax.eval_shape(said, shapes))

    def told(life: Lives) -> tuple[Row, Row]:
        return lives_packing.pack(life), packing.pack(said(life))

    @jax.jit
    def first(arrays, seed):
        return told(only(definition.driven(arrays).first(seed[None])))

    @jax.jit
    def again(arrays, row):
        driven, lives = definition.driven(arrays), batch_of_one(lives_packing.unpack(row))
        return told(only(driven.begin(driven.abandon(lives, jnp.ones(1, bool)))))

    @jax.jit
    def step(arrays, row, action):
        return told(definition.driven(arrays).act(lives_packing.unpack(row), action))

    return SinglePrograms(lives_packing, packing, first, again, step)


class Single:
    """One life on the host."""

    def __init__(self, driven: Driven):
        self._arrays, self._programs = single_programs(driven)
        self._lives: Any = None  # one row, once there is a life

    def first(self, seed: UInt32[np.ndarray, "words"]) -> Said:
        """The first step of the first trial of a seed."""
        return self._told(*self._programs.first(self._arrays, seed))

    def again(self) -> Said:
        """The first step of the next episode, whether or not this one has ended."""
        return self._told(*self._programs.again(self._arrays, self._lives))

    def step(self, action: np.ndarray) -> Said:
        """What comes of an action; after the end of an episode, nothing of use."""
        return self._told(*self._programs.step(self._arrays, self._lives, action))

    def playing(self) -> Drawn:
        """The task, and the environment's state."""
        return self._programs.lives.read(np.asarray(self._lives)).life.state

    def _told(self, lives: Array, row: Array) -> Said:
        self._lives = lives
        return self._programs.said.read(np.array(row))  # a copy: whoever is told may write
