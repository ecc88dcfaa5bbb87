"""Many rows out of Parquet files: rows a second and memory, beside a loop written by hand, with answers held to the bit.

    python bench/batch_predict.py [--rows 5000000] [--models boosted lightgbm] [--repeat 3]

Noria trains, registers and predicts by its commands: files looked at and pinned by digest, each row checked against the
signature, answers in the input's order with key and version, parts that outlive a kill, a manifest. Beside it, in the same
rounds and over the same files, the loop that somebody would write: batches of a file, the library's own predict with all
cores, a file of answers, no check of anything. Both by the clock from the start of their process to its end. All
answers are compared. Ends with 1 when a limit is broken or an answer differs.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from measuring import NORIA, Figure, compiled, options, report, repository, took, versions_of
from serving import MADE, PIPELINE

BY_HAND = "by hand"
FILES = 4
GROUP = 131_072  # rows of a row group, as common writers make them
COLUMNS = [f"f{n}" for n in range(30)]
MEMORY = 1000.0  # MB of a worker, whatever the number of rows

LOOP = """
import json, resource, sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from sklearn.datasets import load_breast_cancer

FEATURES = [f"f{n}" for n in range(30)]
found = load_breast_cancer()
MODEL
model.fit(found.data, found.target)
for path in sorted(Path(sys.argv[1]).glob("*.parquet")):
    parts = []
    for batch in pq.ParquetFile(path).iter_batches(65536):
        frame = pl.DataFrame(batch)
        answer = model.predict_proba(frame.select(FEATURES).to_numpy())[:, 1]
        parts.append(frame.select("id").with_columns(answer=pl.Series(answer)))
    pl.concat(parts).write_parquet(Path(sys.argv[2]) / path.name)
Path("memory.json").write_text(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))
"""


def main() -> int:
    parser = options(__doc__, repeat=3)
    parser.add_argument("--rows", type=int, default=5_000_000, metavar="N", help="default: 5,000,000")
    parser.add_argument("--models", nargs="+", choices=list(MADE), default=["boosted", "lightgbm"])
    asked = parser.parse_args()
    compiled()
    figures: list[Figure] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "in")
        write(given, asked.rows)
        for model in asked.models:
            figures += measured(Path(folder, model), model, given, asked.rows, asked.repeat, wrong)
    code = report("batch_predict", figures, asked, versions=versions_of(["scikit-learn", "lightgbm"]))
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else code


def measured(
    folder: Path, model: str, given: Path, rows: int, repeat: int, wrong: list[str]
) -> Iterator[Figure]:
    project = repository(folder / "project", files(model))
    took([sys.executable, "-m", "noria", "run", "--quiet"], project)
    speed = Figure(f"{model}, rows", "rows/s", more=True)
    cpu = Figure(f"{model}, rows a CPU second", "rows/s", more=True)
    memory = Figure(f"{model}, memory", "MB", limit=MEMORY)
    for _ in range(repeat):
        for who, run in ((NORIA, ours), (BY_HAND, theirs)):
            out = folder / who
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            wall, seconds, megabytes = run(project, given, out)
            speed.add(who, rows / wall)
            cpu.add(who, rows / seconds)
            memory.add(who, megabytes)
        if not equal(folder / NORIA, folder / BY_HAND):
            wrong.append(f"{model}: an answer is not the library's own")
    yield from (speed, cpu, memory)


def ours(project: Path, given: Path, out: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "noria", "predict", "tumours", "--quiet"]
    found = took([*command, "--input", given, "--output", out], project)
    manifest = json.loads((out / "_noria.json").read_text())
    return found.wall, found.cpu, max(part["memory"] for part in manifest["parts"]) / 1e6


def theirs(project: Path, given: Path, out: Path) -> tuple[float, float, float]:
    found = took([sys.executable, "loop.py", given, out], project)
    return found.wall, found.cpu, float(json.loads((project / "memory.json").read_text()))


def equal(some: Path, others: Path) -> bool:
    one, other = (
        pl.scan_parquet(folder / "*.parquet").select("id", "answer").collect() for folder in (some, others)
    )
    return one.equals(other)


def files(model: str) -> dict[str, str]:
    toml = 'threads = 2\n\n[model.tumours]\npipeline = "pipeline:tumours"\n'
    made = MADE[model].replace("\n    ", "\n")
    pipeline = PIPELINE.replace("MODEL", MADE[model]).replace('pl.format("r{}", pl.int_range(pl.len()))', INT)
    return {
        "pipeline.py": pipeline,
        "noria.toml": toml,
        "loop.py": LOOP.replace("MODEL", made.replace("n_jobs=1", "n_jobs=-1")),
        ".gitignore": "memory.json\n",
    }


INT = "pl.int_range(pl.len())"


def write(folder: Path, rows: int) -> None:
    """Rows as wide as those that the model was trained on, in files of several row groups."""
    from sklearn.datasets import load_breast_cancer

    folder.mkdir()
    data = load_breast_cancer().data
    random = np.random.default_rng(7)
    for number, count in enumerate(shares(rows)):
        picked = data[random.integers(0, len(data), count)]
        frame = pl.DataFrame(picked * random.uniform(0.9, 1.1, (count, 1)), schema=COLUMNS)
        frame = frame.with_columns(id=pl.int_range(pl.len()) + number * count)
        frame.write_parquet(folder / f"{number}.parquet", row_group_size=GROUP)


def shares(rows: int) -> Sequence[int]:
    each = -(-rows // FILES)
    return [each] * (FILES - 1) + [rows - each * (FILES - 1)]


if __name__ == "__main__":
    raise SystemExit(main())
