"""Placement: the same program over several devices, lives laid along a mesh.

Lives never need one another, so each device lives its own share without a word to the others
(`shard_map`). Learning is the same global program as on one device; the compiler lays it over the
mesh and inserts the sums. Every life draws its luck from its own number, so the placement changes
nothing but the order of floating-point sums.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, Key

from meadow.core.curriculum import Ticket
from meadow.core.errors import MeadowError
from meadow.core.trajectory import Trajectory
from meadow.loops import iteration
from meadow.loops.compiled import repeat
from meadow.loops.iteration import Experiment, Metrics, Progress
from meadow.rollout.life import Life
from meadow.rollout.live import Living

_LIVES, _TIME_LIVES, _WHOLE = PartitionSpec("lives"), PartitionSpec(None, "lives"), PartitionSpec()
_TRAJECTORY = Trajectory(
    timestep=_TIME_LIVES,
    action=_TIME_LIVES,
    next=_TIME_LIVES,
    trial_ended=_TIME_LIVES,
    record=_TIME_LIVES,
    memory=_LIVES,
    after=_LIVES,
    final_memory=_LIVES,
)


class Sharded:
    """Runs an experiment over `devices` (all there are when None).

    Raises:
        MeadowError: the lives do not divide evenly among the devices.
    """

    def __init__(self, experiment: Experiment, *, devices: Sequence[jax.Device] | None = None):
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
        whole, lives = (NamedSharding(self._mesh, spec) for spec in (_WHOLE, _LIVES))
        return jax.device_put(progress, Progress(whole, whole, lives, whole, whole))

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations; `progress` is consumed. Metrics are means over them."""
        return self._advance(progress, jnp.int32(num))

    def _chunk(self, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
        step = functools.partial(iteration.iterate, self.experiment, live=self._collect)
        return repeat(step, progress, num)

    def _collect(
        self, experiment: Experiment, progress: Progress, ticket: Ticket, *, key: Key[Array, ""]
    ) -> tuple[Life, Trajectory]:
        living = Living(experiment.environment, experiment.trial)
        agent = experiment.learner.agent(progress.learner)
        live = functools.partial(living.collect, length=experiment.length)
        shared = jax.shard_map(
            lambda agent, life, tasks, key: live(agent, life, tasks, key=key),
            mesh=self._mesh,
            in_specs=(_WHOLE, _LIVES, _LIVES, _WHOLE),
            out_specs=(_LIVES, _TRAJECTORY),
            check_vma=False,
        )
        return shared(agent, progress.life, ticket.tasks, key)
