"""Placement: the same program over several devices, lives laid along a mesh.

Lives never need one another, so each device lives its own share without a word to the others
(`shard_map`). Learning is the same global program as on one device; the compiler lays it over the
mesh and inserts the sums. Every life draws its luck from its own number, so the placement changes
nothing but the order of floating-point sums.

With a store there is one on each device, of its own lives (`divided.py`): what is drawn is then
other luck than on one device.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Array, Int, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.errors import MeadowError
from meadow.core.trajectory import Trajectory
from meadow.loops import iteration
from meadow.loops.compiled import repeat
from meadow.loops.divided import LIVES, STUDENTS_LIVES, TIME_LIVES, WHOLE, Divided, parted
from meadow.loops.iteration import Experiment, Metrics, Progress
from meadow.replay.replay import Replay
from meadow.rollout.life import Life, unborn
from meadow.rollout.live import Living


class Sharded:
    """Runs an experiment over `devices` (all there are when None).

    Raises:
        MeadowError: the lives, or the windows of a draw, do not divide evenly among the devices;
            or the store is one that cannot be divided.
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
        self._laid = _laid(experiment, self._mesh)
        self._advance = jax.jit(self._chunk, donate_argnums=0)

    def begin(self, *, key: Key[Array, ""]) -> Progress:
        """Progress before the first iteration, laid over the mesh."""
        return self.place(jax.jit(lambda key: iteration.begin(self._laid, key=key))(key))

    def place(self, progress: Progress) -> Progress:
        """Lay progress over the mesh: lives and the store divided, all else on every device."""
        parts = progress._asdict()
        lives = LIVES if self.experiment.students is None else STUDENTS_LIVES
        specs = {name: lives if name in ("life", "store") else WHOLE for name in parts}
        laid = {name: NamedSharding(self._mesh, spec) for name, spec in specs.items()}
        return Progress(**{name: jax.device_put(parts[name], laid[name]) for name in parts})

    def run(self, progress: Progress, num: int) -> tuple[Progress, Metrics]:
        """`num` iterations; `progress` is consumed. Metrics are means over them."""
        return self._advance(progress, jnp.int32(num))

    def _chunk(self, progress: Progress, num: Int[Array, ""]) -> tuple[Progress, Metrics]:
        step = functools.partial(iteration.iterate, self._laid, live=self._collect)
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
            return life, *parted(lived)

        shared = jax.shard_map(
            live,
            mesh=self._mesh,
            in_specs=(WHOLE, LIVES, LIVES, WHOLE),
            out_specs=(LIVES, TIME_LIVES, LIVES),
            check_vma=False,
        )
        before = unborn(experiment.environment, agent, tasks) if life is None else life
        after, rows, ends = shared(agent, before, tasks, key)
        return after, Trajectory(*rows, *ends)


def _laid(experiment: Experiment, mesh: Mesh) -> Experiment:
    """The experiment, with its store over the mesh."""
    rehearsal, num = experiment.rehearsal, mesh.size
    if rehearsal is None:
        return experiment
    if not isinstance(rehearsal.store, Replay):
        raise MeadowError(
            f"Expected a `Replay` to be divided among {num} devices, got "
            f"{type(rehearsal.store).__name__}. Write `Compiled(experiment)` for one device."
        )
    if rehearsal.num % num:
        raise MeadowError(
            f"{rehearsal.num} windows of a draw do not divide among {num} devices. "
            f"Write num={-(-rehearsal.num // num) * num}."
        )
    rehearsal = dataclasses.replace(rehearsal, store=Divided(rehearsal.store.share(num), mesh))
    return dataclasses.replace(experiment, rehearsal=rehearsal)
