"""A step over a list of 200 numbers, and their sum: whole processes, the first run and all of it once more.

    python bench/fan_out.py [--items 200] [--repeat 3] [--peers]

In Noria each item is isolated in a worker, recorded, and its result kept. Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from contenders import Contender, contenders
from measuring import Figure, clocked, compiled, options, report, repository, took
from noop_steps import versions

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
    with ExitStack() as servers:
        beside = {one.name: servers.enter_context(one.beside(folder / one.name)) for one in found}
        for turn in range(rounds):
            for one in found:
                if one.slow and turn >= slow_rounds:
                    continue
                root = repository(folder / f"{one.name}-{turn}", one.fan(items))
                given = {**one.variables, **beside[one.name]}
                for command in one.prepare:
                    took(command, root, given)
                for kind, command in (("first", one.first), ("again", one.again)):
                    if command is not None:
                        seconds = took(command, root, given)
                        kinds[kind][0].add(one.name, seconds.wall)
                        kinds[kind][1].add(one.name, seconds.cpu)
    return [figure for pair in kinds.values() for figure in pair]


if __name__ == "__main__":
    raise SystemExit(main())
