"""Designed: a teacher builds every task, and is rewarded by how the students fare in it.

What the teacher is after is one word, `worth`:

- `relative_regret` with two students is PAIRED: what the second can and the first cannot.
- `population_regret` with more of them is its form for a population.
- `neg_return` with one student is the minimax adversary, which soon builds what nobody can solve.

The teacher is an agent like any other, in an environment where what is done builds a task
(`meadow.core.editor`). Its episode and what it earned come together only when the report comes, so
the ticket carries what it lived. The reward stands at the last edit, and nothing follows it.

References: Dennis et al., Emergent Complexity and Zero-shot Transfer via Unsupervised Environment
Design, 2020, algorithm 1; Jiang et al., minimax, 2023, for populations. A task in which nobody
finished an episode is worth 0.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.curriculum import AbstractCurriculum, Ticket
from meadow.core.editor import AbstractEditor
from meadow.core.environment import AbstractEnvironment
from meadow.core.learner import AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.scores import scored


class State(NamedTuple):
    """The teacher's learner, and the mean worth of the tasks reported last."""

    teacher: PyTree
    worth: Float[Array, ""]


class Designed(AbstractCurriculum[State]):
    """Tasks that a teacher builds.

    Attributes:
        editor: where it builds them.
        teacher: how it learns.
        worth: a score of `meadow.scores`, what the teacher wants much of.
    """

    editor: AbstractEditor
    teacher: AbstractLearner
    worth: str = eqx.field(static=True, default="relative_regret")

    def init(self, *, key: Key[Array, ""]) -> State:
        """A teacher that has learnt nothing."""
        shown = jax.eval_shape(lambda: self.editor.reset((), key=jr.key(0))[1])
        blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shown)
        return State(self.teacher.init(blank, self.editor.action_spec, key=key), jnp.float32(0))

    def sample(self, state: State, num: int, *, key: Key[Array, ""]) -> Ticket:
        """`num` tasks, each the work of one episode of the teacher."""
        key_build, key_learn = jr.split(key)
        tasks, lived = built(self.editor, self.teacher.agent(state.teacher), num, key=key_build)
        return Ticket(tasks, jnp.full(num, -1, jnp.int32), (lived, key_learn))

    def update(self, state: State, ticket: Ticket, report: Report) -> State:
        """The teacher is paid for what it built, and learns."""
        lived, key = ticket.notes
        worth = scored(self.worth, report)
        worth = jnp.where(jnp.isfinite(worth), worth, 0.0)
        rewards = jnp.zeros_like(lived.next.reward).at[-1].set(worth)
        lived = eqx.tree_at(lambda t: t.next.reward, lived, rewards)
        teacher, _ = self.teacher.update(state.teacher, lived, key=key)
        return State(teacher, worth.mean())

    def metrics(self, state: State) -> dict[str, Float[Array, ""]]:
        """`worth`: of the tasks reported last, on average."""
        return {"worth": state.worth}


def built(
    editor: AbstractEditor, teacher: AbstractAgent, num: int, *, key: Key[Array, ""]
) -> tuple[PyTree, Trajectory]:
    """`num` tasks and how they were built: an episode for each, from first edit to last."""
    site, sites = _Site(editor), jnp.zeros(num)
    life, lived = Living(site, Trial(episodes=1)).collect(
        teacher, unborn(site, teacher, sites), sites, editor.length, key=key
    )
    return jax.vmap(editor.built)(life.state), lived


class _Site(AbstractEnvironment[Float[Array, ""], PyTree]):
    """The editor for a batch of lives, whose tasks must have an axis: theirs say nothing."""

    editor: AbstractEditor

    @property
    def action_spec(self) -> ActionSpec:
        return self.editor.action_spec

    def reset(self, task: Array, *, key: Key[Array, ""]) -> tuple[PyTree, TimeStep]:
        return self.editor.reset((), key=key)

    def step(
        self, state: PyTree, task: Array, action: PyTree, *, key: Key[Array, ""]
    ) -> tuple[PyTree, TimeStep]:
        return self.editor.step(state, (), action, key=key)
