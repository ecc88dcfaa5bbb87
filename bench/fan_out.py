"""A step over a list of 200 items, gathered again: whole processes of `noria run`, each item isolated in a worker,
recorded, and its result kept.

    python bench/fan_out.py [--items 200] [--repeat 3]

Prints JSON: seconds of a first run and of one where every item is cached, and milliseconds an item beyond a run of two
items. Ends with 1 when a limit is broken, which stderr names.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {"first": 2.0, "cached": 1.2}  # s, whole process, of 200 items on 2 cores
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false")
PIPELINE = """
import noria

fan = noria.Pipeline("fan")

@fan.step
def numbers(*, salt: int = 0):
    return [salt + n for n in range(ITEMS)]

@fan.step
def squared(numbers: noria.Each[int]):
    return {"square": numbers * numbers}

@fan.step
def total(squared):
    return sum(one["square"] for one in squared)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        few = measure(project(Path(folder, "few"), 2), asked.repeat)
        many = measure(project(Path(folder, "many"), asked.items), asked.repeat)
    best = {kind: min(times) for kind, times in many.items()}
    result = {
        "bench": "fan_out",
        "items": asked.items,
        "seconds": {kind: [round(one, 3) for one in times] for kind, times in many.items()},
        "ms_per_item": {
            kind: round(1e3 * (min(times) - min(few[kind])) / (asked.items - 2), 3)
            for kind, times in many.items()
        },
        "limits": LIMITS,
    }
    print(json.dumps(result, indent=2))
    broken = [
        f"{kind}: {best[kind]:.2f} s, limit {limit} s" for kind, limit in LIMITS.items() if best[kind] > limit
    ]
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    return 1 if broken else 0


def project(folder: Path, items: int) -> Path:
    folder.mkdir()
    (folder / "pipeline.py").write_text(PIPELINE.replace("ITEMS", str(items)))
    (folder / "noria.toml").write_text('[model.fan]\npipeline = "pipeline:fan"\n')
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "bench"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True)
    return folder


def measure(folder: Path, repeat: int) -> dict[str, list[float]]:
    """Seconds of first runs, each with new items, and of the same runs once more."""
    times: dict[str, list[float]] = {"first": [], "cached": []}
    for turn in range(repeat):
        for kind in times:
            started = time.perf_counter()
            command = [
                sys.executable,
                "-m",
                "noria",
                "run",
                "--quiet",
                "--set",
                f"numbers.salt={1000 * turn}",
            ]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            times[kind].append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    sys.exit(main())
