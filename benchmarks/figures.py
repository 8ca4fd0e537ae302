"""Figures: each row is a claim, lived by several seeds and drawn.

    python benchmarks/figures.py ued paired adversary     # these rows, of environment design
    python benchmarks/figures.py ued --list
    python benchmarks/figures.py ued sfl --redraw         # from the numbers that are there
    python benchmarks/figures.py agents dqn sac           # of agents

A row takes up to half an hour on two cores. It writes benchmarks/results/WHAT/ROW.png and ROW.json
(curves of every seed, what was found with intervals, and whether it passes) and prints its verdict
as a line of JSON.
"""

import argparse
import importlib
import sys

from curves import Figures

FILES = {
    "ued": {
        "dr": "rows_mazes",
        "plr_machinery": "rows_mazes",
        "scores": "rows_scores",
        "sfl": "rows_mazes",
        "accel_grows": "rows_mazes",
        "accel_weak": "rows_mazes",
        "parallel": "rows_mazes",
        "replacement": "rows_mazes",
        "ncc": "rows_mazes",
        "rules": "rows_rules",
        "numbers": "rows_numbers",
        "paired": "rows_teachers",
        "adversary": "rows_teachers",
        "population": "rows_teachers",
    },
    "agents": {
        "dqn": "rows_online",
        "dqn_prioritised": "rows_online",
        "c51": "rows_online",
        "qr_dqn": "rows_online",
        "munchausen": "rows_online",
        "r2d2": "rows_online",
        "rnd": "rows_online",
        "ppo": "rows_online",
        "ppo_continuous": "rows_online",
        "impala": "rows_online",
        "sac": "rows_online",
        "td3": "rows_online",
        "d4pg": "rows_online",
        "mpo": "rows_online",
        "dmpo": "rows_online",
        "bc": "rows_offline",
        "td3_bc": "rows_offline",
        "crr": "rows_offline",
        "iql": "rows_offline",
        "cql": "rows_offline",
        "offline_ordering": "rows_offline",
        "ail": "rows_imitation",
        "d4pg_control": "rows_control",
        "dqn_atari": "rows_control",
        "sac_control": "rows_control",
    },
}
"""Rows of what, and the file each is in."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=FILES, help="which figures")
    parser.add_argument("rows", nargs="*", help="which of them; all when none is named")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--redraw", action="store_true", help="live nothing, draw again")
    given = parser.parse_args()
    files = FILES[given.what]
    unknown = [row for row in given.rows if row not in files]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(files)}")
    for row in given.rows or files:
        if given.redraw:
            Figures(given.what).redraw(row)
            continue
        make = getattr(importlib.import_module(f"{given.what}.{files[row]}"), row)
        if given.list:
            print(f"{row:14} {make.__doc__.splitlines()[0]}")
            continue
        print(f"--- {row}", file=sys.stderr, flush=True)
        make()


if __name__ == "__main__":
    main()
