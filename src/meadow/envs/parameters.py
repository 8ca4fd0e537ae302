"""ParameterEditor: numbers between bounds are chosen one after the other.

So whatever has a vector for its task can be designed, without an editor of its own.

**observation** a dict. `told`: one float vector: the numbers chosen so far, scaled to [0, 1] (0
  where none is yet); which is chosen next, one-hot (all zero after the last); noise, uniform in
  [0, 1), so that not always the same is built.
**actions** one of `bins` values, equally far apart, the bounds among them.
**reward** none.
**ends** terminates with the last number.
**hidden** nothing.
**task** `()`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Int32, Key

from meadow.core.editor import AbstractEditor
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition


class State(eqx.Module):
    """Numbers being chosen.

    Attributes:
        chosen: which of the bins; 0 where none was chosen yet.
        time: steps taken.
        noise: what was seen of it last.
    """

    chosen: Int32[Array, "num"]
    time: Int32[Array, ""]
    noise: Float[Array, "noise"]


class ParameterEditor(AbstractEditor[State]):
    """One step for each parameter; what is built is a vector of them.

    Args:
        low, high: of each parameter, such as the bounds of a space.
        bins: how many values of each can be chosen.
        noise_dim: how many numbers of noise are seen.
        redraw: noise is new in every step; otherwise in every episode.

    Raises:
        SpecError: bounds that do not fit each other, or fewer than two bins.

    >>> editor = ParameterEditor((0.0, 10.0), (1.0, 20.0), bins=3)
    >>> state, _ = editor.reset((), key=jr.key(0))
    >>> for action in (2, 1):
    ...     state, _ = editor.step(state, (), jnp.asarray(action), key=jr.key(0))
    >>> editor.built(state).tolist()
    [1.0, 15.0]
    """

    low: tuple[float, ...] = eqx.field(static=True, converter=tuple)
    high: tuple[float, ...] = eqx.field(static=True, converter=tuple)
    bins: int = eqx.field(static=True, default=11)
    noise_dim: int = eqx.field(static=True, default=50)
    redraw: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        fits = len(self.low) == len(self.high) > 0
        if not fits or any(a > b for a, b in zip(self.low, self.high, strict=True)):
            raise SpecError(
                "`ParameterEditor` needs a lower and a higher bound for each parameter, got "
                f"{self.low=}, {self.high=}."
            )
        if self.bins < 2:
            raise SpecError(f"`bins` must be at least 2, one for each bound, got {self.bins}.")

    @property
    def length(self) -> int:
        """Steps of an episode: one for each parameter."""
        return len(self.low)

    @property
    def action_spec(self) -> Discrete:
        """One of the bins."""
        return Discrete(self.bins)

    def reset(self, task: tuple[()], *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """Nothing is chosen."""
        noise = jr.uniform(key, (self.noise_dim,))
        state = State(jnp.zeros(self.length, jnp.int32), jnp.int32(0), noise)
        return state, restart(self._observe(state))

    def step(
        self, state: State, task: tuple[()], action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Choose the next parameter."""
        noise = jr.uniform(key, (self.noise_dim,)) if self.redraw else state.noise
        chosen = state.chosen.at[state.time].set(action)
        state = State(chosen, state.time + 1, noise)
        ended = state.time == self.length
        return state, transition(0.0, self._observe(state), terminated=ended)

    def built(self, state: State) -> Float[Array, "num"]:
        """The parameters; the lower bound where none was chosen yet."""
        low, high = jnp.asarray(self.low), jnp.asarray(self.high)
        return low + (high - low) * self._share(state)

    def _share(self, state: State) -> Float[Array, "num"]:
        """How far between its bounds each parameter lies."""
        return state.chosen / (self.bins - 1)

    def _observe(self, state: State) -> dict[str, Array]:
        step = jax.nn.one_hot(state.time, self.length)
        return {"told": jnp.concatenate([self._share(state), step, state.noise])}
