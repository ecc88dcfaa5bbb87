"""Drift of columns: rows a second and memory, false alarms over many checks without drift, checks until drift is seen.

    python bench/drift.py [--peers] [--rows N] [--checks N] [--runs N]

Each watcher in a process and an environment of its own, asked by `contenders/drift.py` as its own documentation asks first.
Noria's bound on false alarms is over all checks together: 0.01, its default, and 0.05. A watcher that raises an alarm at a first
check without drift is soon right when there is drift: read the delays beside the false alarms. Slow peers get fewer rows and
runs (`PEERS`).
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import NORIA, Figure, options, report
from peers import python_of, said_by, versions

SCRIPT = Path(__file__).parent / "contenders" / "drift.py"
SHIFTS = (0.1, 0.3, 0.5)  # standard deviations
WITHIN = 20  # checks in which drift must be seen
NEVER = 2 * WITHIN  # what stands for one that was not
TABLE = 100_000  # rows
FASTEST = 4.2e6  # rows a CPU second: under 10 ns a value
LOOSER = f"{NORIA}, bound 0.05"
# Checks. Of 0.1 sd half of the runs hold no more evidence until then (docs/statistics/drift.md).
DELAYS = {0.1: 3.0, 0.3: 1.0, 0.5: 1.0}


@dataclass(frozen=True)
class Share:
    """What a peer does of the whole."""

    rows: float = 1.0
    runs: float = 1.0


PEERS = {
    "evidently": Share(rows=0.02, runs=0.02),
    "nannyml": Share(rows=0.2, runs=0.1),
    "alibi-detect": Share(rows=0.2),
    "river": Share(rows=0.05, runs=0.1),
}


def main() -> int:
    parser = options(__doc__, repeat=1, peers=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--checks", type=int, default=200, help="without drift, a run")
    parser.add_argument("--runs", type=int, default=100)
    asked = parser.parse_args()
    here = [name for name in PEERS if asked.peers and python_of(name)]
    figures = every_figure(asked.checks)
    for _ in range(asked.repeat):
        for who in (NORIA, LOOSER, *here):
            measure(who, PEERS.get(who, Share()), figures, asked)
            print(f"{who} is done", file=sys.stderr, flush=True)
    notes = ["", (__doc__ or "").split("\n\n")[2].replace("\n", " ")]
    return report("drift", figures, asked, versions=versions(here), notes=notes)


def every_figure(checks: int) -> list[Figure]:
    return [
        Figure("rows of 25 columns a CPU second", "a second", more=True, limit=FASTEST),
        Figure("memory beyond the rows, all at once", "MB"),
        Figure(f"the same, {TABLE:,} rows at a time, as a log's tables come", "MB"),
        # As many as there are, in half of the runs: none alarms.
        Figure("checks without drift until a false alarm", "checks", more=True, limit=float(checks)),
        Figure(f"runs of {checks} checks without drift that have a false alarm", "%"),
        *(
            figure
            for shift in SHIFTS
            for figure in (
                Figure(f"checks until a shift of {shift} sd is seen", "checks", limit=DELAYS[shift]),
                Figure(f"checks until a shift of {shift} sd is seen, mean", "checks"),
            )
        ),
    ]


def measure(who: str, share: Share, figures: list[Figure], asked: Any) -> None:
    fast, memory, by_table, quiet, false, *delays = figures
    found = ask(who, "speed", max(1_000, int(asked.rows * share.rows)))
    fast.add(who, found["rows"] / found["cpu"])
    memory.add(who, found["mb"])
    if who.startswith(NORIA):  # whose state goes on; a peer's check is of what it is given
        by_table.add(who, ask(who, "speed", asked.rows, TABLE)["mb"])
    runs = max(1, int(asked.runs * share.runs))
    alarms = ask(who, "checks", asked.checks, runs, 0.0)["first"]
    quiet.add(who, statistics.median(asked.checks if first is None else first for first in alarms))
    false.add(who, 100.0 * sum(each is not None for each in alarms) / runs)
    for shift, median, mean in zip(SHIFTS, delays[::2], delays[1::2], strict=True):
        first = ask(who, "checks", WITHIN, runs, shift)["first"]
        seen = [NEVER if each is None else each for each in first]
        median.add(who, statistics.median(seen))
        mean.add(who, statistics.mean(seen))


def ask(who: str, *words: object) -> Any:
    python = sys.executable if who.startswith(NORIA) else python_of(who)
    return json.loads(said_by([str(python), SCRIPT, who.lower(), *map(str, words)], Path.cwd()))


if __name__ == "__main__":
    raise SystemExit(main())
