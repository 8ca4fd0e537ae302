"""Agents and their parts beside the best peers: `make bench-agents`.

    make bench-agents                   make bench-agents ARGS="--only replay_sample --rounds 30"

    compiled_ppo   a cart-pole in one program with PPO, of the peer's sizes; beside rejax
    compiled_dqn   the same with DQN and its store; beside rejax, and rejax with a faster ring
    host_ppo       8 of Gymnasium's CartPole-v1 in this process; beside stable-baselines3
    host_sac       Gymnasium's Pendulum-v1, one update for every step; beside stable-baselines3
    replay_insert  1, 8 and 64 rows put into a store of 1e5 and 1e6, uniform and prioritised, and
                   8 rows with two frames of 84x84 bytes into one of 1e4; beside flashbax
    replay_sample  256 rows drawn from these stores, the prioritised ones told new priorities

A unit is an environment step that was lived and learnt from, or one call of the store. A row is one
or several cases (`compiled_case.py`, `host_case.py` and `replay_case.py` say what each is, and what
is equal on both sides). A case's ratio is the median over rounds of the faster peer's time divided
by ours in the same round; a row's ratio is the least of its cases'. Frames are shown and do not
count: how fast a memory copies them is nobody's merit. The sides take turns, in an order that
changes from round to round, on one processor core (`--cores 0` for all there are). The last line is
one JSON object; a row whose peer is not installed is left out.
"""

import functools
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import compiled_case
import host_case
import replay_case
import tyro
from bench_env import begin_on, machine, spread

RESULTS = Path(__file__).parent / "results"
OURS = "meadow"


class Side(Protocol):
    """What is timed of a side: `run` does `units` of the work."""

    units: float

    def run(self) -> None: ...


class Spent(NamedTuple):
    """On one unit: by the clock, and of all cores together."""

    seconds: float
    core_seconds: float


Times = dict[str, list[Spent]]
"""Of each side, in each round."""


class Case(NamedTuple):
    """One comparison; sides are made when it is their turn, and then forgotten."""

    name: str
    sides: Mapping[str, Callable[[], Side]]  # ours first
    counts: bool = True
    floor: str | None = None  # a side that is no peer: what none can undercut


def replay(what: str) -> Iterator[Case]:
    for case in replay_case.cases(what):
        makes = {OURS: replay_case.meadow, "flashbax": replay_case.flashbax}
        yield Case(case.name, made(makes, case), counts=case.seen != replay_case.FRAME)


def compiled_ppo() -> Iterator[Case]:
    for case in compiled_case.PPO_CASES:
        makes = {OURS: compiled_case.meadow_ppo, "rejax": compiled_case.rejax_ppo}
        yield Case(case.name, made(makes, case))


def compiled_dqn() -> Iterator[Case]:
    for case in compiled_case.DQN_CASES:
        makes = {OURS: compiled_case.meadow_dqn, "rejax": compiled_case.rejax_dqn}
        makes["rejax drawing as we do"] = compiled_case.rejax_dqn_drawing
        yield Case(case.name, made(makes, case))


def host_ppo() -> Iterator[Case]:
    makes = {OURS: host_case.meadow_ppo, "stable-baselines3": host_case.sb3_ppo}
    yield Case("ppo, CartPole-v1, 8 environments", makes)


def host_sac() -> Iterator[Case]:
    makes = {OURS: host_case.meadow_sac, "stable-baselines3": host_case.sb3_sac}
    makes[host_case.BARE] = host_case.bare_sac
    yield Case("sac, Pendulum-v1", makes, floor=host_case.BARE)


def made(makes: Mapping[str, Callable[..., Any]], case: Any) -> dict[str, Callable[[], Side]]:
    return {side: functools.partial(make, case) for side, make in makes.items()}


Row = Literal[
    "compiled_ppo", "compiled_dqn", "host_ppo", "host_sac", "replay_insert", "replay_sample"
]
# A row: the module of its peer, and its cases.
ROWS: dict[Row, tuple[str, Callable[[], Iterator[Case]]]] = {
    "compiled_ppo": ("rejax", compiled_ppo),
    "compiled_dqn": ("rejax", compiled_dqn),
    "host_ppo": ("stable_baselines3", host_ppo),
    "host_sac": ("stable_baselines3", host_sac),
    "replay_insert": ("flashbax", lambda: replay("insert")),
    "replay_sample": ("flashbax", lambda: replay("sample")),
}


def measure(case: Case, rounds: int) -> Times:
    """Each round after one to warm up."""
    sides = {side: make() for side, make in case.sides.items()}
    times: Times = {side: [] for side in sides}
    for i in range(rounds + 1):
        for side in list(sides) if i % 2 else list(sides)[::-1]:
            begun = time.perf_counter(), time.process_time()
            sides[side].run()
            ended = time.perf_counter(), time.process_time()
            if i:
                spent = (b - a for a, b in zip(begun, ended, strict=True))
                times[side].append(Spent(*(x / sides[side].units for x in spent)))
    return times


def summary(case: Case, times: Times) -> dict[str, Any]:
    """What each side spent, and the ratio of the faster peer."""
    seconds = {side: [spent.seconds for spent in found] for side, found in times.items()}
    core = {side: [spent.core_seconds for spent in found] for side, found in times.items()}
    peers = sorted(times.keys() - {OURS, case.floor}, key=lambda x: statistics.median(seconds[x]))
    pairs = zip(seconds[OURS], seconds[peers[0]], strict=True)
    return {
        "seconds": {side: spread(found) for side, found in seconds.items()},
        "core_seconds": {side: spread(found) for side, found in core.items()},
        "faster_peer": peers[0],
        "ratio": spread([b / a for a, b in pairs]),
        "counts": case.counts,
        "rounds": seconds,
    }


def report(name: str, result: dict[str, Any]) -> None:
    """A line for people."""
    seconds = {side: found["median"] for side, found in result["seconds"].items()}
    took = ", ".join(f"{side} {1e6 * spent:,.1f} us" for side, spent in seconds.items())
    ratio = "{median:.2f} ({min:.2f} to {max:.2f})".format(**result["ratio"])
    print(f"{name:36} {took:44} ratio {ratio}", flush=True)


def report_core(case: Case, result: dict[str, Any]) -> None:
    """A line for people, on what a unit costs beyond what it must."""
    core = {side: found["median"] for side, found in result["core_seconds"].items()}
    took = ", ".join(f"{side} {1e3 * spent:.2f}" for side, spent in core.items())
    beyond = core[OURS] / core[case.floor or OURS] - 1
    print(f"{'':36} core-milliseconds: {took}; {beyond:.0%} beyond the {case.floor}", flush=True)


def line(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What matters, in one line."""
    least = {
        row: min(result["ratio"]["median"] for result in cases.values() if result["counts"])
        for row, cases in results.items()
    }
    return {"ratios": {row: round(ratio, 2) for row, ratio in least.items()}}


def main(
    only: tuple[Row, ...] = tuple(ROWS), rounds: int = 9, cores: int = 1, save: bool = False
) -> None:
    """Compare all sides.

    Args:
        only: which rows.
        rounds: timed calls of each case and side.
        cores: so many processor cores for every side; 0 for all.
        save: also write everything to benchmarks/results/bench_agents.json.
    """
    begin_on(cores)
    where, results, begun = machine(), {}, time.perf_counter()
    print(", ".join(f"{key} {value}" for key, value in where.items()), flush=True)
    for row in only:
        peer, cases = ROWS[row]
        if importlib.util.find_spec(peer) is None:
            print(f"{row}: {peer} is not installed")
            continue
        results[row] = {}
        for case in cases():
            results[row][case.name] = summary(case, measure(case, rounds))
            report(case.name, results[row][case.name])
            if case.floor is not None:
                report_core(case, results[row][case.name])
    if save:
        RESULTS.mkdir(parents=True, exist_ok=True)
        kept = {"machine": where, "rows": results}
        (RESULTS / "bench_agents.json").write_text(json.dumps(kept, indent=2) + "\n")
        print(f"saved {RESULTS / 'bench_agents.json'}")
    print(f"{time.perf_counter() - begun:.0f} s in all")
    print(json.dumps(line(results)))


if __name__ == "__main__":
    tyro.cli(main)
