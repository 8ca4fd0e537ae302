"""Uniform: fresh tasks from a space, whatever was learnt (domain randomisation)."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from meadow.core.curriculum import AbstractCurriculum, Ticket
from meadow.core.report import Report
from meadow.core.task import AbstractTaskSpace


class Uniform(AbstractCurriculum[tuple[()]]):
    """Samples `space` anew every time; remembers nothing, so slots are -1.

    References: Tobin et al., Domain Randomization for Transferring Deep Neural Networks from
    Simulation to the Real World, 2017.
    """

    space: AbstractTaskSpace

    def init(self, *, key: Key[Array, ""]) -> tuple[()]:
        """Nothing to know."""
        return ()

    def sample(self, state: tuple[()], num: int, *, key: Key[Array, ""]) -> Ticket:
        """`num` independent tasks."""
        tasks = jax.vmap(lambda key: self.space.sample(key=key))(jr.split(key, num))
        return Ticket(tasks, jnp.full(num, -1, jnp.int32))

    def update(self, state: tuple[()], ticket: Ticket, report: Report) -> tuple[()]:
        """How it went changes nothing."""
        return state

    def metrics(self, state: tuple[()]) -> dict[str, Float[Array, ""]]:
        """Nothing to tell."""
        return {}
