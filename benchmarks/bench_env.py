"""Environment steps per second, Meadow and xminigrid in turn in one process.

    make bench-env                      make bench-env ARGS="--save"

A random policy acts in 1,024 environments; episodes that end begin again within the same program
(Meadow's rollout, the peer's `GymAutoResetWrapper`). Both sides have the same published tasks, one
for each environment, on the same map, with the same view and time limit, and begin in the middle of
episodes, their ages spread evenly, so that endings come at their usual rate. Both compute every
observation. Counted are steps of all environments: a reset is not a step.

Compiled once for each side and case, then timed in pairs, one side after the other, the order of
sides and of cases changing from round to round. A ratio is the median over the rounds of the
peer's time divided by ours in the same round; compile seconds (tracing and compiling) are summed
over the cases. The last line is one JSON object.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import tyro
from xminigrid.envs.xland import XLandMiniGrid
from xminigrid.types import RuleSet
from xminigrid.wrappers import GymAutoResetWrapper

from meadow.agents.random import Random
from meadow.envs.xland.environment import XLand
from meadow.rollout.life import Trial, revive, unborn
from meadow.rollout.live import Living
from meadow.tasks.grid import GridTask
from meadow.tasks.published import CONFIGS, regenerate
from meadow.tasks.raw import to_raw

RESULTS = Path(__file__).parent / "results" / "bench_env.json"
NUM = 1024
SIDES = ("meadow", "xminigrid")


class Case(NamedTuple):
    layout: str
    size: int
    tasks: str  # a published set
    steps: int  # in one timed call

    @property
    def name(self) -> str:
        return f"{self.layout}-{self.size}x{self.size}/{CONFIGS[self.tasks].num_rules}/{NUM}"


CASES = (
    Case("R1", 9, "trivial", 512),
    Case("R1", 9, "medium", 64),
    Case("R4", 13, "medium", 32),
    Case("R4", 13, "high", 32),
)


class Program(NamedTuple):
    """A compiled rollout: tasks, where things stand and a key to where they stand afterwards."""

    run: Callable[[Any, Any, jax.Array], tuple[Any, jax.Array]]
    tasks: Any
    start: Any
    compile_seconds: float


def compiled(run: Callable, tasks: Any, start: Any) -> Program:
    begun = time.perf_counter()
    program = jax.jit(run).lower(tasks, start, jr.key(0)).compile()
    return Program(program, tasks, start, time.perf_counter() - begun)


def meadow(case: Case, tasks: GridTask) -> Program:
    environment = XLand(case.layout, case.size, case.size)
    agent = Random(environment.action_spec)
    living = Living(environment, Trial(episodes=2**30))  # the same task for ever, like the peer

    def run(tasks: GridTask, life: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        def step(life: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            life, moment = living.live(agent, life, None, key=key)  # no next task: it never ends
            return life, moment.next.reward.sum()

        return jax.lax.scan(step, life, jr.split(key, case.steps))

    life = revive(environment, unborn(environment, agent, tasks), tasks, key=jr.key(1))
    return compiled(run, tasks, eqx.tree_at(lambda life: life.state.step, life, ages(case)))


def xminigrid(case: Case, tasks: GridTask) -> Program:
    goal, rules, objects = map(jnp.asarray, to_raw(tasks))
    environment = GymAutoResetWrapper(XLandMiniGrid())
    params = environment.default_params(
        grid_type=case.layout,
        height=case.size,
        width=case.size,
        ruleset=RuleSet(goal, rules, objects),
    )

    def run(params: Any, timestep: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        def step(timestep: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            action = jr.randint(key, (NUM,), 0, 6)
            timestep = jax.vmap(environment.step)(params, timestep, action)
            return timestep, timestep.reward.sum()

        return jax.lax.scan(step, timestep, jr.split(key, case.steps))

    timestep = jax.jit(jax.vmap(environment.reset))(params, jr.split(jr.key(1), NUM))
    return compiled(
        run, params, timestep.replace(state=timestep.state.replace(step_num=ages(case)))
    )


def ages(case: Case) -> jax.Array:
    """Steps that each episode has behind it when the timing begins."""
    return jr.randint(jr.key(2), (NUM,), 0, 3 * case.size * case.size)


def seconds(program: Program, state: Any, key: jax.Array) -> tuple[float, Any]:
    """How long one call takes, and where it leaves the environments."""
    begun = time.perf_counter()
    state, reward = jax.block_until_ready(program.run(program.tasks, state, key))
    return time.perf_counter() - begun, state


def measure(programs: dict, rounds: int) -> dict[tuple[Case, str], list[float]]:
    """The seconds of every call after one to warm up, by case and side."""
    states = {which: program.start for which, program in programs.items()}
    times: dict[tuple[Case, str], list[float]] = {which: [] for which in programs}
    for i in range(rounds + 1):
        cases = CASES[i % len(CASES) :] + CASES[: i % len(CASES)]
        for case in cases:
            for side in SIDES if i % 2 else SIDES[::-1]:
                which = case, side
                spent, states[which] = seconds(programs[which], states[which], jr.key(i))
                if i:
                    times[which].append(spent)
    return times


def summary(case: Case, times: dict, programs: dict) -> dict[str, Any]:
    """Medians, extremes and steps per second of one case."""
    ours, theirs = (times[case, side] for side in SIDES)
    pairs = [b / a for a, b in zip(ours, theirs, strict=True)]
    sides = {
        side: {
            "seconds": spread(times[case, side]),
            "steps_per_second": NUM * case.steps / statistics.median(times[case, side]),
            "compile_seconds": programs[case, side].compile_seconds,
        }
        for side in SIDES
    }
    return {"steps": case.steps, "ratio": spread(pairs), **sides}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """Where the numbers were measured."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def main(rounds: int = 7, save: bool = False) -> None:
    """Compare both sides.

    Args:
        rounds: timed calls of each side and case.
        save: also write everything to benchmarks/results/bench_env.json.
    """
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    programs = {}
    for case in CASES:
        tasks = regenerate(case.tasks, NUM)
        for side, build in zip(SIDES, (meadow, xminigrid), strict=True):
            programs[case, side] = build(case, tasks)
    times = measure(programs, rounds)

    results = {case.name: summary(case, times, programs) for case in CASES}
    print(
        f"{'layout/rule slots/environments':32}{'side':11}{'steps/s':>14}{'compile':>10}  seconds"
    )
    for name, result in results.items():
        for side in SIDES:
            own = result[side]
            took = "{median:.4f} ({min:.4f} to {max:.4f})".format(**own["seconds"])
            rate, compiling = own["steps_per_second"], own["compile_seconds"]
            print(f"{name:32}{side:11}{rate:14,.0f}{compiling:8.1f} s  {took}")
        print(" " * 32 + "ratio {median:.1f} ({min:.1f} to {max:.1f})".format(**result["ratio"]))
    if save:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps({"machine": where, "cases": results}, indent=2) + "\n")
        print(f"saved {RESULTS}")
    ratios = {name: round(result["ratio"]["median"], 1) for name, result in results.items()}
    compiling = {s: round(sum(programs[c, s].compile_seconds for c in CASES), 1) for s in SIDES}
    print(json.dumps({"ratios": ratios, "compile_seconds": compiling}))


if __name__ == "__main__":
    tyro.cli(main)
