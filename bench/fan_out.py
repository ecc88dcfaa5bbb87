"""A step over a list of 200 numbers, and their sum: whole processes, the first run and all of it once more.

    python bench/fan_out.py [--items 200] [--repeat 3] [--peers]

In Noria each item is isolated in a worker, recorded, and its result kept. Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from contenders import Contender, contenders
from measuring import Figure, clocked, compiled, options, report
from noop_steps import runs, versions

LIMITS = {"first": 2.0, "again": 1.2}  # s, whole process, of 200 items on 2 cores


def main() -> int:
    parser = options(__doc__, repeat=3, peers=True)
    parser.add_argument("--items", type=int, default=200)
    parser.set_defaults(peer_rounds=1)
    asked = parser.parse_args()
    compiled()
    found = contenders(asked.peers)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(found, Path(folder), asked.items, asked.repeat, asked.peer_rounds)
    return report("fan_out", figures, asked, versions=versions(found))


def measure(found: list[Contender], folder: Path, items: int, rounds: int, slow_rounds: int) -> list[Figure]:
    kinds = {
        "first": clocked(f"{items} items, first run", LIMITS["first"]),
        "again": clocked(f"{items} items, all reused", LIMITS["again"]),
    }
    for turn in range(rounds):
        for one in found:
            if not one.slow or turn < slow_rounds:
                with one.beside(folder / f"{one.name}-{turn}-server") as variables:
                    seconds = runs(one, folder / f"{one.name}-{turn}", one.fan(items), variables)
                for kind, spent in seconds.items():
                    kinds[kind][0].add(one.name, spent.wall)
                    kinds[kind][1].add(one.name, spent.cpu)
    return [figure for pair in kinds.values() for figure in pair]


if __name__ == "__main__":
    raise SystemExit(main())
