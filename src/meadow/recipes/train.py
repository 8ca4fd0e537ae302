"""Train: run a recipe into a folder, watched, saved and resumable."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.random as jr
import numpy as np

from meadow.core.agent import AbstractAgent
from meadow.core.errors import CheckpointError, MeadowError
from meadow.loops.compiled import Compiled
from meadow.loops.drive import drive
from meadow.loops.inline import Inline
from meadow.loops.iteration import Experiment, Progress, begin, spent
from meadow.loops.sharded import Sharded
from meadow.recipes import written
from meadow.recipes.gallery import Gallery
from meadow.recipes.looks import Looks
from meadow.recipes.outside import Outside
from meadow.recipes.recipe import Recipe
from meadow.rollout.host import AbstractHost
from meadow.runs.folder import Run
from meadow.runs.interrupt import Interrupt
from meadow.runs.manifest import manifest
from meadow.runs.metrics import Metrics
from meadow.runs.plot import learning_curve
from meadow.runs.progress import Progress as Display

SAVE_EVERY = 30.0


@dataclasses.dataclass(frozen=True)
class Training:
    """What came of a training run.

    Attributes:
        run: its folder.
        seconds: spent training in this call, compilation included.
        steps: environment steps lived in all, earlier calls included.
        stopped: it was asked to stop before its end.
    """

    run: Run
    seconds: float
    steps: int
    stopped: bool


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    save_every: float = SAVE_EVERY,
    devices: int | None = None,
) -> Training:
    """Run a recipe into the folder `out`, or go on with the run that is there.

    On several devices each has its share of the lives. What was saved last is never more than one
    chunk and `save_every` behind; an interrupted run goes on bit for bit.

    Args:
        resume: go on with the run in `out`.
        minutes: stop after so long, at the next chunk's end.
        save_every: seconds between checkpoints; 0 for one after every chunk.
        devices: how many to use; all there are when None.

    Raises:
        MeadowError: there are not so many devices, or the lives do not divide among them; or
            anything in the recipe does not fit; no folder is left then.
        CheckpointError: `out` holds a run and `resume` is false, or holds none and it is true.
    """
    with hosted(recipe) as (experiment, host):
        placement = (
            _placed(experiment, devices) if host is None else _inline(experiment, host, devices)
        )
        run = _open(out, recipe) if resume else _create(out, recipe, experiment)
        stopping = {"minutes": minutes, "save_every": save_every}
        try:
            return _trained(recipe, placement, run, resume=resume, **stopping)
        except BaseException:
            run.withdraw()
            raise


def _trained(
    recipe: Recipe,
    placement: Compiled | Sharded | Inline,
    run: Run,
    *,
    resume: bool,
    minutes: float | None,
    save_every: float,
) -> Training:
    experiment = placement.experiment
    progress = placement.begin(key=jr.key(recipe.seed))
    if resume:
        iteration, progress = run.restore(progress)
        run.rewind(iteration)
    began, start = time.monotonic(), int(progress.iteration)
    with (
        Display(recipe.iterations, start=start) as display,
        Interrupt(display.say) as interrupt,
        Metrics(run.metrics_path) as metrics,
        contextlib.closing(Looks(recipe, experiment, run, start)) as looks,
    ):
        watcher = _Watcher(experiment, run, metrics, display, interrupt, minutes, save_every)
        gallery = Gallery(experiment, run.plots, recipe.iterations)

        def watch(iteration: int, values: dict[str, np.ndarray], progress: Progress) -> bool:
            gallery(iteration, progress)
            return watcher(iteration, values | looks(iteration, progress), progress)

        progress = drive(placement, progress, recipe.iterations, recipe.chunk, watch)
        if watcher.saved < int(progress.iteration):
            run.checkpoint(int(progress.iteration), progress)
    learning_curve(run.metrics_path, run.plots / "learning.png")
    return Training(
        run=run,
        seconds=time.monotonic() - began,
        steps=spent(experiment, int(progress.iteration)),
        stopped=interrupt.requested,
    )


@contextlib.contextmanager
def hosted(recipe: Recipe) -> Iterator[tuple[Experiment, AbstractHost | None]]:
    """What the loop runs; and of a recipe whose environment is outside, the programs, open."""
    if not isinstance(recipe.environment, Outside):
        yield recipe.experiment(), None
        return
    with recipe.environment.open(recipe.lives, recipe.seed) as programs:
        inside = dataclasses.replace(recipe, environment=programs.environment)
        yield inside.experiment(), programs


def _inline(experiment: Experiment, host: AbstractHost, num: int | None) -> Inline:
    """Beside programs, which one device steps."""
    if num not in (None, 1):
        raise MeadowError(
            f"Environments of other libraries live beside one device, asked for {num}. Leave "
            "`--devices` out."
        )
    return Inline(experiment, host)


def _placed(experiment: Experiment, num: int | None) -> Compiled | Sharded:
    """On one device, or over several."""
    devices = jax.devices()
    num = len(devices) if num is None else num
    if not 1 <= num <= len(devices):
        raise MeadowError(
            f"Asked for {num} devices, but JAX sees {len(devices)} ({devices[0].platform}). To "
            f"make {num} of one CPU, write XLA_FLAGS=--xla_force_host_platform_device_count={num} "
            "before the command."
        )
    return Compiled(experiment) if num == 1 else Sharded(experiment, devices=devices[:num])


class _Watcher:
    """Writes metrics, shows progress, saves now and then, and says when to stop."""

    def __init__(
        self,
        experiment: Experiment,
        run: Run,
        metrics: Metrics,
        display: Display,
        interrupt: Interrupt,
        minutes: float | None,
        save_every: float,
    ):
        self.saved, began = 0, time.monotonic()
        self._experiment, self._run, self._metrics = experiment, run, metrics
        self._display, self._interrupt = display, interrupt
        self._deadline = np.inf if minutes is None else began + 60 * minutes
        self._save_every = save_every
        self._last, self._due = began, began + save_every

    def __call__(self, iteration: int, values: dict[str, np.ndarray], progress: Progress) -> bool:
        now = time.monotonic()
        steps = spent(self._experiment, iteration)
        values = {"steps": np.asarray(steps), **values}
        self._metrics.write(iteration, values)
        self._display.show(iteration, values)
        if now >= self._due:
            self._run.checkpoint(iteration, progress)
            self.saved, self._due = iteration, now + self._save_every
        # Stop before a chunk that would end after the deadline, not after it.
        took, self._last = now - self._last, now
        return self._interrupt.requested or now + took > self._deadline


def recipe_of(run: Run) -> Recipe:
    """What a run was made from."""
    return written.read(Recipe, run.manifest()["recipe"])


def load(run: Run, recipe: Recipe) -> tuple[int, AbstractAgent]:
    """The agent of a run's newest checkpoint, and its iteration.

    Raises:
        CheckpointError: there is none, or it is damaged or of another experiment.
    """
    with hosted(recipe) as (experiment, _):
        like = jax.eval_shape(lambda key: begin(experiment, key=key), jr.key(0)).learner
        # The rest is as the devices were on which it was saved, and an agent needs none of it.
        iteration, learner = run.restore(like, part=".learner")
        return iteration, experiment.agent(learner)


def _create(out: Path, recipe: Recipe, experiment: Experiment) -> Run:
    record: dict[str, Any] = manifest(experiment, recipe.seed)
    return Run.create(out, {"recipe": written.write(recipe), **record})


def _open(out: Path, recipe: Recipe) -> Run:
    run = Run.open(out)
    if recipe_of(run) != recipe:
        raise CheckpointError(
            f"{out} holds a run of another recipe. Resume it as it was begun: "
            f"`meadow train --resume {out}`."
        )
    return run
