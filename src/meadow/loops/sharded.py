"""Placement: the same program over several devices, lives laid along a mesh.

Lives never need one another, so each device lives its own share without a word to the others
(`shard_map`). Learning is the same global program as on one device; the compiler lays it over the
mesh and inserts the sums. Every life draws its luck from its own number, so the placement changes
nothing but the order of floating-point sums.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.errors import MeadowError
from meadow.core.trajectory import Trajectory
from meadow.loops import iteration
from meadow.loops.compiled import repeat
from meadow.loops.iteration import Experiment, Metrics, Progress
from meadow.rollout.life import Life, unborn
from meadow.rollout.live import Living

_LIVES, _TIME_LIVES, _WHOLE = PartitionSpec("lives"), PartitionSpec(None, "lives"), PartitionSpec()


class Sharded:
    """Runs an experiment over `devices` (all there are when None).

    Raises:
        MeadowError: the lives do not divide evenly among the devices.
    """

    def __init__(self, experiment: Experiment, *, devices: Sequence[Any] | None = None):
        devices = jax.devices() if devices is None else devices
        if experiment.lives % len(devices):
            raise MeadowError(
                f"{experiment.lives} lives do not divide among {len(devices)} devices. "
                f"Write lives={-(-experiment.lives // len(devices)) * len(devices)}."
            )
        self.experiment = experiment
        self._mesh = Mesh(devices, ("lives",))
        self._advance = jax.jit(self._chunk, donate_argnums=0)

    def begin(self, *, key: Key[Array, ""]) -> Progress:
        """Progress before the first iteration, laid over the mesh."""
        return self.place(jax.jit(lambda key: iteration.begin(self.experiment, key=key))(key))

    def place(self, progress: Progress) -> Progress:
        """Lay progress over the mesh: lives divided, all else on every device."""
        parts = progress._asdict()
        specs = {name: _LIVES if name == "life" else _WHOLE for name in parts}
        laid = {name: NamedSharding(self._mesh, spec) for name, spec in specs.items()}
        return Progress(**{name: jax.device_put(parts[name], laid[name]) for name in parts})

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations; `progress` is consumed. Metrics are means over them."""
        return self._advance(progress, jnp.int32(num))

    def _chunk(self, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
        step = functools.partial(iteration.iterate, self.experiment, live=self._collect)
        progress, metrics = repeat(step, progress, num)
        return progress, metrics | self.experiment.curriculum.metrics(progress.curriculum)

    def _collect(
        self,
        experiment: Experiment,
        agent: AbstractAgent,
        life: Life | None,
        tasks: PyTree,
        *,
        key: Key[Array, ""],
    ) -> tuple[Life, Trajectory]:
        living = Living(experiment.environment, experiment.trial)

        def live(agent: AbstractAgent, life: Life, tasks: PyTree, key: Key[Array, ""]) -> tuple:
            life, lived = living.collect(agent, life, tasks, experiment.length, key=key)
            rows = (lived.timestep, lived.action, lived.next, lived.trial_ended, lived.record)
            return life, rows, (lived.memory, lived.after, lived.final_memory)

        shared = jax.shard_map(
            live,
            mesh=self._mesh,
            in_specs=(_WHOLE, _LIVES, _LIVES, _WHOLE),
            out_specs=(_LIVES, _TIME_LIVES, _LIVES),
            check_vma=False,
        )
        before = unborn(experiment.environment, agent, tasks) if life is None else life
        after, rows, ends = shared(agent, before, tasks, key)
        return after, Trajectory(*rows, *ends)
