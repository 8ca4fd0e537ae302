"""Rows: agents in other libraries' bodies, which are programs; `meadow train` as anyone runs it."""

import dataclasses
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from agents.case import SEEDS, SHOWN, Claim, Curves, recipe, show

from meadow.recipes.looks import JUDGED
from meadow.recipes.train import train


def learn(name: str) -> Curves:
    """Train with each seed, one after the other: what the looks on the way found."""
    seeds = [_trained(name, SHOWN + i) for i in range(SEEDS)]
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


def sac_control() -> None:
    """SAC in MuJoCo: HalfCheetah in 60,000 steps."""
    published = {"HalfCheetah after a million steps, Spinning Up's SAC": 11_000}
    claim = Claim("SAC runs as half a cheetah within 60,000 steps", 2500, published)
    row("sac_control", claim)
