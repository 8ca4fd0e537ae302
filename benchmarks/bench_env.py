"""Environment steps per second, Meadow and xminigrid in turn in one process.

    make bench-env                      make bench-env ARGS="--save --cores 0"

A random policy acts in 64 to 8,192 environments; episodes that end begin again within the same
program (Meadow's rollout, the peer's `GymAutoResetWrapper`). Both sides have the same published
tasks, one for each environment, on the same map, with the same view and time limit, and begin in
the middle of episodes, their ages spread evenly, so that endings come at their usual rate. Both
compute every observation. Counted are steps of all environments: a reset is not a step.

Compiled once for each side and case, then timed in pairs, one side after the other, the order of
sides and of cases changing from round to round. A ratio is the median over the rounds of the
peer's time divided by ours in the same round. Both sides have one processor core, for the question
is what a step costs: on several the compiler splits the peer's large operations, while ours are too
small to be worth it (`--cores 0` for all there are).

Compile seconds (tracing and compiling) and bytes of memory (arguments, results and the most that a
program needs beside them) are summed over the cases. `native` is the floor: the same work in a C
loop on one core, one environment at a time, where there is a C compiler (`native_step.c`). The last
line is one JSON object.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import native
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

RESULTS = Path(__file__).parent / "results"
SIDES = ("meadow", "xminigrid")


class Case(NamedTuple):
    layout: str
    size: int
    tasks: str  # a published set
    num: int  # environments
    steps: int  # in one timed call

    @property
    def name(self) -> str:
        slots = CONFIGS[self.tasks].num_rules
        return f"{self.layout}-{self.size}x{self.size}/{slots}/{self.num}"


CASES = (
    Case("R1", 9, "trivial", 1024, 512),
    Case("R1", 9, "medium", 1024, 64),
    Case("R4", 13, "medium", 64, 512),
    Case("R4", 13, "medium", 1024, 64),
    Case("R4", 13, "medium", 8192, 8),
    Case("R4", 13, "high", 1024, 32),
    Case("R9", 25, "high", 1024, 16),
)


class Program(NamedTuple):
    """A compiled rollout: tasks, where things stand and keys to where they stand afterwards."""

    run: Callable[[Any, Any, jax.Array], tuple[Any, jax.Array]]
    tasks: Any
    start: Any
    compile_seconds: float
    bytes: int


def compiled(run: Callable, case: Case, tasks: Any, start: Any) -> Program:
    keys = jr.split(jr.key(0), case.steps)
    begun = time.perf_counter()
    program = jax.jit(run).lower(tasks, start, keys).compile()
    seconds = time.perf_counter() - begun
    needs = program.memory_analysis()
    size = needs.argument_size_in_bytes + needs.output_size_in_bytes + needs.temp_size_in_bytes
    return Program(program, tasks, start, seconds, size)


def meadow(case: Case, tasks: GridTask) -> Program:
    environment = XLand(case.layout, case.size, case.size)
    agent = Random(environment.action_spec)
    living = Living(environment, Trial(episodes=2**30))  # the same task for ever, like the peer

    def run(tasks: GridTask, life: Any, keys: jax.Array) -> tuple[Any, jax.Array]:
        def step(life: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            life, moment = living.live(agent, life, None, key=key)  # no next task: it never ends
            return life, moment.next.reward.sum()

        return jax.lax.scan(step, life, keys)

    life = unborn(environment, agent, tasks)
    life = revive(environment, life, tasks, keys=life.keys(jr.key(1)))
    return compiled(run, case, tasks, eqx.tree_at(lambda life: life.state.step, life, ages(case)))


def xminigrid(case: Case, tasks: GridTask) -> Program:
    goal, rules, objects = map(jnp.asarray, to_raw(tasks))
    environment = GymAutoResetWrapper(XLandMiniGrid())
    params = environment.default_params(
        grid_type=case.layout,
        height=case.size,
        width=case.size,
        ruleset=RuleSet(goal, rules, objects),
    )

    def run(params: Any, timestep: Any, keys: jax.Array) -> tuple[Any, jax.Array]:
        def step(timestep: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            action = jr.randint(key, (case.num,), 0, 6)
            timestep = jax.vmap(environment.step)(params, timestep, action)
            return timestep, timestep.reward.sum()

        return jax.lax.scan(step, timestep, keys)

    timestep = jax.jit(jax.vmap(environment.reset))(params, jr.split(jr.key(1), case.num))
    return compiled(
        run, case, params, timestep.replace(state=timestep.state.replace(step_num=ages(case)))
    )


def ages(case: Case) -> jax.Array:
    """Steps that each episode has behind it when the timing begins."""
    return jr.randint(jr.key(2), (case.num,), 0, 3 * case.size * case.size)


def seconds(program: Program, state: Any, keys: jax.Array) -> tuple[float, Any]:
    """How long one call takes, and where it leaves the environments."""
    begun = time.perf_counter()
    state, _ = jax.block_until_ready(program.run(program.tasks, state, keys))
    return time.perf_counter() - begun, state


def measure(programs: dict, rounds: int) -> dict[tuple[Case, str], list[float]]:
    """The seconds of every call after one to warm up, by case and side."""
    states = {which: program.start for which, program in programs.items()}
    times: dict[tuple[Case, str], list[float]] = {which: [] for which in programs}
    order = list(dict.fromkeys(case for case, _ in programs))
    for i in range(rounds + 1):
        for case in order[i % len(order) :] + order[: i % len(order)]:
            keys = jax.block_until_ready(jr.split(jr.key(i), case.steps))
            for side in SIDES if i % 2 else SIDES[::-1]:
                which = case, side
                spent, states[which] = seconds(programs[which], states[which], keys)
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
            "steps_per_second": case.num * case.steps / statistics.median(times[case, side]),
            "compile_seconds": programs[case, side].compile_seconds,
            "bytes": programs[case, side].bytes,
        }
        for side in SIDES
    }
    return {"steps": case.steps, "ratio": spread(pairs), **sides}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def begin_on(cores: int) -> None:
    """Run this program on so many processor cores; 0 for all there are."""
    if cores and cores < len(os.sched_getaffinity(0)):
        # Threads begin when JAX is imported: begin again, with fewer cores to begin them on.
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
        os.execv(sys.executable, [sys.executable, *sys.argv])


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


def floor(case: Case, rounds: int) -> float | None:
    """Steps per second of the native loop; None where it cannot be compiled."""
    loop = native.compiled()
    if loop is None:
        return None
    environment, tasks = XLand(case.layout, case.size, case.size), regenerate(case.tasks, case.num)
    native.check(loop, environment, jax.tree.map(lambda x: x[:256], tasks))
    state, _ = jax.vmap(lambda task, key: environment.reset(task, key=key))(
        tasks, jr.split(jr.key(1), case.num)
    )
    lives = native.Native(environment, tasks, eqx.tree_at(lambda s: s.step, state, ages(case)))
    times = [lives.run(loop, case.steps, seed + 1) for seed in range(rounds + 1)]
    return case.num * case.steps / statistics.median(times[1:])


def report(results: dict[str, dict[str, Any]]) -> None:
    """A table for people."""
    print(
        f"{'layout/rule slots/environments':32}{'side':11}{'steps/s':>14}{'compile':>10}  seconds"
    )
    for name, result in results.items():
        for side in SIDES:
            own = result[side]
            took = "{median:.4f} ({min:.4f} to {max:.4f})".format(**own["seconds"])
            rate, compiling = own["steps_per_second"], own["compile_seconds"]
            print(f"{name:32}{side:11}{rate:14,.0f}{compiling:8.1f} s  {took}")
        if result["native"]:
            print(f"{'':32}{'native':11}{result['native']:14,.0f}")
        print(" " * 32 + "ratio {median:.1f} ({min:.1f} to {max:.1f})".format(**result["ratio"]))


def line(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What matters, in one line."""

    def total(what: str) -> dict[str, float]:
        return {s: round(sum(r[s][what] for r in results.values()), 1) for s in SIDES}

    below = {
        name: round(r["native"] / r["meadow"]["steps_per_second"], 1)
        for name, r in results.items()
        if r["native"]
    }
    return {
        "ratios": {name: round(r["ratio"]["median"], 1) for name, r in results.items()},
        "compile_seconds": total("compile_seconds"),
        "megabytes": {side: round(size / 1e6, 1) for side, size in total("bytes").items()},
        "native_over_meadow": below,
    }


def main(
    rounds: int = 7,
    environments: tuple[int, ...] = (),
    cores: int = 1,
    save: bool = False,
) -> None:
    """Compare both sides.

    Args:
        rounds: timed calls of each side and case.
        environments: instead of the cases, R4-13x13 with medium tasks for each of these numbers
            of environments: how it scales on a large device.
        cores: so many processor cores for both sides; 0 for all.
        save: also write everything to benchmarks/results: bench_env.json for one core,
            bench_env_cores_N.json for several, bench_env_DEVICE.json for another device.
    """
    begin_on(cores)
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    cases = tuple(Case("R4", 13, "medium", num, 32) for num in environments) or CASES
    programs = {}
    for case in cases:
        tasks = regenerate(case.tasks, case.num)
        for side, build in zip(SIDES, (meadow, xminigrid), strict=True):
            programs[case, side] = build(case, tasks)
    times = measure(programs, rounds)

    results = {}
    for case in cases:
        results[case.name] = summary(case, times, programs) | {"native": floor(case, rounds)}
    report(results)
    if save:
        path = results_file(where["device"], where["cores"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": where, "cases": results}, indent=2) + "\n")
        print(f"saved {path}")
    print(json.dumps(line(results)))


def results_file(device: str, cores: int) -> Path:
    """Where the figures of this machine are kept."""
    other = "" if cores == 1 else f"_cores_{cores}"
    kind = other if device == "cpu" else "_" + device.lower().replace(" ", "_")
    return RESULTS / f"bench_env{kind}.json"


if __name__ == "__main__":
    tyro.cli(main)
