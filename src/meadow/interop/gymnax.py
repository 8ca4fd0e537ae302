"""Gymnax: an environment and its tasks behind gymnax's verbs, for programs written for those.

    env = Gymnax(environment, space)
    observation, state = env.reset(key, env.default_params)
    observation, state, reward, done, info = env.step(key, state, action, env.default_params)

The parameters are where tasks come from: a task space, or one task. `step` begins the next episode
by itself. **What that costs**: one life alone is reset only when its episode has ended; a batch
under `vmap` resets the few that ended, like the rest of Meadow, and not every one at every step.
That holds for one `vmap` and for `vmap` of `vmap`. Where `vmap` runs over task spaces, not tasks,
they are copied for every life.

References: Lange, gymnax: A JAX-based Reinforcement Learning Environment Library, 2022, whose
verbs these are; the library itself is not needed.
"""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt32

from meadow.core.environment import AbstractEnvironment
from meadow.core.spec import Discrete as DiscreteSpec
from meadow.core.task import AbstractTaskSpace
from meadow.interop.driven import Driven, Lives, batch_of_one, only
from meadow.interop.said import bounds, said, shown
from meadow.rollout.life import Trial

AnyKey = Key[Array, ""] | UInt32[Array, "words"]
Params = PyTree  # a task space, or one task


class Given(AbstractTaskSpace):
    """A space of one task."""

    task: PyTree

    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        return self.task


class Gymnax(eqx.Module):
    """One environment in gymnax's manner; `vmap` and `scan` it as one does there.

    Attributes:
        environment: what is lived in.
        space: where tasks come from when the parameters are `default_params`.
        trial: how long a task is lived; one episode unless said. Every episode ends, and
            `info["trial_over"]` marks the last of a trial.
        version: 0 for the verbs as they were before gymnax 1.0 and are in most programs: `step`
            returns whether the episode is `done`. 1 for those since: it returns `terminated` and
            `truncated` instead, and the last observation of an episode in `info`.
    """

    environment: AbstractEnvironment
    space: AbstractTaskSpace
    trial: Trial = Trial(episodes=1)
    version: Literal[0, 1] = eqx.field(static=True, default=0)

    @property
    def name(self) -> str:
        """The environment's class."""
        return type(self.environment).__name__

    @property
    def default_params(self) -> AbstractTaskSpace:
        """The space."""
        return self.space

    @property
    def num_actions(self) -> int:
        """How many choices there are, or how many numbers an action has."""
        spec = self.environment.action_spec
        return spec.num if isinstance(spec, DiscreteSpec) else int(np.prod(spec.shape))

    def reset(self, key: AnyKey, params: Params | None = None) -> tuple[PyTree, Lives]:
        """The first observation of a new trial, and the state."""
        driven = Driven(self.environment, self._space(params), self.trial)
        life = only(driven.first(_words(key)[None]))
        return life.life.timestep.observation, life

    def step(
        self, key: AnyKey, state: Lives, action: PyTree, params: Params | None = None
    ) -> tuple:
        """One step; where it ends the episode, the observation and the state are the next one's.

        Returns:
            Observation, state, reward, `done` (or `terminated` and `truncated`), and `info`.
        """
        last, after, reward, done, info = self.step_env(key, state, action, params)
        life = only(self._begin(batch_of_one(after), self._space(params)))
        shown = life.life.timestep.observation
        if self.version == 0:
            return shown, life, reward, done, info
        ends = info["terminated"], info["truncated"]
        return shown, life, reward, *ends, info | {"final_observation": last}

    def step_env(
        self, key: AnyKey, state: Lives, action: PyTree, params: Params | None = None
    ) -> tuple[PyTree, Lives, Float[Array, ""], Bool[Array, ""], dict[str, Array]]:
        """One step that begins nothing: where it ends the episode, the last observation."""
        driven = Driven(self.environment, self._space(params), self.trial)
        lucky = eqx.tree_at(
            lambda lives: (lives.seed, lives.draws), state, (_words(key), jnp.int32(0))
        )
        life = driven.act(lucky, action)
        told = said(life)
        info = {
            "discount": told.discount,
            "terminated": told.terminated,
            "truncated": told.truncated,
            "trial_over": told.over,
        }
        return told.observation, life, told.reward, told.terminated | told.truncated, info

    def action_space(self, params: Params | None = None) -> "Discrete | Box":
        """What an action may be."""
        spec = self.environment.action_spec
        if isinstance(spec, DiscreteSpec):
            return Discrete(spec.num)
        return Box(spec.low, spec.high, spec.shape, jnp.float32)

    def observation_space(self, params: Params | None = None) -> "Dict | Box":
        """What an observation is; a dict of observations is a `Dict` of spaces."""

        def of(part: PyTree, name: str) -> Dict | Box:
            if isinstance(part, dict):
                return Dict({key: of(value, key) for key, value in part.items()})
            low, high = bounds(self.environment, part, name)
            return Box(low, high, part.shape, part.dtype)

        return of(shown(self.environment, self.space), "")

    def _space(self, params: Params | None) -> AbstractTaskSpace:
        if params is None:
            return self.space
        return params if isinstance(params, AbstractTaskSpace) else Given(params)

    def _begin(self, lives: Lives, space: AbstractTaskSpace, own: bool = False) -> Lives:
        """The next episode where one has ended; batches under `vmap` become one long batch.

        Args:
            own: every life has a space of its own, `[batch, ...]`.
        """

        def begin(lives: Lives, space: AbstractTaskSpace) -> Lives:
            if not own:
                return Driven(self.environment, space, self.trial).begin(lives)
            lives = _with_spaces(lives, space)
            return _with_spaces(Driven(self.environment, None, self.trial).begin(lives), None)

        begin = custom_vmap(begin)

        @begin.def_vmap
        def longer(num: int, batched: list, lives: Lives, space: PyTree) -> tuple[Lives, PyTree]:
            lives = _spread(num, lives, batched[0])
            inner = lives.draws.shape[1]
            to_own = own or any(jax.tree.leaves(batched[1]))
            if to_own:
                space = _spread(num, space, batched[1])
            if to_own and not own:
                space = jax.tree.map(lambda x: jnp.repeat(x[:, None], inner, axis=1), space)
            lives, space = _merged(lives), _merged(space) if to_own else space
            lives = self._begin(lives, space, to_own)
            lives = jax.tree.map(lambda x: x.reshape(num, inner, *x.shape[1:]), lives)
            return lives, jax.tree.map(lambda _: True, lives)

        return begin(lives, space)


def _spread(num: int, tree: PyTree, batched: PyTree) -> PyTree:
    """Every leaf with the axis that some have."""
    return jax.tree.map(
        lambda x, has: x if has else jnp.broadcast_to(x, (num, *jnp.shape(x))), tree, batched
    )


def _merged(tree: PyTree) -> PyTree:
    """The two leading axes as one."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)


def _with_spaces(lives: Lives, space: AbstractTaskSpace | None) -> Lives:
    draw = lives.life.task._replace(space=space)
    return eqx.tree_at(lambda lives: lives.life.task, lives, draw)


def _words(key: AnyKey) -> UInt32[Array, "words"]:
    """The words of a key, new-style or old."""
    return key if key.dtype == jnp.uint32 else jr.key_data(key)


class Discrete(eqx.Module):
    """One of `n` choices."""

    n: int = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True, default=())
    dtype: Any = eqx.field(static=True, default=jnp.int32)

    def sample(self, key: Key[Array, ""]) -> Int[Array, ""]:
        """A uniform choice."""
        return jr.randint(key, self.shape, 0, self.n, self.dtype)

    def contains(self, x: Array) -> Bool[Array, ""]:
        """Whether `x` is one of the choices."""
        return jnp.logical_and(x >= 0, x < self.n)


class Box(eqx.Module):
    """Arrays of a shape and type with every entry in [low, high]."""

    low: float | int = eqx.field(static=True)
    high: float | int = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)

    def sample(self, key: Key[Array, ""]) -> Array:
        """Uniform in the box; it must be bounded."""
        if jnp.issubdtype(self.dtype, jnp.integer):
            return jr.randint(key, self.shape, self.low, self.high + 1).astype(self.dtype)
        return jr.uniform(key, self.shape, self.dtype, self.low, self.high)

    def contains(self, x: Array) -> Bool[Array, ""]:
        """Whether every entry of `x` lies in the box."""
        return jnp.all((x >= self.low) & (x <= self.high))


class Dict(eqx.Module):
    """A space for every name."""

    spaces: dict[str, Any]

    def sample(self, key: Key[Array, ""]) -> dict[str, Any]:
        """One of each."""
        keys = jr.split(key, len(self.spaces))
        pairs = zip(self.spaces.items(), keys, strict=True)
        return {name: space.sample(key) for (name, space), key in pairs}

    def contains(self, x: dict[str, Any]) -> Bool[Array, ""]:
        """Whether every part of `x` lies in its space."""
        inside = [space.contains(x[name]) for name, space in self.spaces.items()]
        return jnp.all(jnp.stack(inside))
