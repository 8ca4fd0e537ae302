"""Recorded: experience that nobody adds to: rows of lives, as they were lived."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Rows of lives side by side, in order of time.

    Attributes:
        trajectory: `[rows, lives]`, in the host's memory; without agents' memories.
        action_spec: what actions may be.
        facts: where it came from.

    Raises:
        SpecError: no rows, or actions that are not of the spec.
    """

    trajectory: Trajectory
    action_spec: ActionSpec
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = np.shape(self.trajectory.trial_ended)
        if len(shape) != 2 or 0 in shape:
            raise SpecError(f"Expected rows [rows, lives] of at least one each, got {list(shape)}.")
        wanted = *shape, *self.action_spec.shape
        got = np.shape(self.trajectory.action)
        if got != wanted:
            raise SpecError(
                f"Expected actions {list(wanted)} of {self.action_spec}, got {list(got)}."
            )

    @property
    def steps(self) -> int:
        """Of all lives together."""
        return self.trajectory.trial_ended.size

    @property
    def example(self) -> TimeStep:
        """A time step as they are, without batch axes."""
        return jax.tree.map(lambda x: x[0, 0], self.trajectory.timestep)

    def part(self, start: int | None, stop: int | None) -> "Recorded":
        """Rows `start` to `stop` of every life, as of a slice."""
        lived, rows = self.trajectory, slice(start, stop)
        timestep, action, after, ended, record = jax.tree.map(
            lambda x: x[rows],
            (lived.timestep, lived.action, lived.next, lived.trial_ended, lived.record),
        )
        if not ended.size:
            raise SpecError(f"No rows {start} to {stop} among {len(lived.trial_ended)}.")
        return dataclasses.replace(self, trajectory=lifted(timestep, action, after, ended, record))


def followed(shown: PyTree, ended: np.ndarray, last: PyTree) -> PyTree:
    """What came of rows: what the next one shows, except of those with which episodes ended.

    Args:
        shown: by every row, `[rows, lives, ...]`.
        ended: which rows those are, `[rows, lives]`. Where the newest is none of them, what came of
            it is not known and means nothing.
        last: what came of them, in their order.
    """

    def one(shown: np.ndarray, last: np.ndarray) -> np.ndarray:
        after = np.roll(shown, -1, axis=0)
        after[ended] = last
        return after

    return jax.tree.map(one, shown, last)


def lifted(
    timestep: TimeStep, action: PyTree, after: TimeStep, trial_ended: PyTree, record: PyTree
) -> Trajectory:
    """Rows as a trajectory in the host's memory; from where they go to any device by themselves."""
    with jax.default_device(jax.devices("cpu")[0]):
        timestep, action, after, trial_ended, record = jax.tree.map(
            jnp.asarray, (timestep, action, after, trial_ended, record)
        )
        ending = jax.tree.map(lambda x: x[-1], after)
        return Trajectory(timestep, action, after, trial_ended, record, None, ending, None)
