"""Behaviour: an agent of ours lives bsuite's experiments, and bsuite scores it.

References: Osband et al., Behaviour Suite for Reinforcement Learning, 2020.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax.random as jr
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from meadow.agents.ppo import PPO
from meadow.core.errors import MeadowError, UnknownNameError
from meadow.loops.inline import Inline
from meadow.recipes.recipe import Recipe, scheduled
from meadow.runs import atomic
from meadow.runs.radar import radar

# One of each experiment but those that need MNIST, which would have to be fetched, and the two that
# repeat a cart-pole of a thousand steps with noise and other scales.
SETTINGS = (
    "bandit/0",
    "bandit_noise/0",
    "bandit_scale/0",
    "catch/0",
    "catch_noise/0",
    "catch_scale/0",
    "cartpole/0",
    "mountain_car/0",
    "deep_sea/0",
    "discounting_chain/0",
    "umbrella_length/0",
    "umbrella_distract/0",
    "memory_len/0",
    "memory_size/0",
)


_STEPS = 500  # between two looks at how many episodes are done


@dataclasses.dataclass(frozen=True)
class Scored:
    """What bsuite made of one setting.

    Attributes:
        setting: such as catch/0.
        score: between 0 and 1.
        tags: what it is about.
        episodes: lived, of as many as the experiment has.
    """

    setting: str
    score: float
    tags: tuple[str, ...]
    episodes: int
    whole: int


def sweep(
    recipe: Recipe,
    out: Path,
    settings: Sequence[str] = SETTINGS,
    *,
    share: float = 1.0,
    told: Callable[[Scored], None] = lambda scored: None,
) -> list[Scored]:
    """Live every setting, each with an agent of its own, and score it.

    What bsuite records stays in `out`, beside `scores.json` and `radar.png`.

    Args:
        share: of an experiment's episodes, for a first look; scores are then lower.
        told: hears of each as it is done.

    Raises:
        UnknownNameError: there is no such setting.
        MeadowError: bsuite is not installed.
    """
    known = _known()
    for setting in settings:
        if setting not in known:
            raise UnknownNameError("setting of bsuite", setting, known)
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for setting in settings:
        episodes = max(1, int(share * known[setting]))
        _live(recipe, setting, episodes, out)
        found.append(_scored(setting, episodes, known[setting], out))
        told(found[-1])
    rows = [dataclasses.asdict(scored) for scored in found]
    atomic.write(out / "scores.json", (json.dumps(rows, indent=1) + "\n").encode())
    _drawn(found, out / "radar.png")
    return found


def by_tag(found: Sequence[Scored]) -> dict[str, float]:
    """The mean score of every tag, as bsuite's own summary has it."""
    tags = sorted({tag for scored in found for tag in scored.tags})
    return {tag: float(np.mean([s.score for s in found if tag in s.tags])) for tag in tags}


def _drawn(found: Sequence[Scored], path: Path) -> None:
    """The radar, where there are tags enough for one."""
    tags = by_tag(found)
    if len(tags) >= 3:
        radar({"agent": tags}, path, title="bsuite: score by what is asked")


def table(found: Sequence[Scored]) -> Table:
    """For a terminal."""
    shown = Table(box=SIMPLE_HEAD)
    for name in ("setting", "score", "episodes", "about"):
        shown.add_column(name, justify="right" if name in ("score", "episodes") else "left")
    for scored in found:
        lived = f"{scored.episodes:,} of {scored.whole:,}"
        shown.add_row(scored.setting, f"{scored.score:.2f}", lived, ", ".join(scored.tags))
    return shown


def _known() -> dict[str, int]:
    """Episodes of every setting."""
    try:
        from bsuite import sweep as suite
    except ImportError as error:
        raise MeadowError(
            f"The Behaviour Suite is not installed ({error}). Install it: "
            "`pip install '.[bsuite]'` in Meadow's folder."
        ) from error
    return dict(suite.EPISODES)


def _live(recipe: Recipe, setting: str, episodes: int, out: Path) -> None:
    """So many episodes of a setting, or a few more, in a single life."""
    from meadow.interop.host.named import host

    options = {"save_path": str(out)}
    recipe = _alone(recipe)
    with host(f"bsuite:{setting}", 1, recipe.seed, options=options) as programs:
        inside = recipe.elsewhere(f"bsuite:{setting}")
        experiment = dataclasses.replace(inside, environment=programs.environment).experiment()
        # How many steps the episodes will have nobody knows, so no rate falls towards their end.
        learner = scheduled(experiment.learner, None)
        placement, done = Inline(dataclasses.replace(experiment, learner=learner), programs), 0.0
        progress = placement.begin(key=jr.key(recipe.seed))
        each = recipe.length
        chunk = max(1, _STEPS // each)
        while done < episodes:
            progress, metrics = placement.run(progress, chunk)
            length = float(metrics["length"])
            done += chunk * each / length if np.isfinite(length) else 0.0


def _alone(recipe: Recipe) -> Recipe:
    """A single life, of which alone bsuite keeps the record; where chunks are learnt from as they
    come, as long a one as all of the recipe's."""
    learner: Any = recipe.learner
    if isinstance(learner, PPO) and learner.stretch is None:
        learner = dataclasses.replace(learner, stretch=recipe.length)  # dealt as the lives were
    times = recipe.lives if recipe.rehearsal is None else 1
    return dataclasses.replace(recipe, learner=learner, lives=1, length=times * recipe.length)


def _scored(setting: str, episodes: int, whole: int, out: Path) -> Scored:
    """bsuite's own score of what it recorded."""
    from bsuite.experiments import summary_analysis
    from bsuite.logging import csv_load

    frame, _ = csv_load.load_bsuite(str(out))
    one: Any = frame[frame.bsuite_id == setting]
    with _older_pandas():
        row = summary_analysis.bsuite_score(one).iloc[0]
    tags = tuple(summary_analysis.BSUITE_INFO[row.bsuite_env].tags)
    return Scored(setting, float(row.score), tags, episodes, whole)


@contextlib.contextmanager
def _older_pandas() -> Iterator[None]:
    """bsuite's score of the deep sea asks series to `append`, which they could before pandas 2."""
    import pandas

    series: Any = pandas.Series
    if mended := not hasattr(series, "append"):
        series.append = lambda self, other: pandas.concat([self, other])
    try:
        yield
    finally:
        if mended:
            del series.append
