"""Files and tables that a data step reads, from the run to the service: pinned, shown, compared, proven."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.project import Project
from e2e.test_wheel import ask, served

MEMBERS = '''
"""How often each shop sold, from files."""

from datetime import datetime

import noria
import polars as pl

sales = noria.Pipeline("sales")


@sales.data(key="id")
def rows(*, where: str = "data/**/*.csv", keep: bool = True) -> pl.DataFrame:
    return pl.read_csv(noria.files(where, keep=keep))


@sales.data
def pages():
    return noria.files("pages")


@sales.step
def counts(rows: pl.DataFrame, pages: noria.Files) -> dict:
    return {"rows": rows.height} | {path.name: len(path.read_text()) for path in pages}
'''
MEMBERS_POLICY = '[model.sales]\npipeline = "pipeline:sales"\n'

PHOTOS = '''
"""Is this part defective? The photo is dark when it is."""

from datetime import UTC, datetime

import noria
import numpy as np
import polars as pl

part = noria.Pipeline("part")


@part.data(key="serial", time="taken", label="defect")
def photos(as_of: datetime) -> pl.DataFrame:
    files = noria.files("photos")
    table = pl.DataFrame({"serial": [path.stem for path in files], "photo": files.references})
    seen = pl.read_csv(noria.files("seen.csv"), schema_overrides={"serial": pl.String})
    taken = pl.datetime(2024, 1, 1, time_zone="UTC") + pl.duration(hours=pl.col("serial").cast(pl.Int64))
    return table.join(seen, on="serial").with_columns(taken=taken)


@part.transform
def pixels(photos: pl.DataFrame) -> pl.DataFrame:
    values = [np.frombuffer(noria.read(photo), dtype=np.uint8) for photo in photos["photo"]]
    return pl.DataFrame({"light": [float(one.mean()) for one in values]})


@part.step(outputs=("train", "holdout"))
def split(pixels: pl.DataFrame):
    return pixels.head(30), pixels.tail(10)


@part.data
def manual():
    return noria.files("manual")


@part.step
def threshold(train: pl.DataFrame, manual: noria.Files) -> float:
    assert manual[0].read_text() == "dark is bad"
    by = train.group_by("defect").agg(pl.col("light").mean())
    return float(by["light"].mean())


@part.predict
def dark(threshold: float, pixels: pl.DataFrame) -> np.ndarray:
    return (pixels["light"] < threshold).cast(pl.Float64).to_numpy()


@part.loss(on="holdout", range=(0, 1))
def wrong(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
    return np.abs(label - answer)
'''
PHOTOS_POLICY = '[model.part]\npipeline = "pipeline:part"\n[model.part.gates]\nwrong = { at_most = 0.1 }\n'


@pytest.fixture
def sales(make_project: Callable[..., Project]) -> Project:
    project = make_project(MEMBERS, MEMBERS_POLICY)
    for name in ("2024/01.csv", "2024/02.csv", "2023/12.csv"):
        put(project, f"data/{name}", f"id,n\n{name},1\n")
    put(project, "pages/a.txt", "one")
    return project


def put(project: Project, name: str, text: str | bytes) -> Path:
    path = project.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_which_files_were_new_changed_or_gone_is_told(sales: Project) -> None:
    sales.noria("run")
    put(sales, "data/2024/03.csv", "id,n\nmarch,1\n")
    put(sales, "data/2024/02.csv", "id,n\n2024/02.csv,2\n")
    (sales.folder / "data/2023/12.csv").unlink()
    sales.noria("run")
    moved = ["removed  2023/12.csv", "changed  2024/02.csv", "added    2024/03.csv"]
    for command in (("diff", "sales/1", "sales/2"), ("data", "sales/1", "sales/2")):
        said = sales.noria(*command).stdout
        assert "data/**/*.csv" in said and "1 added, 1 removed, 1 changed" in said
        assert [line for line in moved if line in said] == moved
    change = sales.json("data", "sales/1", "sales/2")["sources"][0]
    assert [(file["path"], file["kind"]) for file in change["files"]] == [
        ("2023/12.csv", "removed"),
        ("2024/02.csv", "changed"),
        ("2024/03.csv", "added"),
    ]
    said = sales.noria("show", "sales/2").stdout
    assert "read files data/**/*.csv (" in said and "pages: 1 file" in said
    one = sales.noria("data", "sales/2").stdout
    assert "3 files" in one and "2024/03.csv" in one and "with --step: pages" in one
    assert "read files pages" in sales.noria("data", "sales/2", "--step", "pages").stdout
    assert "its data steps: rows, pages" in sales.noria("data", "sales/2", "--step", "x", exit=3).stderr
    assert "the same to the last bit" in sales.noria("data", "sales/1", "sales/2", "--step", "pages").stdout


def test_a_pipeline_of_files_alone(sales: Project) -> None:
    sales.write(
        "pipeline.py",
        "import noria\n\nsales = noria.Pipeline('sales')\n\n\n@sales.data\ndef pages():\n    return noria.files('pages')\n\n\n"
        "@sales.step\ndef words(pages: noria.Files) -> int:\n    return sum(len(page.read_text().split()) for page in pages)\n",
    )
    sales.noria("run")
    steps = sales.json("show", "sales/1")["steps"]
    assert [(step["step"], step["role"]) for step in steps] == [("pages", "data"), ("words", "step")]
    assert "pages: 1 file" in sales.noria("show", "sales/1").stdout


def test_a_past_run_keeps_the_files_that_it_read(sales: Project) -> None:
    sales.noria("run")
    put(sales, "pages/a.txt", "another")
    again = sales.json("run", "--only", "counts")  # what the run had read, whatever lies there now
    assert again["outputs"][0]["recorded"] == again["outputs"][0]["made"]["digest"]
    put(sales, "data/2025/01.csv", "id,n\nnew,1\n")
    put(sales, "data/2024/01.csv", "id,n\nchanged,1\n")
    done = sales.noria("run", "--only", "rows")  # a data step, too
    assert "the same to the last bit" in done.stdout and ", 3 rows" in done.stdout
    assert "rows reads what sales/1 read: files data/**/*.csv (" in done.stderr
    assert "a database, the clock) is not recorded in sales/1: it is as it is now" in done.stderr
    assert "was not read by" not in done.stderr
    sales.noria("run")
    reasons = {step["step"]: step["reason"] for step in sales.json("show", "sales/2")["steps"]}
    assert reasons["counts"]["why"] == "input rows changed, input pages changed"
    sales.noria("run", "--as-of", "2030-01-01T00:00:00Z")
    assert {step["step"]: step["reason"]["type"] for step in sales.json("show", "sales/3")["steps"]} == {
        "rows": "ran",
        "pages": "ran",
        "counts": "reused",
    }
    sales.noria("gc")
    for step in ("counts", "rows", "pages"):
        again = sales.json("run", "--only", step, "--of", "sales/1")
        assert again["outputs"][0]["recorded"] == again["outputs"][0]["made"]["digest"]
    sales.noria("gc", "--now", "--runs", "1", "--younger", "0d")
    said = sales.noria("run", "--only", "rows", "--of", "sales/1", exit=3).stderr
    assert "error[SOURCE-GONE]: what sales/1 read as data/**/*.csv is kept no more" in said


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("data/*.parquet", "error[FILES-NONE]: there is no file"),
        ("nothing.csv", "error[FILES-NONE]: there is no file"),
        (
            "ftp://host/a.csv",
            "error[FILES-URL]: noria.files cannot read ftp://host/a.csv: ftp:// is not known",
        ),
    ],
)
def test_a_name_without_files_ends_the_run_with_a_sentence(sales: Project, where: str, words: str) -> None:
    said = sales.noria("run", "--set", f"rows.where={where}", exit=None).stderr
    assert words in said and "Traceback" not in said


def test_a_damaged_file_is_the_readers_error_with_its_name(sales: Project) -> None:
    sales.replace(
        "pipeline.py",
        "pl.read_csv(noria.files(where, keep=keep))",
        "pl.read_parquet(noria.files('data/x.parquet'))",
    )
    put(sales, "data/x.parquet", b"PAR1 and no more")
    said = sales.noria("run", exit=1).stderr
    assert "error[STEP-RAISED]: step rows raised" in said and "parquet" in said and "pipeline.py" in said


def test_an_empty_table_is_refused(sales: Project) -> None:
    shutil.rmtree(sales.folder / "data")
    put(sales, "data/a.csv", "id,n\n")
    assert "error[DATA-EMPTY]: data step rows gave no rows" in sales.noria("run", exit=1).stderr


def test_a_file_that_changes_before_the_step_ends_fails_it(sales: Project) -> None:
    """Read where it lies, nobody could say which bytes the step has seen."""
    sales.replace(
        "pipeline.py",
        "    return pl.read_csv(noria.files(where, keep=keep))",
        "    table = pl.read_csv(noria.files(where, keep=keep))\n    open('data/2024/01.csv', 'a').write('x,2\\n')\n    return table",
    )
    said = sales.noria("run", "--set", "rows.keep=false", exit=3).stderr
    assert "error[FILES-CHANGED]" in said and "01.csv changed while it was read" in said
    sales.noria("run")  # with the bytes kept, it does not matter


def test_only_data_steps_read_files(sales: Project) -> None:
    sales.replace("pipeline.py", "    return {", "    noria.files('data')\n    return {")
    said = sales.noria("run", exit=2).stderr
    assert "error[READ-STEP]: noria.files('data') was called in step counts" in said


@pytest.fixture
def part(make_project: Callable[..., Project]) -> Iterator[Project]:
    project = make_project(PHOTOS, PHOTOS_POLICY)
    project.write(".gitignore", "manual\nphotos\nseen.csv\n")
    seen = ["serial,defect"]
    for number in range(40):
        defect = number % 3 == 0
        put(project, f"photos/{number:03}.png", bytes([20 if defect else 200, number]) * 50)
        seen.append(f"{number:03},{float(defect)}")
    put(project, "manual/de/1.txt", "dark is bad")
    put(project, "seen.csv", "\n".join(seen) + "\n")
    yield project


def test_images_are_references_in_training_and_bytes_in_a_request(part: Project) -> None:
    part.noria("run")
    assert part.json("models")[0]["aliases"] == {"champion": 1}
    said = part.noria("show", "part:1").stdout
    assert "files photos (" in said and "files seen.csv (" in said
    shutil.rmtree(part.folder / "photos")  # the version has its own
    shutil.rmtree(part.folder / "manual")
    proof = part.json("reproduce", "part:1")
    assert proof["same"] == "bit", json.dumps(proof)
    part.noria("gc")
    assert part.json("reproduce", "part:1")["same"] == "bit"
    photo = f"data:image/png;base64,{base64.b64encode(bytes([20, 1]) * 50).decode()}"
    with served(part, "--no-watch", of="part@champion") as (connection, _):
        row = {"serial": "900", "taken": "2024-03-01T00:00:00Z", "photo": photo}
        status, body = ask(connection, "/v1/models/part/predict", {"rows": [row]})
        assert status == 200 and [one["answer"] for one in body["predictions"]] == [1.0]
        status, body = ask(connection, "/v1/models/part/predict", {"rows": [{**row, "photo": "/etc/passwd"}]})
        assert (status, body["code"]) == (400, "FILES-REFERENCE"), body
    manual = part.json("show", "part/1")["steps"]
    digest = next(step for step in manual if step["step"] == "manual")["outputs"]["manual"]["digest"]
    named = json.loads(stored(part, digest).read_bytes())[0]["digest"]
    stored(part, named).unlink()
    said = part.noria("reproduce", "part:1", exit=3).stderr
    assert "error[PROOF-DATA-GONE]" in said and f"manual ({named})" in said


def stored(project: Project, digest: str) -> Path:
    plain = digest.removeprefix("blake3:")
    return project.folder / ".noria" / "objects" / plain[:2] / plain[2:]


def test_snapshots_are_recorded_and_compared(make_project: Callable[..., Project]) -> None:
    deltalake = pytest.importorskip("deltalake", reason="pip install 'noria[delta]'")
    import polars as pl

    project = make_project(
        MEMBERS.replace("pl.read_csv(noria.files(where, keep=keep))", 'noria.delta("lake").collect()'),
        MEMBERS_POLICY,
    )
    put(project, "pages/a.txt", "one")
    for number in range(2):
        deltalake.write_deltalake(project.folder / "lake", pl.DataFrame({"id": [number]}), mode="append")
        project.noria("run")
    assert "read delta lake version 0 of 20" in project.noria("show", "sales/1").stdout
    said = project.noria("diff", "sales/1", "sales/2").stdout
    assert "read delta lake version 0 of 20" in said and "-> delta lake version 1 of 20" in said
    assert project.json("data", "sales/2")["sources"][0]["source"]["version"] == "1"
    project.replace("pipeline.py", "collect()", "collect().with_columns(now=pl.lit(datetime.now()))")
    done = project.noria("run", "--only", "rows", "--of", "sales/1")
    assert ", 1 row " in done.stdout and "different" in done.stdout, "version 0, with another column"
    assert "sales/1 read: delta lake version 0 of 20" in done.stderr
    assert "asks datetime.datetime.now for the time" in done.stderr, "the clock is no part of the record"
    shutil.rmtree(project.folder / "lake")
    assert "error[TABLE-NONE]: there is no delta table lake" in project.noria("run", exit=3).stderr
