"""Divided: a store over several devices, each of which keeps, and draws from, its own lives.

Every device has a whole store of its share: rows never travel to be kept, and a draw is as many
windows of each device. So priorities are shares of a device's sum, and weights are relative to the
greatest of its part of a draw; with as many lives and alike ones everywhere that is no matter.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.store import AbstractStore, Draw
from meadow.core.trajectory import Trajectory

# How arrays lie along the mesh: their first axis, the one behind time or students, or all on every
# device.
LIVES, TIME_LIVES, WHOLE = PartitionSpec("lives"), PartitionSpec(None, "lives"), PartitionSpec()
STUDENTS_LIVES = TIME_LIVES


def parted(trajectory: Trajectory) -> tuple[tuple, tuple]:
    """What of a trajectory is `[time, lives, ...]`, and what `[lives, ...]`."""
    lived = trajectory
    rows = lived.timestep, lived.action, lived.next, lived.trial_ended, lived.record
    return rows, (lived.memory, lived.after, lived.final_memory, lived.weight)


class Divided(AbstractStore[PyTree]):
    """States have the devices as their first axis, laid along the mesh's axis `lives`.

    Attributes:
        share: the store of one device.
        mesh: the devices.
    """

    share: AbstractStore
    mesh: Mesh = eqx.field(static=True)

    def init(self, trajectory: Trajectory) -> PyTree:
        """An empty store on every device."""
        num = self.mesh.size

        def first(trajectory: Trajectory) -> Trajectory:
            rows, ends = parted(trajectory)
            rows = jax.tree.map(lambda x: x[:, : x.shape[1] // num], rows)
            return Trajectory(*rows, *jax.tree.map(lambda x: x[: x.shape[0] // num], ends))

        def lay(x: Array) -> Array:
            x = jnp.broadcast_to(x, (num, *x.shape))
            return jax.lax.with_sharding_constraint(x, NamedSharding(self.mesh, LIVES))

        return jax.tree.map(lay, self.share.init(jax.eval_shape(first, trajectory)))

    def add(self, state: PyTree, trajectory: Trajectory) -> PyTree:
        """Every device keeps what its lives lived."""

        def add(state: PyTree, rows: tuple, ends: tuple) -> PyTree:
            return _laid(self.share.add(_own(state), Trajectory(*rows, *ends)))

        return self._each(add, (LIVES, TIME_LIVES, LIVES), LIVES)(state, *parted(trajectory))

    def sample(self, state: PyTree, num: int, *, key: Key[Array, ""]) -> Draw:
        """As many windows of each device; `num` is a multiple of how many these are."""

        def sample(state: PyTree, key: Key[Array, ""]) -> tuple:
            key = jr.fold_in(key, jax.lax.axis_index("lives"))
            draw = self.share.sample(_own(state), num // self.mesh.size, key=key)
            return *parted(draw.trajectory), draw.places

        specs = TIME_LIVES, LIVES, LIVES
        rows, ends, places = self._each(sample, (LIVES, WHOLE), specs)(state, key)
        return Draw(Trajectory(*rows, *ends), places)

    def update(self, state: PyTree, draw: Draw, surprise: Float[Array, "num"] | None) -> PyTree:
        """Every device hears of its own windows."""

        def update(state: PyTree, rows: tuple, ends: tuple, places: PyTree, surprise: Any) -> Any:
            draw = Draw(Trajectory(*rows, *ends), places)
            return _laid(self.share.update(_own(state), draw, surprise))

        specs = LIVES, TIME_LIVES, LIVES, LIVES, LIVES
        told = state, *parted(draw.trajectory), draw.places, surprise
        return self._each(update, specs, LIVES)(*told)

    def _each(self, function: Any, in_specs: Any, out_specs: Any) -> Any:
        return jax.shard_map(
            function, mesh=self.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
        )


def _own(state: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[0], state)


def _laid(state: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[None], state)
