"""What the benches share: whole processes by the clock and in CPU seconds, taken in turns, and the report of them.

Others load a machine in waves. So who is compared is measured in turns, round by round; a ratio is taken within a
round, and the median of the rounds counts. CPU seconds stand beside the clock's, for a busy machine leaves them alone.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import noria

NORIA = "Noria"
OURS = ("PYTHON", "NORIA_", "GIT_")  # beginnings of variables that would change what is measured
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Took:
    """Seconds of a whole process: by the clock, and of CPU with those that it waited for."""

    wall: float
    cpu: float


@dataclass
class Figure:
    """One thing that was measured, a value a round, for each who takes part."""

    name: str
    unit: str
    values: dict[str, list[float]] = field(default_factory=dict)
    limit: float | None = None
    """What Noria's median must hold."""
    more: bool = False
    """Whether more is better."""

    def add(self, who: str, value: float) -> None:
        self.values.setdefault(who, []).append(value)

    def median(self, who: str) -> float:
        return statistics.median(self.values[who])

    def times(self, who: str) -> float | None:
        """How many times as good Noria is as the other: the median of the rounds that both were in."""
        ours, theirs = self.values.get(NORIA, []), self.values[who]
        ratios = [a / b if self.more else b / a for a, b in zip(ours, theirs, strict=False) if min(a, b) > 0]
        return statistics.median(ratios) if ratios and not who.startswith(NORIA) else None

    def broken(self) -> str | None:
        if self.limit is None or NORIA not in self.values:
            return None
        held = self.median(NORIA) >= self.limit if self.more else self.median(NORIA) <= self.limit
        shown = f"{said(self.median(NORIA), self.unit)}, limit {said(self.limit, self.unit)}"
        return None if held else f"{self.name}: {shown}"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "limit": self.limit,
            "more_is_better": self.more,
            "who": {
                who: {
                    "median": round(self.median(who), 5),
                    "least": round(min(each), 5),
                    "most": round(max(each), 5),
                    "rounds": len(each),
                    "noria_is_times_as_good": rounded(self.times(who)),
                }
                for who, each in self.values.items()
            },
        }


def options(description: str | None, *, repeat: int, peers: bool = False) -> argparse.ArgumentParser:
    """The words that each bench takes; a bench adds its own."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=repeat, metavar="N", help=f"rounds (default: {repeat})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the JSON there")
    if peers:
        parser.add_argument("--peers", action="store_true", help="beside the peers: see peers.py")
        parser.add_argument(
            "--peer-rounds", type=int, default=2, metavar="N", help="rounds of the slow peers (default: 2)"
        )
    return parser


def report(
    bench: str,
    figures: Sequence[Figure],
    asked: argparse.Namespace,
    *,
    versions: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> int:
    """JSON on stdout, a table and what is broken on stderr; the exit code is 1 when a limit is."""
    result = {
        "bench": bench,
        "machine": machine(),
        "versions": {NORIA: noria.__version__, **(versions or {})},
        "notes": list(notes),
        "figures": [figure.as_json() for figure in figures],
    }
    text = json.dumps(result, indent=2)
    print(text)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(text + "\n")
    print("\n".join(table(result)), file=sys.stderr)
    broken = [line for figure in figures if (line := figure.broken())]
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    return 1 if broken else 0


def table(result: Mapping[str, Any]) -> list[str]:
    """The figures as Markdown: a line a figure, a column for each who took part."""
    who = list(dict.fromkeys(name for figure in result["figures"] for name in figure["who"]))
    head = [_with_version(name, result["versions"]) for name in who]
    lines = [f"| | must hold | {' | '.join(head)} |", "| --- | --- |" + " ---: |" * len(who)]
    for figure in result["figures"]:
        cells = [_cell(figure, name) for name in who]
        limit = _bound(figure)
        lines.append(f"| {figure['name']} | {limit} | {' | '.join(cells)} |")
    return lines


def _with_version(name: str, versions: Mapping[str, str]) -> str:
    """`Kedro, workers` is `Kedro 1.7.0, workers`."""
    first, comma, rest = name.partition(",")
    return f"{first} {versions.get(first, '')}".strip() + comma + rest


def _cell(figure: Mapping[str, Any], who: str) -> str:
    if who not in figure["who"]:
        return ""
    found = figure["who"][who]
    told = found["median"] > 0 or figure["unit"] == "%"  # none of all is a share
    shown = said(found["median"], figure["unit"]) if told else "too little to tell"
    times = found["noria_is_times_as_good"]
    return f"**{shown}**" if who.startswith(NORIA) else shown if times is None else f"{shown} ({times:.3g} ×)"


def _bound(figure: Mapping[str, Any]) -> str:
    if figure["limit"] is None:
        return ""
    return f"{'≥' if figure['more_is_better'] else '≤'} {said(figure['limit'], figure['unit'])}"


def said(value: float, unit: str) -> str:
    """`0.482 s`, `123,000 points/s`"""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def clocked(name: str, limit: float | None = None) -> tuple[Figure, Figure]:
    """Two figures of one kind of process: by the clock, held to a limit, and of CPU."""
    return Figure(name, "s", limit=limit), Figure(f"{name}, CPU", "s")


def took(command: Sequence[str | Path], folder: Path, variables: Mapping[str, str] | None = None) -> Took:
    """A whole process; what it says is shown when it fails, and the bench fails with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=surroundings(folder, variables), capture_output=True, text=True
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        words = " ".join(map(str, command))
        raise SystemExit(
            f"{words} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def surroundings(folder: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """A plain environment, the same for all who take part: no settings of this user, nothing that switches bytecode
    off, and nobody who tells home that he was used."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    quiet = {"HOME": str(folder), "DO_NOT_TRACK": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    return {**kept, **quiet, **(variables or {})}


def compiled() -> None:
    """Bytecode of Noria, as an installed package has it: a checkout may be without, and then each process compiles
    anew what it imports."""
    compileall.compile_dir(Path(noria.__file__).parent, quiet=2)


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A project under git, with everything committed."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "bench"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True, env=surroundings(folder))
    return folder


def machine() -> dict[str, Any]:
    return {
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
    }


def cpu() -> str:
    """What the machine calls its processor."""
    place = Path("/proc/cpuinfo")
    lines = place.read_text().splitlines() if place.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def versions_of(names: Iterable[str]) -> dict[str, str]:
    return {name: metadata.version(name) for name in names}
