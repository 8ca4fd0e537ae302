"""A curriculum in one file: practise what scored highest, but everything sometimes.

A fixed table of tasks; each remembers its last score. A task is drawn with probability

    p = explore / N + (1 - explore) * softmax(score / temperature)
"""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.curriculum import AbstractCurriculum, Ticket
from meadow.core.report import Report
from meadow.core.task import AbstractTaskSpace
from meadow.testing import check_curriculum
from meadow.testing.probes import Choice

Scores = Float[Array, "num_tasks"]


class Highest(AbstractCurriculum[tuple[PyTree, Scores]]):
    space: AbstractTaskSpace
    num_tasks: int = 64
    temperature: float = 0.1
    explore: float = 0.1

    def init(self, *, key: Key[Array, ""]) -> tuple[PyTree, Scores]:
        tasks = jax.vmap(lambda key: self.space.sample(key=key))(jr.split(key, self.num_tasks))
        return tasks, jnp.zeros(self.num_tasks)

    def sample(self, state: tuple[PyTree, Scores], num: int, *, key: Key[Array, ""]) -> Ticket:
        tasks, scores = state
        chances = (1 - self.explore) * jax.nn.softmax(scores / self.temperature)
        chances += self.explore / self.num_tasks
        slots = jr.categorical(key, jnp.log(chances), shape=(num,))
        # The ticket carries its tasks: whoever lives them need not ask the table again.
        return Ticket(jax.tree.map(lambda x: x[slots], tasks), slots)

    def update(
        self, state: tuple[PyTree, Scores], ticket: Ticket, report: Report
    ) -> tuple[PyTree, Scores]:
        tasks, known = state
        return tasks, known.at[ticket.slots].set(report.mean("magnitude"))

    def metrics(self, state: tuple[PyTree, Scores]) -> dict[str, Float[Array, ""]]:
        return {"highest": state[1].max()}


def main() -> None:
    space = Choice(8)
    curriculum = Highest(space)
    check_curriculum(curriculum, space, key=jr.key(0))
    print("the laws of curricula hold")

    # Stand-in for a learner's scores: only task 3 has anything left to teach.
    @jax.jit
    def practise(state: tuple, key: Key[Array, ""]) -> tuple:
        ticket = curriculum.sample(state, 32, key=key)
        worth = jnp.where(ticket.tasks == 3, 1.0, 0.0)
        report = dataclasses.replace(
            Report.nothing(32), episodes=jnp.ones(32), best=worth, magnitude=worth
        )
        return curriculum.update(state, ticket, report), worth.mean()

    state = curriculum.init(key=jr.key(1))
    for iteration in range(10):
        state, share = practise(state, jr.fold_in(jr.key(2), iteration))
        if iteration in (0, 9):
            print(f"iteration {iteration}: {share:.0%} of the tasks practised are task 3")


if __name__ == "__main__":
    main()
