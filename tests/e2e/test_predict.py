"""`noria predict`: files in, the service's own answers out."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from e2e.project import FIRST, PIPELINE, POLICY, Project
from e2e.test_crashes import gone, until
from e2e.test_wheel import ask, served
from servers_ray import RayServer
from servers_s3 import S3Server, environment

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
FILES, ROWS = 3, 40


def rows(first: int, count: int = ROWS) -> pl.DataFrame:
    at = range(first, first + count)
    return pl.DataFrame(
        {
            "note": [f"note {i}" for i in at],
            "id": [f"new-{i}" for i in at],
            "asked": [NOON + timedelta(minutes=i) for i in at],
            "warm": [10 + i / 7 for i in at],
            "shop": ["north" if i % 3 else "south" for i in at],
        },
        schema_overrides={"asked": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder of three files of 40 rows."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(FILES):
        rows(number * ROWS).write_parquet(folder / f"{number}.parquet")
    return folder


def predicted(project: Project, given: object, into: object, *words: str, **more: Any) -> Any:
    """The manifest of a batch."""
    command = ["predict", "demand", "--input", str(given), "--output", str(into), *words]
    return project.json(*command, **more)


def answers(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "*.parquet")


def refused(project: Project, given: object, into: object, *words: str, exit: int | None) -> str:
    done = project.noria("predict", "demand", "--input", str(given), "--output", str(into), *words, exit=exit)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_batch_gives_the_services_own_answers_and_can_be_traced(
    trained: Project, given: Path, tmp_path: Path
) -> None:
    manifest = predicted(trained, given, tmp_path / "out", "--columns", "note")
    found, asked = answers(tmp_path / "out"), rows(0, FILES * ROWS)
    assert found.columns == ["id", "asked", "note", "answer", "version"]
    assert found["id"].to_list() == asked["id"].to_list(), "the input's order"
    assert found["note"].to_list() == asked["note"].to_list()
    assert set(found["version"]) == {1}
    sent = [row | {"asked": row["asked"].isoformat()} for row in asked.drop("note").to_dicts()]
    with served(trained, "--no-watch") as (connection, _):
        status, body = ask(connection, "/v1/models/demand/predict", {"rows": sent})
    assert status == 200
    assert [one["answer"] for one in body["predictions"]] == found["answer"].to_list(), "to the last bit"

    assert json.loads((tmp_path / "out" / "_noria.json").read_text()) == manifest
    assert manifest["work"]["version"] == "demand:1" and manifest["work"]["run"] == "demand/1"
    assert [one["path"] for one in manifest["work"]["files"]] == ["0.parquet", "1.parquet", "2.parquet"]
    assert all(one["tag"].startswith("blake3:") for one in manifest["work"]["files"])
    assert not (tmp_path / "out" / "_noria").exists()

    trace = trained.json("trace", manifest["id"])
    assert (trace["version"], trace["run"]) == ("demand:1", "demand/1")
    assert trace["batch"]["rows"] == FILES * ROWS and trace["batch"]["output"] == str(tmp_path / "out")
    assert trace["source"]["commit"] == manifest["commit"]
    told = trained.noria("trace", manifest["id"]).stdout
    assert "3 parts" in told and "environment" in told

    trained.noria("feedback", "demand", "--key", "new-1", "31.5")
    lines = trained.noria("predictions", "--batch", manifest["id"], "--limit", "2", "--json").stdout
    first, second = map(json.loads, lines.splitlines())
    assert first["label"] is None and (second["id"], second["label"]) == ("new-1", 31.5)
    assert second["answer"] == found["answer"][1]
    trained.noria("audit")


def test_what_does_not_fit_is_told_before_any_row_is_answered(
    trained: Project, given: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    rows(0).drop("shop").with_columns(warm=pl.lit("hot")).write_parquet(given / "3.parquet")
    told = refused(trained, given, out, exit=2)
    assert "error[BATCH-SCHEMA]" in told
    assert "3.parquet: column warm is string, expected a number" in told
    assert "3.parquet: there is no column shop" in told
    assert "BATCH-NO-INPUT" in refused(trained, tmp_path / "none.parquet", out, exit=3)
    assert "BATCH-OUTPUT-INPUT" in refused(trained, given, given / "out", exit=2)
    assert "BATCH-OUTPUT-FILE" in refused(trained, given, tmp_path / "out.parquet", exit=2)
    done = trained.noria("predict", "demand:7", "--input", str(given), "--output", str(out), exit=3)
    assert "demand:1" in done.stderr
    assert not out.exists()


def test_refused_rows_fail_their_part_or_are_null_with_the_reason(
    trained: Project, given: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    odd = rows(ROWS).with_columns(
        warm=pl.when(pl.col("id") == "new-45").then(float("nan")).otherwise(pl.col("warm")),
        id=pl.when(pl.col("id") == "new-50").then(None).otherwise(pl.col("id")),
    )
    odd.write_parquet(given / "1.parquet")
    told = refused(trained, given, out, exit=1)
    assert "error[BATCH-PARTS]: 1 of 3 parts failed; 2 are done" in told
    assert "1.parquet, row 5: warm: NaN or infinite" in told and "2 of the 40 rows" in told
    assert sorted(path.name for path in out.glob("*.parquet")) == ["part-00000.parquet", "part-00002.parquet"]
    assert "BATCH-OUTPUT-TAKEN" in refused(trained, given, out, exit=3)
    assert "on_refused" in refused(trained, given, out, "--on-refused", "null", "--resume", exit=3)

    rows(ROWS).write_parquet(given / "1.parquet")
    before = (out / "part-00000.parquet").stat().st_mtime_ns
    assert len(predicted(trained, given, out, "--resume")["parts"]) == 3
    assert (out / "part-00000.parquet").stat().st_mtime_ns == before, "done parts are not done again"
    clean = answers(out)

    odd.write_parquet(given / "1.parquet")
    manifest = predicted(trained, given, out, "--overwrite", "--on-refused", "null")
    found = answers(out)
    assert found.height == clean.height
    assert found["answer"].is_null().arg_true().to_list() == [45, 50]
    assert found["refused"].drop_nulls().to_list()[1] == "id: null, and it is the key"
    kept = found.filter(pl.col("answer").is_not_null())
    assert kept["answer"].to_list() == [a for at, a in enumerate(clean["answer"]) if at not in (45, 50)]
    assert sum(part.get("refused", 0) for part in manifest["parts"]) == 2


def test_a_corrupt_file_costs_its_own_parts_alone(trained: Project, given: Path, tmp_path: Path) -> None:
    path = given / "1.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:10] + bytes(len(whole) // 4) + whole[10 + len(whole) // 4 :])  # its footer stands
    told = refused(trained, given, tmp_path / "out", exit=1)
    assert "part-00001.parquet: BATCH-FILE: 1.parquet cannot be read" in told
    path.write_bytes(whole)
    predicted(trained, given, tmp_path / "out", "--resume")
    assert answers(tmp_path / "out").height == FILES * ROWS


def test_other_forms_partitions_and_no_rows_at_all(trained: Project, tmp_path: Path) -> None:
    asked = rows(0, 4).drop("shop")
    for shop, name in (("north", "a.csv"), ("south", "b.ndjson")):
        folder = tmp_path / "in" / f"shop={shop}"
        folder.mkdir(parents=True)
        part = asked.head(2) if shop == "north" else asked.tail(2)
        part.write_csv(folder / name) if name.endswith("csv") else part.write_ndjson(folder / name)
    predicted(trained, tmp_path / "in", tmp_path / "out", "--columns", "shop", "--no-log")
    rows(0, 4).with_columns(shop=pl.Series(["north", "north", "south", "south"])).write_parquet(
        tmp_path / "all.parquet"
    )
    manifest = predicted(trained, tmp_path / "all.parquet", tmp_path / "one", "--columns", "shop")
    # two rows at once, and four: BLAS may add in another order
    assert_frame_equal(answers(tmp_path / "out"), answers(tmp_path / "one"), rel_tol=1e-12)
    assert len(manifest["parts"]) == 1

    rows(0, 0).write_parquet(tmp_path / "none.parquet")
    empty = predicted(trained, tmp_path / "none.parquet", tmp_path / "empty")
    assert sum(part["rows"] for part in empty["parts"]) == 0
    assert answers(tmp_path / "empty").schema["answer"] == pl.Float64()
    assert [change["kind"] for change in trained.json("audit", "--events")[0]["entries"]].count(
        "batch.answered"
    ) == 2, "--no-log left one out"


# Each call leaves a line; from the third on it waits for a file to go.
WAITS = PIPELINE.replace(
    """def sold(model: np.ndarray, features: pl.DataFrame) -> np.ndarray:
""",
    """def sold(model: np.ndarray, features: pl.DataFrame) -> np.ndarray:
    import os, time
    from pathlib import Path

    if features.height == 40:
        here = Path("@here@")
        with (here / "calls").open("a") as file:
            file.write(f"{os.getpid()}\\n")
        while (here / "wait").exists() and len((here / "calls").read_text().split()) > 2:
            time.sleep(0.01)
""",
)


def test_a_killed_batch_goes_on_with_what_is_not_done(
    make_project: Callable[..., Project], given: Path, tmp_path: Path
) -> None:
    project = make_project(WAITS.replace("@here@", str(tmp_path)), f"{POLICY}\n[engine]\ncpus = 1\n")
    project.noria("run", "--as-of", FIRST)
    out, calls = tmp_path / "out", tmp_path / "calls"
    (tmp_path / "wait").touch()
    driver = project.start("predict", "demand", "--input", str(given), "--output", str(out))
    until(lambda: calls.exists() and len(calls.read_text().split()) == 3, "the third part has begun")
    until(lambda: len(list(out.glob("_noria/part-*.json"))) == 2, "two parts are noted")
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    worker = int(calls.read_text().split()[-1])
    until(lambda: gone(worker), "the worker ended with its driver")
    assert sorted(path.name for path in out.glob("*.parquet")) == ["part-00000.parquet", "part-00001.parquet"]
    assert "a batch that is not done" in refused(project, given, out, exit=3)
    (tmp_path / "wait").unlink()
    manifest = predicted(project, given, out, "--resume")
    assert len(calls.read_text().split()) == 4, "the third part alone was done again"
    assert project.json("trace", manifest["id"])["batch"]["parts"] == 3
    assert predicted(project, given, out, "--resume") == manifest, "nothing is left to do"
    predicted(project, given, tmp_path / "again")
    assert answers(out).equals(answers(tmp_path / "again"))


@pytest.fixture
def bucket(s3: S3Server) -> Iterator[str]:
    with environment(s3.variables()):
        yield s3.url()


def upload(folder: Path, url: str) -> None:
    from noria.adapters.places import open_place
    from noria.testing.places import put

    for path in sorted(folder.iterdir()):
        put(open_place(url), path.name, path.read_bytes())


def test_from_a_bucket_into_a_bucket(trained: Project, given: Path, tmp_path: Path, bucket: str) -> None:
    upload(given, f"{bucket}/in")
    manifest = predicted(trained, f"{bucket}/in/*.parquet", f"{bucket}/out")
    assert [one["path"] for one in manifest["work"]["files"]] == ["0.parquet", "1.parquet", "2.parquet"]
    predicted(trained, given, tmp_path / "out")
    shown = trained.noria("predictions", "--batch", manifest["id"], "--output", str(tmp_path / "s3.parquet"))
    assert "120 rows" in shown.stderr
    found = pl.read_parquet(tmp_path / "s3.parquet").drop("label", "label_known")
    assert found.equals(answers(tmp_path / "out"))
    assert "BATCH-OUTPUT-TAKEN" in refused(trained, f"{bucket}/in", f"{bucket}/out", exit=3)
    with environment({"AWS_SECRET_ACCESS_KEY": "not-the-secret"}):
        told = refused(trained, f"{bucket}/in", f"{bucket}/new", exit=4)
    assert "OBJECTS-CREDENTIALS" in told and "not-the-secret" not in told


@pytest.mark.soak
def test_on_a_cluster_as_on_one_machine(
    make_project: Callable[..., Project], given: Path, tmp_path: Path, bucket: str, ray_cluster: RayServer
) -> None:
    with environment(ray_cluster.variables()):
        policy = f'{POLICY}\n[engine]\nkind = "ray"\nvariables = ["AWS_*"]\n[store]\nobjects = "{bucket}"\n'
        project = make_project(PIPELINE, policy)
        project.noria("run", "--as-of", FIRST)
        predicted(project, given, tmp_path / "here", "--engine", "local")
        predicted(project, given, tmp_path / "there")
    assert answers(tmp_path / "there").equals(answers(tmp_path / "here"))


def test_a_full_disk_is_told_and_what_is_whole_stays(trained: Project, given: Path, tmp_path: Path) -> None:
    from e2e.test_disk_full import mount

    out = tmp_path / "out"
    out.mkdir()
    mount(out, "size=24k")  # a part takes some 8
    try:
        told = refused(trained, given, out, exit=None)  # whether a part or its note finds no room
        assert "No space left on device" in told and "PLACE-UNWRITABLE" in told
        assert not [path for path in out.iterdir() if path.name.startswith(".unfinished")]
        mount(out, "remount,size=1m")
        predicted(trained, given, out, "--resume")
        assert answers(out).height == FILES * ROWS
    finally:
        subprocess.run(["umount", "--lazy", str(out)], check=True)
