"""Every law of curricula can fail: for each there is one that breaks it and nothing before it."""

import itertools
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import pytest

from meadow.core.curriculum import AbstractExaminer, Due, Ticket
from meadow.testing import check_curriculum
from meadow.testing.laws import curriculum
from meadow.testing.probes import Choice

COUNTER = itertools.count(1)


def unaltered() -> Callable:
    """A field for a function from what a sound definition says to what the altered one says."""
    return eqx.field(static=True, default=lambda said, *_: said)


class AlteredCurriculum(AbstractExaminer):
    """Samples at random and remembers the last sum of values; now and then it looks at two."""

    on_sample: Callable = unaltered()
    on_update: Callable = unaltered()
    on_examine: Callable = unaltered()
    on_metrics: Callable = unaltered()

    def init(self, *, key):
        return jnp.zeros(())

    def sample(self, state, num, *, key):
        return self.on_sample(Ticket(jr.randint(key, (num,), 0, 2), jnp.full(num, -1)))

    def update(self, state, ticket, report):
        return self.on_update(report.value.sum(), state)

    def metrics(self, state):
        return self.on_metrics({"sum": state})

    def due(self, iteration):
        return Due(iteration % 2 == 0, iteration % 2 == 1)

    def examine(self, state, *, key):
        return self.on_examine(Ticket(jr.randint(key, (2,), 0, 2), jnp.full(2, -1)))


CURRICULA = {
    "init, sample and update work under jit": [
        AlteredCurriculum(on_update=lambda new, state: new if state > 0 else state),
        AlteredCurriculum(on_sample=lambda ticket: ticket.tasks),
    ],
    "a ticket carries num tasks of the space": [
        AlteredCurriculum(lambda ticket: Ticket(ticket.tasks[:-1], ticket.slots)),
        AlteredCurriculum(lambda ticket: Ticket(ticket.tasks * 1.0, ticket.slots)),
        AlteredCurriculum(lambda ticket: Ticket(ticket.tasks, ticket.slots[:-1])),
    ],
    "sample only reads": [
        AlteredCurriculum(lambda ticket: Ticket(ticket.tasks + next(COUNTER), ticket.slots))
    ],
    "update keeps the state's structure": [
        AlteredCurriculum(on_update=lambda new, state: (new, state)),
    ],
    "tickets may come late, twice and out of order": [
        AlteredCurriculum(on_update=lambda new, state: new * (new - state) / (new - state))
    ],
    "metrics are finite numbers": [
        AlteredCurriculum(on_metrics=lambda told: {"sum": told["sum"][None]}),
        AlteredCurriculum(on_metrics=lambda told: {"sum": told["sum"] * jnp.nan}),
    ],
    "examined tickets are tickets": [
        AlteredCurriculum(on_examine=lambda ticket: Ticket(ticket.tasks * jnp.nan, ticket.slots)),
    ],
}


@pytest.mark.parametrize("law", curriculum.LAWS)
def test_curriculum(law, key, all_fail):
    all_fail(
        curriculum.LAWS,
        CURRICULA,
        law,
        lambda broken: check_curriculum(broken, Choice(2), key=key),
    )
