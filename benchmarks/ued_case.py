"""What all sides of `bench_ued.py` agree on, and how one of them is made ready to be timed."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

SIZE, VIEW, ACTIONS = 13, 5, 7


class Case(NamedTuple):
    """Sizes and settings, as the two peers ship them for their mazes.

    Attributes:
        walls: draws of a wall cell, with replacement.
        horizon: steps after which an episode is cut.
        lives, length: environments, and steps of each between two updates.
        channels, aside, memory, heads: widths of the convolution, of the direction's embedding, of
            the LSTM, and of the hidden layer of policy and value.
        epochs: of an update, each on the whole batch at once.
        capacity: of the level buffer.
        temperature, staleness: of its prioritisation, by rank.
        edits: that make a mutant of a level.
    """

    walls: int = 60
    horizon: int = 250
    lives: int = 32
    length: int = 256
    channels: int = 16
    aside: int = 5
    memory: int = 256
    heads: int = 32
    epochs: int = 5
    learning_rate: float = 1e-4
    max_norm: float = 0.5
    gamma: float = 0.995
    trace: float = 0.98
    clip: float = 0.2
    value_cost: float = 0.5
    entropy: float = 1e-3
    capacity: int = 4000
    temperature: float = 0.3
    staleness: float = 0.3
    edits: int = 20

    @property
    def steps(self) -> int:
        """Environment steps of one cycle."""
        return self.lives * self.length


class Side(NamedTuple):
    """One contestant, compiled; `run` works once, waits for it, and goes on from there next time.

    Attributes:
        units: steps, operations or cycles in one run.
    """

    run: Callable[[], None]
    units: int
    compile_seconds: float


def ready(function: Callable[[Any], Any], state: Any, units: int) -> Side:
    """A side out of a function from a state to the next; the state is consumed."""
    # No array twice: all of them are given away.
    state = jax.tree.map(lambda x: jnp.asarray(x).copy(), state)
    begun = time.perf_counter()
    program = jax.jit(function, donate_argnums=0).lower(state).compile()
    seconds = time.perf_counter() - begun
    now = [state]

    def run() -> None:
        now[0] = jax.block_until_ready(program(now[0]))

    return Side(run, units, seconds)
