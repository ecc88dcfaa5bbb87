"""A trained model behind HTTP: rows a server's CPU second, latency, cold start and memory, with answers held to the bit.

    python bench/serving.py [--models boosted lightgbm xgboost linear] [--seconds 3] [--repeat 3] [--peers]

Noria trains, registers and serves each model by its commands, with the prediction log on. Beside it, in the same rounds:
`bare`, a handler written by hand around the same compiled model without checks, log or counts, and with --peers FastAPI,
MLServer and BentoML around scikit-learn's own predict, the latter two with their batching. Client and server share the machine, so what counts is the server's CPU seconds, its workers' and its
keeper's together, and those in which the log becomes Parquet: these are measured after each load, over its rows alone, so
that none of them falls into another load. Every twentieth answer is read and held against the library's own: trees to the last bit, linear models
to 1e-12. Ends with 1 when a limit is broken or an answer is wrong.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peers
from asked_of import BENTOML, BY_HAND, FASTAPI, MLSERVER, NORIA_ARROW, NORIA_COLUMNS, NORIA_ROWS, Way
from asking import Load, ask, memory_mb, requests
from measuring import NORIA, Figure, compiled, options, report, repository, surroundings, took, versions_of
from started import Server, noria_server, script_server

from noria.adapters.log_writer import BIGGEST, LogWriter
from noria.ports.serving import Answered

MODELS = ("boosted", "lightgbm", "xgboost", "linear")
BARE = "bare handler"
PEERS = {  # server, how it is asked, and the models that it is measured with
    "FastAPI": ("fastapi_sklearn.py", FASTAPI, MODELS),
    "MLServer": ("mlserver_sklearn.py", MLSERVER, ("boosted", "linear")),
    "BentoML": ("bentoml_sklearn.py", BENTOML, ("boosted", "linear")),
}
FORMS = {
    NORIA_ROWS: "JSON",
    NORIA_COLUMNS: "tensors in JSON",
    NORIA_ARROW: "Arrow",
}  # how Noria is asked for many
CONNECTIONS = (1, 16, 64)
MANY = 256  # rows of a large request
TWICE = 2.0  # the best peer's rows a CPU second in large requests
LEAST = 10_000.0  # requests a CPU second, one row each, with many connections
HALF = 0.5  # of the bare handler's
FIRST = 2.0  # s to the first answer
MEMORY = 120.0  # MB of a worker
P50 = 0.5  # ms, one connection

PIPELINE = """
import noria
import numpy as np
import polars as pl
from sklearn.datasets import load_breast_cancer

tumours = noria.Pipeline("tumours")
FEATURES = [f"f{n}" for n in range(30)]


@tumours.data(key="id", label="malignant")
def rows() -> pl.DataFrame:
    found = load_breast_cancer()
    frame = pl.DataFrame(found.data, schema=FEATURES)
    return frame.with_columns(id=pl.format("r{}", pl.int_range(pl.len())), malignant=pl.Series(found.target))


@tumours.step
def classifier(rows: pl.DataFrame):
    MODEL
    return model.fit(rows.select(FEATURES).to_numpy(), rows["malignant"].to_numpy())


@tumours.predict
def malignant(classifier, rows: pl.DataFrame) -> np.ndarray:
    return classifier.predict_proba(rows.select(FEATURES).to_numpy())[:, 1]
"""
MADE = {
    "boosted": """from sklearn.ensemble import HistGradientBoostingClassifier
    model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)""",
    "lightgbm": """from lightgbm import LGBMClassifier
    model = LGBMClassifier(random_state=0, n_jobs=1, verbose=-1)""",
    "xgboost": """from xgboost import XGBClassifier
    model = XGBClassifier(random_state=0, n_jobs=1)""",
    "linear": """from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    model = make_pipeline(StandardScaler(), LogisticRegression())""",
}
EXACT = {"linear": 1e-12}


@dataclass
class Case:
    """One model, trained and registered."""

    name: str
    project: Path
    document: Path
    joblib: Path
    rows: list[dict[str, Any]]
    right: list[float]

    @property
    def near(self) -> float:
        return EXACT.get(self.name, 0.0)

    def first(self, way: Way) -> tuple[str, bytes]:
        """The first request: path and body."""
        return way.path, way.encoded(self.rows[:1])


def main() -> int:
    parser = options(__doc__, repeat=3, peers=True)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    asked = parser.parse_args()
    compiled()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        figures = [
            figure
            for name in asked.models
            for figure in measured(case(name, Path(folder, name)), asked, wrong)
        ]
    print("\n".join(wrong[:10]), file=sys.stderr)
    return report("serving", figures, asked, versions=versions_of(["scikit-learn"])) or bool(wrong)


def case(name: str, project: Path) -> Case:
    """Trained by `noria run`, with the library's own answers to every row."""
    files = {
        "pipeline.py": PIPELINE.replace("MODEL", MADE[name]),
        "noria.toml": 'threads = 1\n\n[model.tumours]\npipeline = "pipeline:tumours"\n\n[service]\nport = 0\n',
    }
    repository(project, files)
    took([sys.executable, "-m", "noria", "run", "--quiet"], project)
    script = """
import json, sys, joblib, noria
from pathlib import Path
from noria.adapters.folder import FolderStore
sys.path.insert(0, ".")
import pipeline
run = noria.runs("tumours").latest
model, frame = run["classifier"], pipeline.rows()

from noria.adapters.sql import open_records
records = open_records(".noria/noria.db")
version = records.versions.version("tumours", 1)
fast = version.fast
assert fast is not None and fast.level == "direct", fast
(document,) = fast.compiled.values()
Path("document").write_bytes(FolderStore(Path(".noria")).get(document.digest))
joblib.dump(model, "model.joblib")
shown = frame.drop("malignant")
right = pipeline.malignant(model, frame).tolist()
print(json.dumps({"rows": shown.to_dicts(), "right": right}))
"""
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=surroundings(project), capture_output=True, text=True
    )
    if said.returncode:
        raise SystemExit(said.stderr)
    found = json.loads(said.stdout)
    return Case(name, project, project / "document", project / "model.joblib", found["rows"], found["right"])


def measured(one: Case, asked: Any, wrong: list[str]) -> list[Figure]:
    figures = Figures(one, asked.seconds, wrong)
    for turn in range(asked.repeat):
        made_parquet(one.project)  # of what was logged before: it is not this load's
        with noria_server(one.project, "tumours", one.first(NORIA_ROWS)) as server:
            figures.cold(server)
            found = figures.single(NORIA, server, NORIA_ROWS)
        figures.add_single(NORIA, found, kept=made_parquet(one.project))
        for way in FORMS:
            with noria_server(one.project, "tumours", one.first(NORIA_ROWS)) as server:
                figures.many(NORIA, server, way)
            figures.add_many(NORIA, way, kept=made_parquet(one.project))
        with script_server("bare.py", sys.executable, one.document, one.first(BY_HAND)) as server:
            figures.add_single(BARE, figures.single(BARE, server, BY_HAND))
        for who, (script, way, models) in PEERS.items():
            if not asked.peers or one.name not in models or turn >= asked.peer_rounds:
                continue
            if (python := peers.python_of(who)) is not None:
                with script_server(script, str(python), one.joblib, one.first(way)) as server:
                    figures.add_single(who, figures.single(who, server, way))
                    figures.many(who, server, way)
                    figures.add_many(who, way)
    return figures.all()


def made_parquet(project: Path) -> float:
    """CPU seconds a row of making Parquet of what the workers logged, as the service does beside them; 0 for no row.

    A service under load does so whenever a segment is full. Here there are fewer rows, so what does not depend on them (the
    start of the process, its imports: what a round over one row takes) is shared out over the rows of a full segment.
    """
    segments = list((project / ".noria" / "log" / "tumours").glob("*.rows"))
    size = sum(one.stat().st_size for one in segments)
    spent, rows = round_of(project)
    if not rows:
        return 0.0
    log_one_row(project)
    start, _ = round_of(project)
    return (spent - start) / rows + start * size / rows / BIGGEST


def log_one_row(project: Path) -> None:
    import pyarrow as pa

    now = pa.array([datetime.now(UTC)], pa.timestamp("us", tz="UTC"))
    log = LogWriter(project / ".noria" / "log", "tumours")
    log.append(Answered(1, pa.RecordBatch.from_pydict({"at": now, "answer.answer": [0.5]})))
    log.close()


def round_of(project: Path) -> tuple[float, int]:
    """CPU seconds of one round over all closed segments, and their rows."""
    command = [sys.executable, "-P", "-m", "noria.serving.upkeep", "--segments-alone", "--model", "tumours"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        [*command, "--state", str(project / ".noria")], capture_output=True, text=True, check=True
    ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, int(json.loads(said).get("rows", 0))


class Figures:
    """What is measured of one model."""

    def __init__(self, one: Case, seconds: float, wrong: list[str]) -> None:
        self._case, self._seconds, self._wrong = one, seconds, wrong
        name, trees = one.name, one.name != "linear"
        self._per = {
            count: Figure(
                f"{name}: requests a CPU second, {count} connections",
                "",
                limit=LEAST if trees and count > 1 else None,
                more=True,
            )
            for count in CONNECTIONS
        }
        self._share = Figure(
            f"{name}: share of the bare handler's, {CONNECTIONS[-1]} connections", "", limit=HALF, more=True
        )
        self._p50 = Figure(f"{name}: half of the answers within, 1 connection", "ms", limit=P50)
        self._p99 = Figure(f"{name}: 99 % of the answers within, 64 connections", "ms")
        self._rows = {
            way: Figure(f"{name}: rows a CPU second, {MANY} a request, 4 connections: {form}", "", more=True)
            for way, form in FORMS.items()
        }
        self._times = Figure(f"{name}: the best of these, over the best peer's", "", limit=TWICE, more=True)
        self._first = Figure(f"{name}: from start to the first answer", "s", limit=FIRST)
        self._memory = Figure(f"{name}: memory of a worker", "MB", limit=MEMORY)
        self._kept = Figure(f"{name}: of which Parquet of its log, a row", "us")
        self._last: dict[str, float] = {}
        self._large: dict[str, float] = {}
        self._found = 0.0

    def all(self) -> list[Figure]:
        theirs = [per for who, per in self._large.items() if who != NORIA]
        if theirs:
            self._times.add(NORIA, self._large[NORIA] / max(theirs))
        speed = [*self._rows.values(), *([self._times] if theirs else [])]
        times = [self._share, self._kept, self._p50, self._p99]
        return [*self._per.values(), *times, *speed, self._first, self._memory]

    def cold(self, server: Server) -> None:
        self._first.add(NORIA, server.first)
        self._memory.add(NORIA, max(memory_mb(pid) for pid in server.pids[1:]))

    def single(self, who: str, server: Server, way: Way) -> dict[int, float]:
        """One row a request: CPU seconds of one, by the number of connections."""
        bodies = requests(way.path, [way.encoded([row]) for row in self._case.rows])
        found = {}
        for count in CONNECTIONS:
            load = self._asked(who, server, bodies, count, lambda at, body: self._fault(way, body, [at]))
            found[count] = 1 / load.per_cpu_second
            if count == 1:
                self._p50.add(who, 1e3 * load.quantile(0.5))
            if count == CONNECTIONS[-1]:
                self._p99.add(who, 1e3 * load.quantile(0.99))
        return found

    def add_single(self, who: str, found: dict[int, float], *, kept: float = 0.0) -> None:
        """`kept`: what each request costs besides, after its answer."""
        for count, seconds in found.items():
            self._per[count].add(who, 1 / (seconds + kept))
        self._last[who] = 1 / (found[CONNECTIONS[-1]] + kept)
        if who == NORIA:
            self._kept.add(who, 1e6 * kept)
        if who == BARE:
            self._share.add(NORIA, self._last[NORIA] / self._last[BARE])

    def many(self, who: str, server: Server, way: Way) -> None:
        """Large requests."""
        rows = self._case.rows
        chosen = [[(start * 31 + at) % len(rows) for at in range(MANY)] for start in range(8)]
        encoded = [way.encoded([rows[at] for at in each]) for each in chosen]
        bodies = requests(way.many or way.path, encoded, way.content)
        self._asked(
            who, server, bodies[:1], 1, lambda at, body: None
        )  # what is imported for the first of its kind
        load = self._asked(who, server, bodies, 4, lambda at, body: self._fault(way, body, chosen[at]))
        self._found = 1 / load.per_cpu_second / MANY

    def add_many(self, who: str, way: Way, *, kept: float = 0.0) -> None:
        per = 1 / (self._found + kept)
        self._rows[way if way in FORMS else NORIA_ROWS].add(who, per)
        self._large[who] = max(per, self._large.get(who, 0.0))

    def _asked(self, who: str, server: Server, bodies: Sequence[bytes], count: int, right: Any) -> Load:
        load = ask(
            server.url, bodies, connections=count, seconds=self._seconds, pids=server.pids[:1], right=right
        )
        self._wrong += [f"{who}, {self._case.name}: {fault}" for fault in load.wrong[:3]]
        return load

    def _fault(self, way: Way, reply: bytes, rows: Sequence[int]) -> str | None:
        """The first of a reply's answers that is not the library's own."""
        given = way.read(reply)
        if len(given) != len(rows):
            return f"{len(given)} answers to {len(rows)} rows"
        for at, answer in zip(rows, given, strict=True):
            wanted = self._case.right[at]
            if not abs(answer - wanted) <= self._case.near:
                return f"row {at}: {answer!r}, not {wanted!r}"
        return None


if __name__ == "__main__":
    raise SystemExit(main())
