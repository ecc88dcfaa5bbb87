"""What one more step costs: (T(40) - T(20)) / 20 of no-op steps in a chain, in whole processes of `noria run`.

    python bench/noop_steps.py [--repeat 5] [--profile]

Prints JSON: milliseconds a step on a first run and when everything is cached, by the clock and in CPU time (which a
busy machine leaves alone), the whole processes' seconds, and what this disk needs for one fsync, of which a first run
makes several a step. Runs alternate, so that a busy moment of the machine hits both sizes; the best of each counts.
Ends with 1 when a limit is broken, which stderr names.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL, LARGE = 20, 40
WALL, CPU = 0, 1
Times = dict[tuple[str, int], list[tuple[float, float]]]
LIMITS = {"first": 15.0, "cached": 1.0}  # ms a step that must hold
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=5, help="whole processes of each kind")
    parser.add_argument("--profile", action="store_true", help="also print where a cached run's time goes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder), asked.repeat)
        if asked.profile:
            profile(Path(folder, f"cached-{LARGE}"))
        took = {kind: round(per_step(times, kind, WALL), 3) for kind in LIMITS}
        result = {
            "bench": "noop_steps",
            "ms_per_step": took,
            "cpu_ms_per_step": {kind: round(per_step(times, kind, CPU), 3) for kind in LIMITS},
            "seconds": {
                f"{kind}_{size}": sorted(round(one[WALL], 3) for one in each)
                for (kind, size), each in times.items()
            },
            "fsync_ms": round(fsync(Path(folder)) * 1e3, 3),
            "limits_ms": LIMITS,
        }
    print(json.dumps(result, indent=2))
    broken = [
        f"{kind}: {took[kind]} ms a step, limit {limit} ms"
        for kind, limit in LIMITS.items()
        if took[kind] > limit
    ]
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    return 1 if broken else 0


def measure(folder: Path, repeat: int) -> Times:
    times: Times = {(kind, size): [] for kind in LIMITS for size in (SMALL, LARGE)}
    for size in (SMALL, LARGE):
        run(project(folder / f"cached-{size}", size))
    for turn in range(repeat):
        for size in (SMALL, LARGE):
            times["first", size].append(run(project(folder / f"first-{size}-{turn}", size)))
            times["cached", size].append(run(folder / f"cached-{size}"))
    return times


def per_step(times: Times, kind: str, clock: int) -> float:
    least = {size: min(one[clock] for one in times[kind, size]) for size in (SMALL, LARGE)}
    return (least[LARGE] - least[SMALL]) / (LARGE - SMALL) * 1e3


def project(root: Path, size: int) -> Path:
    """A repository with a chain of steps that do nothing; each one's result is its own, so each is stored."""
    root.mkdir()
    lines = ["import noria", "chain = noria.Pipeline('chain')", "@chain.step", "def s0():", "    return 0"]
    for number in range(1, size):
        lines += ["@chain.step", f"def s{number}(s{number - 1}):", f"    return s{number - 1} + 1"]
    (root / "pipeline.py").write_text("\n".join(lines) + "\n")
    (root / "noria.toml").write_text('[model.chain]\npipeline = "pipeline:chain"\n')
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "bench")):
        subprocess.run([*GIT, *words], cwd=root, check=True)
    return root


def run(root: Path) -> tuple[float, float]:
    """Seconds by the clock, and of CPU with the workers'."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "noria", "run"], cwd=root, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used


def fsync(folder: Path) -> float:
    """The median of some flushes of one byte."""
    times = []
    with (folder / "flushed").open("wb") as file:
        for _ in range(20):
            file.write(b".")
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def profile(root: Path) -> None:
    """The functions that a cached run spends its time in, on stderr."""
    script = (
        "import cProfile, sys; from noria.cli import main; cProfile.run('main([\"run\"])', sort='tottime')"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True
    )
    print("\n".join(said.stdout.splitlines()[:40]), file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
