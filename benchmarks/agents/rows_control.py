"""Rows: agents in other libraries' bodies, which are programs; `meadow train` as anyone runs it."""

import dataclasses
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import jax
import jax.random as jr
import numpy as np
from agents.case import FIGURES, SEEDS, SHOWN, Claim, Curves, recipe, show

from meadow.loops.inline import Inline
from meadow.recipes.agents import AGENTS, rehearsed
from meadow.recipes.looks import JUDGED
from meadow.recipes.train import hosted, train
from meadow.replay.replay import Replay
from meadow.rollout.host import AbstractHost


def learn(name: str) -> Curves:
    """Train with each seed in a process of its own: what the looks on the way found."""
    with ProcessPoolExecutor(SEEDS, mp_context=get_context("spawn")) as pool:
        seeds = list(pool.map(_trained, [name] * SEEDS, range(SHOWN, SHOWN + SEEDS)))
    curves = np.stack(seeds, axis=-1)
    names = ("steps", "return", "core_seconds")
    return {name: curves[:, i] for i, name in enumerate(names)}


def _trained(name: str, seed: int) -> np.ndarray:
    """`[looks, 3]`; of the core-seconds only the last, of the whole run, is known."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = train(dataclasses.replace(recipe(name), seed=seed), Path(folder) / "run").run
        lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    looks = [(line["steps"], line[JUDGED]) for line in lines if line.get(JUDGED) is not None]
    spent = time.process_time() - begun
    print(name, seed, [round(x) for _, x in looks], f"{spent:.0f} core-s", flush=True)
    return np.array([(*look, spent) for look in looks])


def row(name: str, claim: Claim) -> None:
    """Of one recipe."""
    show(name, claim, {name.upper().replace("_", " "): learn(name.replace("_", "-"))})


def d4pg_control() -> None:
    """D4PG in the Control Suite: cartpole-swingup in 200,000 steps."""
    published = {"cartpole-swingup after 0.3 million steps, Acme": 870}
    row("d4pg_control", Claim("D4PG swings a cart's pole up within 200,000 steps", 700, published))


def dqn_atari() -> None:
    """DQN on Pong: 2,000 steps of everything, every frame kept once; no score is asked of a CPU."""
    rehearsal = rehearsed(32, 0.25, 500, Replay(10_000, length=4, ends=500))
    chosen = dataclasses.replace(AGENTS["dqn-atari"][1], rehearsal=rehearsal)
    found = []
    with hosted(chosen) as (experiment, host):
        placement = Inline(experiment, cast(AbstractHost, host))
        progress = placement.begin(key=jr.key(SHOWN))
        for look in range(1, 11):
            begun = time.perf_counter()
            progress, metrics = placement.run(progress, 50)
            loss, spent = float(metrics["loss"]), time.perf_counter() - begun
            found.append((look * 50 * experiment.steps, loss, 50 * experiment.steps / spent))
    curves = dict(
        zip(("steps", "loss", "steps a second"), np.array(found).T[..., None], strict=True)
    )
    size = sum(x.nbytes for x in jax.tree.leaves(progress.store)) / 10_000
    late = curves["loss"][3:]
    verdict = {
        "found": {
            "bytes a step": size,
            "steps a second": float(curves["steps a second"][-5:].mean()),
        },
        "passes": {
            "every loss is finite": bool(np.isfinite(late).all()),
            "a step takes little more than a frame of 84x84": size < 1.2 * 84 * 84,
        },
    }
    panels = {"loss": ["loss"], "steps a second": ["steps a second"]}
    claim = "DQN learns from Atari's frames, each kept once"
    FIGURES.save("dqn_atari", claim, {"DQN": curves}, panels, verdict, along="steps")


def sac_control() -> None:
    """SAC in MuJoCo: HalfCheetah in 60,000 steps."""
    published = {"asked at 60,000 steps": 2500}
    claim = Claim("SAC runs as half a cheetah within 60,000 steps", 2500, published)
    row("sac_control", claim)
