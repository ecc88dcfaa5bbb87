"""What it costs to begin: `noria --help` and `import noria` in fresh processes, beside a bare Python.

    python bench/startup.py [--repeat 15]

Prints JSON: medians of whole processes by the clock, in milliseconds, and the limits that must hold. Ends with 1 when
one is broken, which stderr names.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import_noria": [sys.executable, "-c", "import noria"],
    "noria_help": [sys.executable, "-m", "noria", "--help"],
}
LIMITS = {"import_noria": 100.0, "noria_help": 150.0}  # ms


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=15, help="whole processes of each kind, in turn")
    asked = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(asked.repeat):
        for name, command in COMMANDS.items():
            times[name].append(took(command))
    medians = {name: round(statistics.median(each) * 1e3, 1) for name, each in times.items()}
    print(json.dumps({"bench": "startup", "median_ms": medians, "limits_ms": LIMITS}, indent=2))
    broken = [
        f"{name}: {medians[name]} ms, limit {limit} ms"
        for name, limit in LIMITS.items()
        if medians[name] > limit
    ]
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    return 1 if broken else 0


def took(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
