"""The laws of learners, and `check_learner`."""

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key, PyTree

from meadow.core.errors import LawError
from meadow.core.learner import SURPRISE, AbstractLearner
from meadow.core.report import Report
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.testing.laws.agent import check_agent
from meadow.testing.laws.compare import not_finite, row, structure_difference, value_difference
from meadow.testing.laws.examine import Traced, anew, examine

NUM_UPDATES = 10


def check_learner(
    learner: AbstractLearner,
    trajectory: Trajectory,
    action_spec: ActionSpec,
    *,
    loss: str | None = "loss",
    key: Key[Array, ""],
) -> None:
    """Examine a learner and the agent it makes.

    Args:
        learner: the definition to examine.
        trajectory: experience of its own agent, `[time, batch]`.
        action_spec: what its agent's actions may be.
        loss: the metric that falls when one batch is learnt from again and again; None for a
            learner that minimises nothing.
        key: consumed.

    Raises:
        LawError: the law broken, what was expected and what was got.
    """
    examine(learner, LAWS, _Evidence(learner, trajectory, action_spec, loss, key))


@dataclasses.dataclass
class _Evidence:
    learner: AbstractLearner
    trajectory: Trajectory
    action_spec: ActionSpec
    loss: str | None
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.update = Traced(self.raw_update)
        self.key_init, self.key_agent, key = jr.split(self.key, 3)
        self.keys = jr.split(key, NUM_UPDATES)

    def raw_update(self, state: PyTree, trajectory: Trajectory, key: Array) -> Any:
        return self.learner.update(state, trajectory, key=key)

    @cached_property
    def example(self) -> TimeStep:
        return row(self.trajectory.timestep, 0, 0)

    @cached_property
    def state(self) -> PyTree:
        @jax.jit
        def init(example: TimeStep, key: Array) -> PyTree:
            return self.learner.init(example, self.action_spec, key=key)

        return init(self.example, self.key_init)

    @cached_property
    def updates(self) -> list[tuple[PyTree, dict[str, Array]]]:
        """States and metrics of learning from the same batch again and again."""
        state, updates = self.state, []
        for key in self.keys:
            updates.append(self.update(state, self.trajectory, key))
            state = updates[-1][0]
        return updates


def _compiles(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.state)
    first = seen.update(seen.state, seen.trajectory, seen.keys[0])
    if not isinstance(first, tuple) or len(first) != 2 or not isinstance(first[1], dict):
        return f"Expected a state and a dict of metrics, got {type(first).__name__}."
    return None


def _keeps_structure(seen: _Evidence) -> str | None:
    first = seen.update(seen.state, seen.trajectory, seen.keys[0])
    if different := structure_difference(seen.state, first[0]):
        return f"After `update`, compared with `init`: {different}"
    return None


def _traces_once(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.updates[-1])
    if seen.update.count == 1:
        return None
    return (
        f"Expected one trace of `update`, got {seen.update.count}. A Python number in the state is "
        "weakly typed: write `jnp.asarray(0, jnp.int32)`."
    )


def _is_pure(seen: _Evidence) -> str | None:
    again = anew(seen.raw_update, seen.state, seen.trajectory, seen.keys[0])
    return value_difference(seen.updates[0], again)


def _metrics(seen: _Evidence) -> str | None:
    columns = seen.trajectory.trial_ended.shape[1]
    for name, value in seen.updates[0][1].items():
        wanted = (columns,) if name == SURPRISE else ()
        if np.shape(value) != wanted:
            return f"Expected the metric {name!r} of shape {wanted}, got {np.shape(value)}."
    return not_finite([metrics for _, metrics in seen.updates])


def _agent_is_lawful(seen: _Evidence) -> str | None:
    try:
        check_agent(
            seen.learner.agent(seen.updates[-1][0]),
            seen.example,
            seen.action_spec,
            key=seen.key_agent,
        )
    except LawError as error:
        return str(error)
    return None


def _scores(seen: _Evidence) -> str | None:
    report = jax.jit(lambda state, lived: seen.learner.score(state, lived))(
        seen.state, seen.trajectory
    )
    if not isinstance(report, Report):
        return f"Expected `score` to return a `Report`, got {type(report).__name__}."
    columns = seen.trajectory.trial_ended.shape[1]
    for name, sums in vars(report).items():
        if np.shape(sums) != (columns,):
            return f"Expected {columns} rows, one a column, got {name} of shape {np.shape(sums)}."
    return not_finite({name: x for name, x in vars(report).items() if name != "best"})


def _learns(seen: _Evidence) -> str | None:
    if seen.loss is None:
        return None
    known = seen.updates[0][1]
    if seen.loss not in known:
        return (
            f"Expected a metric {seen.loss!r}, got {sorted(known)}. Name the one that should fall "
            "with `loss=...`, or pass None."
        )
    before, after = (float(seen.updates[i][1][seen.loss]) for i in (0, -1))
    if after < before:
        return None
    return (
        f"Expected {seen.loss!r} to fall over {NUM_UPDATES} updates from one batch, got "
        f"{before:.6g} and then {after:.6g}."
    )


LAWS = {
    "init and update work under jit": _compiles,
    "update keeps the state's structure": _keeps_structure,
    "update is traced once": _traces_once,
    "update is a function of state, trajectory and key": _is_pure,
    "metrics are finite scalars, but for surprise": _metrics,
    "the agent keeps its laws": _agent_is_lawful,
    "score reports on every column": _scores,
    "the same batch lowers its loss": _learns,
}
