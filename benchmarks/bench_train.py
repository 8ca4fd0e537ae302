"""Training steps per second of recurrent PPO, ours and the peer's in turn: `make bench-train`.

A step is one step of one environment, acted and learnt from: acting, environment, resets,
advantages, backward passes and the optimiser are all inside. README.md says what is held equal.
The last line is one JSON object.
"""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import peer_ppo
import peer_scripts
import train_profile
import tyro
from bench_env import machine, spread
from jaxtyping import PyTree
from train_case import Case, experiment, living_at_random, stagger
from xminigrid.types import RuleSet

from meadow.loops.compiled import Compiled
from meadow.tasks.published import regenerate
from meadow.tasks.raw import to_raw

RESULTS = Path(__file__).parent / "results"
CASES = {
    "small": Case("R1", 9, "trivial", 64, 64, lives=1024, length=32, repeats=7),
    "default": Case("R4", 13, "medium", 1024, 256, lives=512, length=16, repeats=5),
}


@dataclasses.dataclass(frozen=True)
class Side:
    """One contestant, compiled and warm; `run` does one repeat and waits for it."""

    name: str
    parameters: int
    compile_seconds: float
    run: Callable[[], None]


def meadow(case: Case) -> Side:
    """Our recurrent PPO."""
    start = time.perf_counter()
    compiled = Compiled(experiment(case))
    progress = compiled.begin(key=jr.key(0))
    progress, _ = compiled.run(progress, 0)
    jax.block_until_ready(progress.learner)
    seconds = time.perf_counter() - start
    progress, _ = compiled.run(progress, 1)
    now = [progress._replace(life=stagger(compiled.experiment, progress.life))]

    def run() -> None:
        now[0], _ = compiled.run(now[0], case.updates)
        jax.block_until_ready(now[0].learner)

    return Side("meadow", count(progress.learner.network), seconds, run)


def environment_alone(case: Case) -> Side:
    """The environment steps of our training, with resets, the actions drawn at random."""
    live, life = living_at_random(case, case.length * case.updates)
    now = [life]

    def run() -> None:
        now[0], seen = live(now[0], jr.key(2))
        jax.block_until_ready(seen)

    return Side("environment alone", 0, 0.0, run)


def xminigrid(case: Case) -> Side:
    """The peer's recurrent PPO as `peer_ppo.py` restates it."""
    start = time.perf_counter()
    ppo = peer_ppo.PeerPPO(sizes(case), rulesets(case, case.lives))
    runner = jax.jit(ppo.begin)(jr.key(0))
    updates = jax.jit(ppo.updates, donate_argnums=0).lower(runner, jnp.int32(0)).compile()
    seconds = time.perf_counter() - start
    now = [jax.block_until_ready(updates(runner, jnp.int32(1)))]

    def run() -> None:
        now[0] = jax.block_until_ready(updates(now[0], jnp.int32(case.updates)))

    return Side("xminigrid", count(now[0].parameters), seconds, run)


def scripts(case: Case, path: Path) -> Side:
    """The peer's own scripts, from a checkout of its repository."""
    start = time.perf_counter()
    program = peer_scripts.program(path, sizes(case), rulesets(case, 4096), case.updates)
    seconds = time.perf_counter() - start
    program.run()
    return Side("xminigrid scripts", count(program.parameters), seconds, program.run)


def sizes(case: Case) -> peer_ppo.Sizes:
    """A case in the peer's words."""
    return peer_ppo.Sizes(
        f"XLand-MiniGrid-{case.layout}-{case.size}x{case.size}",
        *(case.memory, case.heads, case.lives, case.length, case.minibatches, case.epochs),
    )


@cache
def rulesets(case: Case, num: int) -> RuleSet:
    """The first tasks of the published set, as the peer writes them."""
    return RuleSet(*map(jnp.asarray, to_raw(regenerate(case.tasks, num))))


def count(parameters: PyTree) -> int:
    """Numbers in a tree."""
    return sum(x.size for x in jax.tree.leaves(eqx.filter(parameters, eqx.is_array)))


def interleave(sides: list[Side], repeats: int) -> dict[str, list[float]]:
    """Seconds of each side's repeats, all sides once before any is twice."""
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(repeats):
        for side in sides:
            start = time.perf_counter()
            side.run()
            seconds[side.name].append(time.perf_counter() - start)
    return seconds


def bench(name: str, case: Case, peer: Path | None) -> dict:
    """One case: print its table, return what is kept of it."""
    print(f"\n{name}: {case}", flush=True)
    sides = [meadow(case), environment_alone(case), xminigrid(case)]
    if peer is not None:
        sides.append(scripts(case, peer))
    seconds = interleave(sides, case.repeats)
    contestants = [side for side in sides if side.parameters]
    print(f"  {'side':18}{'steps/s':>10}{'compile':>11}{'parameters':>12}  seconds")
    for side in sides:
        took = spread(seconds[side.name])
        rest = f"{side.compile_seconds:9.1f} s{side.parameters:12,}" if side.parameters else ""
        times = "{median:.2f} ({min:.2f} to {max:.2f})".format(**took)
        print(f"  {side.name:18}{case.steps / took['median']:10,.0f}{rest:23}  {times}")
    ratios = {
        side.name: spread(paired(seconds, side.name, "meadow"))
        for side in contestants
        if side.name != "meadow"
    }
    share = spread(paired(seconds, "environment alone", "meadow"))
    for other, ratio in ratios.items():
        print("  {} / meadow {median:.2f} ({min:.2f} to {max:.2f})".format(other, **ratio))
    print(f"  of our time in the environment {share['median']:.1%}", flush=True)
    return {
        "case": dataclasses.asdict(case),
        "seconds": {side: spread(times) for side, times in seconds.items()},
        "steps_per_second": {
            side: round(case.steps / statistics.median(times)) for side, times in seconds.items()
        },
        "compile_seconds": {side.name: round(side.compile_seconds, 1) for side in contestants},
        "parameters": {side.name: side.parameters for side in contestants},
        "ratios": ratios,
        "env_fraction": share,
    }


def paired(seconds: dict[str, list[float]], above: str, below: str) -> list[float]:
    """The ratio of two sides in each round: what slows the machine slows both."""
    return [a / b for a, b in zip(seconds[above], seconds[below], strict=True)]


def main(
    cases: tuple[Literal["small", "default"], ...] = ("small", "default"),
    peer: Path | None = None,
    profile: bool = True,
    save: bool = False,
) -> None:
    """Compare both sides.

    Args:
        cases: which to run.
        peer: a checkout of xland-minigrid, whose own scripts then run too.
        profile: then measure where our time goes.
        save: also write everything to benchmarks/results/.
    """
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print("The peer's PPO is restated in peer_ppo.py (its scripts are in no package).")
    results = {name: bench(name, CASES[name], peer) for name in cases}
    profiles = {name: train_profile.measure(CASES[name]) for name in cases if profile}
    page = train_profile.page(profiles, {name: CASES[name] for name in cases}, where)
    print(f"\n{page}")
    if save:
        RESULTS.mkdir(parents=True, exist_ok=True)
        kept = {"machine": where, "cases": results}
        (RESULTS / "bench_train.json").write_text(json.dumps(kept, indent=2) + "\n")
        if profile:
            (RESULTS / "train_profile.md").write_text(page)
        print(f"saved in {RESULTS}")
    line = {
        "ratios": {n: round(r["ratios"]["xminigrid"]["median"], 2) for n, r in results.items()},
        "env_fraction": {n: round(r["env_fraction"]["median"], 4) for n, r in results.items()},
        "compile_seconds": {n: r["compile_seconds"] for n, r in results.items()},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    tyro.cli(main)
