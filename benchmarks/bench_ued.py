"""Environment design beside JaxUED and minimax: `make bench-ued`.

    make bench-ued                      make bench-ued ARGS="--only buffer_4000 --rounds 9"

All sides have the same mazes (13x13, 60 walls), the same network (an LSTM of 256), 32 environments
by 256 steps, five epochs of PPO and a full buffer of 4,000 levels; `ued_case.py` has every number.

    env_fresh_levels  steps under random actions, a new random level after every episode, with 32
                      and with 1,024 environments; the lesser ratio counts
    buffer_4000       32 levels put in, duplicates found, and 32 drawn
    metrics           walls, the way to the goal in cells and whether there is one, of 32 levels, as
                      minimax logs them in every cycle; beside it `solver`: the same in steps with
                      turns, which JaxUED has for tests
    cycle_dr          one cycle of uniform sampling: live, learn
    cycle_plr         half a cycle that looks at new levels, half a cycle that replays and learns
    cycle_accel       0.2 of the former, 0.8 of the latter with its mutants looked at besides

The kinds of cycle are timed apart, each always taking the same branch, and added up in these
shares, so no coin is part of the measurement. JaxUED's training is in no package: its cycles are
its own parts, put together again in `peer_jaxued.py`. minimax's are its own runners. Neither
measures levels within a cycle here, although minimax's settings do so.

A ratio is the median over rounds of the *faster* peer's time divided by ours in the same round; the
faster one is the one with the lesser median. The sides take turns, in an order that changes from
round to round, on one processor core (`--cores 0` for all there are). The last line is one JSON
object; a peer that is not installed is left out.
"""

import importlib
import json
import statistics
import time
from pathlib import Path
from typing import Any, Literal

import peer_mended
import tyro
from bench_env import begin_on, machine, spread
from ued_case import Case, Side

RESULTS = Path(__file__).parent / "results"
OURS, PEERS = "meadow", ("jaxued", "minimax")
MODULES = {"meadow": "ued_ours", "jaxued": "peer_jaxued", "minimax": "peer_minimax"}

Row = Literal["env_fresh_levels", "buffer_4000", "metrics", "cycle_dr", "cycle_plr", "cycle_accel"]
ROWS: tuple[Row, ...] = (
    *("env_fresh_levels", "buffer_4000", "metrics"),
    *("cycle_dr", "cycle_plr", "cycle_accel"),
)
# What a row is the sum of. Where a side replays and mutates in one call, that call is used.
Shares = dict[str, float]
SUMS: dict[str, Shares] = {
    "env_fresh_levels_32": {"env_32": 1},
    "env_fresh_levels_1024": {"env_1024": 1},
    "buffer_4000": {"buffer": 1},
    "metrics": {"metrics": 1},
    "solver": {"solver": 1},
    "cycle_dr": {"dr": 1},
    "cycle_plr": {"new": 0.5, "replay": 0.5},
    "cycle_accel": {"new": 0.2, "replay": 0.8, "mutate": 0.8},
}
ONE_CALL: Shares = {"new": 0.2, "replay_mutate": 0.8}
ENV = {32: 4096, 1024: 256}  # environments, and steps of one timed call: of ours 30 ms
# Repetitions of one timed call: enough for the clock, and no more.
BUFFER_TIMES, METRICS_TIMES = 8, {"meadow": 64, "jaxued": 16, "minimax": 1}

Times = dict[str, dict[str, list[float]]]  # side, piece, seconds of a unit in each round


def pieces(side: str, rows: tuple[Row, ...]) -> dict[str, Side]:
    """What is timed of a side, compiled."""
    module, case = importlib.import_module(MODULES[side]), Case()
    made: dict[str, Side] = {}
    if "env_fresh_levels" in rows:
        for lives, steps in ENV.items():
            made[f"env_{lives}"] = module.fresh_levels(case, lives, steps)
    if "buffer_4000" in rows:
        made["buffer"] = module.buffer(case, BUFFER_TIMES)
    if "metrics" in rows:
        for name in ("metrics", "solver"):
            if hasattr(module, name):
                made[name] = getattr(module, name)(case, METRICS_TIMES[side])
    kinds = tuple(row.removeprefix("cycle_") for row in rows if row.startswith("cycle_"))
    return made | (module.cycles(case, kinds) if kinds else {})


def measure(sides: dict[str, dict[str, Side]], rounds: int) -> Times:
    """Seconds of a unit, in each round after one to warm up."""
    times: Times = {side: {piece: [] for piece in made} for side, made in sides.items()}
    work = list(dict.fromkeys(piece for made in sides.values() for piece in made))
    for i in range(rounds + 1):
        order = list(sides) if i % 2 else list(sides)[::-1]
        for piece in work:
            for side in order:
                if piece in sides[side]:
                    begun = time.perf_counter()
                    sides[side][piece].run()
                    spent = time.perf_counter() - begun
                    if i:
                        times[side][piece].append(spent / sides[side][piece].units)
    return times


def total(times: dict[str, list[float]], name: str) -> list[float] | None:
    """A row's seconds in each round; None where a piece of it was not timed."""
    shares = SUMS[name]
    if name == "cycle_accel" and "replay_mutate" in times:
        shares = ONE_CALL
    if not shares.keys() <= times.keys():
        return None
    return [
        sum(share * seconds for share, seconds in zip(shares.values(), each, strict=True))
        for each in zip(*(times[piece] for piece in shares), strict=True)
    ]


def summary(times: Times, name: str) -> dict[str, Any] | None:
    """A row: seconds of each side, each peer's ratio to ours, and the faster peer's."""
    seconds = {side: total(pieces, name) for side, pieces in times.items()}
    seconds = {side: found for side, found in seconds.items() if found is not None}
    if OURS not in seconds or len(seconds) < 2:
        return None
    peers = sorted(seconds.keys() - {OURS}, key=lambda side: statistics.median(seconds[side]))
    ratios = {
        peer: spread([b / a for a, b in zip(seconds[OURS], seconds[peer], strict=True)])
        for peer in peers
    }
    return {
        "seconds": {side: spread(found) for side, found in seconds.items()},
        "per_second": {side: 1 / statistics.median(found) for side, found in seconds.items()},
        "ratios": ratios,
        "faster_peer": peers[0],
        "ratio": ratios[peers[0]],
    }


def line(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What matters, in one line: each row's lesser ratio to the faster peer."""
    ratios = {}
    for row in ROWS:
        found = [r["ratio"]["median"] for name, r in results.items() if name.startswith(row)]
        if found:
            ratios[row] = round(min(found), 2)
    return {"ratios": ratios}


def report(results: dict[str, dict[str, Any]]) -> None:
    """A table for people."""
    print(f"{'':24}{'side':10}{'per second':>14}{'ratio':>9}  seconds")
    for name, result in results.items():
        for side, rate in result["per_second"].items():
            took = "{median:.3g} ({min:.3g} to {max:.3g})".format(**result["seconds"][side])
            ratio = result["ratios"].get(side)
            times = f"{ratio['median']:9.2f}" if ratio else " " * 9
            print(f"{name:24}{side:10}{rate:14,.4g}{times}  {took}")


def main(only: tuple[Row, ...] = ROWS, rounds: int = 3, cores: int = 1, save: bool = False) -> None:
    """Compare all sides.

    Args:
        only: which rows.
        rounds: timed calls of each piece and side.
        cores: so many processor cores for every side; 0 for all.
        save: also write everything to benchmarks/results/bench_ued.json.
    """
    begin_on(cores)
    where = machine() | {peer: peer_mended.installed(peer) for peer in PEERS}
    print(", ".join(f"{key} {value}" for key, value in where.items()), flush=True)
    begun, sides = time.perf_counter(), {}
    for side in (OURS, *PEERS):
        if side == OURS or where[side]:
            sides[side] = pieces(side, only)
            print(f"{side} compiled after {time.perf_counter() - begun:.0f} s", flush=True)
    times = measure(sides, rounds)
    found = {name: summary(times, name) for name in SUMS}
    results = {name: result for name, result in found.items() if result}
    report(results)
    if save:
        compiling = {
            side: {piece: round(made.compile_seconds, 1) for piece, made in each.items()}
            for side, each in sides.items()
        }
        kept = {"machine": where, "case": Case()._asdict(), "rows": results}
        kept |= {"pieces": times, "compile_seconds": compiling, "rounds": rounds}
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "bench_ued.json").write_text(json.dumps(kept, indent=2) + "\n")
        print(f"saved {RESULTS / 'bench_ued.json'}")
    print(f"{time.perf_counter() - begun:.0f} s in all")
    print(json.dumps(line(results)))


if __name__ == "__main__":
    tyro.cli(main)
