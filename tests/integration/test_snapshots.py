"""Delta and Iceberg tables, made here, as a data step reads them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import noria
from noria.inside.context import Inside, performing
from noria.inside.reading import NotADataStep
from noria.inside.recall import Recall
from noria.inside.snapshot_errors import (
    NeedsTables,
    NoSnapshot,
    NoTable,
    OtherTable,
    SnapshotAsked,
    TableUnreadable,
)
from servers_s3 import S3Server, environment
from steps import step_in

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Inside]:
    with performing(step_in(tmp_path)) as inside:
        yield inside


def rows(*numbers: int) -> pl.DataFrame:
    return pl.DataFrame({"n": numbers})


@pytest.fixture
def delta_table(tmp_path: Path) -> Any:
    """Three versions of 1, 2 and 3 rows."""
    deltalake = pytest.importorskip("deltalake", reason="pip install 'noria[delta]'")
    place = tmp_path / "lake" / "flights"
    for number in range(3):
        deltalake.write_deltalake(place, rows(number), mode="append")
    return deltalake.DeltaTable(place)


def test_a_delta_table_is_read_at_its_newest_version(step: Inside, delta_table: Any) -> None:
    found = noria.delta("lake/flights")
    assert isinstance(found, pl.LazyFrame) and sorted(found.collect()["n"]) == [0, 1, 2]
    source = step.sources[0]
    assert (source.kind, source.name, source.version) == ("delta", "lake/flights", "2")
    newest = delta_table.history(1)[0]["timestamp"]
    assert (
        source.at == datetime.fromtimestamp(newest / 1000, UTC) and source.table == delta_table.metadata().id
    )


def test_a_delta_table_is_read_at_a_version_and_at_a_time(step: Inside, delta_table: Any) -> None:
    assert sorted(noria.delta("lake/flights", version=0).collect()["n"]) == [0]
    _age(delta_table, 1, LONG_AGO)
    _age(delta_table, 0, LONG_AGO - timedelta(days=1))
    found = noria.delta("lake/flights", as_of=LONG_AGO + timedelta(days=1)).collect()
    assert sorted(found["n"]) == [0, 1]
    assert [source.version for source in step.sources] == ["0", "1"]


def _age(table: Any, version: int, at: datetime) -> None:
    """Let a version have been committed then: its log entry says so, and so does the file's own time."""
    import json
    import os

    path = Path(table.table_uri.removeprefix("file://")) / "_delta_log" / f"{version:020}.json"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"]["timestamp"] = int(at.timestamp() * 1000)
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    os.utime(path, (at.timestamp(), at.timestamp()))


def test_what_a_delta_table_has_not_is_told(step: Inside, delta_table: Any) -> None:
    with pytest.raises(NoSnapshot, match="has no version 9; known: versions up to 2"):
        noria.delta("lake/flights", version=9)
    with pytest.raises(NoSnapshot, match="has no version at 2001"):
        noria.delta("lake/flights", as_of=LONG_AGO)
    with pytest.raises(NoTable, match="no delta table lake/nothing"):
        noria.delta("lake/nothing")
    with pytest.raises(SnapshotAsked, match="both"):
        noria.delta("lake/flights", version=1, as_of=LONG_AGO)
    with pytest.raises(SnapshotAsked, match="zone"):
        noria.delta("lake/flights", as_of=datetime(2024, 1, 1))
    log = Path(delta_table.table_uri.removeprefix("file://")) / "_delta_log" / f"{2:020}.json"
    log.write_text("{no json")
    with pytest.raises(TableUnreadable, match="lake/flights cannot be read"):
        noria.delta("lake/flights")
    assert not step.sources


def test_a_delta_table_in_a_bucket(step: Inside, s3: S3Server) -> None:
    deltalake = pytest.importorskip("deltalake", reason="pip install 'noria[delta]'")
    url = s3.url()
    with environment({**s3.variables(), "AWS_ALLOW_HTTP": "true"}):
        deltalake.write_deltalake(url, rows(1, 2))
        assert sorted(noria.delta(url).collect()["n"]) == [1, 2]
        assert step.sources[0].name == url
    wrong = {**s3.variables(), "AWS_ALLOW_HTTP": "true", "AWS_SECRET_ACCESS_KEY": "wrong-word"}
    with environment(wrong), pytest.raises(TableUnreadable) as raised:
        noria.delta(url)
    assert "wrong-word" not in str(raised.value) and "credentials" in raised.value.advice()


def test_an_empty_delta_table_has_columns_and_no_rows(step: Inside, tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake", reason="pip install 'noria[delta]'")
    deltalake.write_deltalake(tmp_path / "empty", rows().cast(pl.Int64))
    found = noria.delta("empty").collect()
    assert (found.columns, found.height) == (["n"], 0)


@pytest.fixture
def lake(tmp_path: Path) -> tuple[Any, dict[str, str]]:
    """A catalog in a file, and how to reach it."""
    catalogs = pytest.importorskip("pyiceberg.catalog", reason="pip install 'noria[iceberg]'")
    properties = {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path / 'catalog.db'}",
        "warehouse": f"file://{tmp_path / 'warehouse'}",
    }
    catalog = catalogs.load_catalog("lake", **properties)
    catalog.create_namespace("air")
    return catalog, properties


@pytest.mark.filterwarnings("error")  # a step's log shows them to who cannot do anything about them
def test_an_iceberg_table_is_read_at_a_snapshot_and_at_a_time(
    step: Inside, lake: tuple[Any, dict[str, str]]
) -> None:
    catalog, properties = lake
    table = catalog.create_table("air.flights", schema=rows(1).to_arrow().schema)
    for number in range(2):
        table.append(rows(number).to_arrow())
    first, second = table.snapshots()
    newest = noria.iceberg("air.flights", catalog="lake", **properties)
    assert isinstance(newest, pl.LazyFrame) and sorted(newest.collect()["n"]) == [0, 1]
    old = noria.iceberg("air.flights", catalog="lake", snapshot=first.snapshot_id, **properties)
    assert old.collect()["n"].to_list() == [0]
    then = datetime.fromtimestamp(second.timestamp_ms / 1000, UTC)
    assert noria.iceberg("air.flights", catalog="lake", as_of=then, **properties).collect().height == 2
    assert [source.version for source in step.sources] == [
        str(one.snapshot_id) for one in (second, first, second)
    ]
    source = step.sources[0]
    assert source.at == then and source.table == str(table.metadata.table_uuid)
    assert source.name.startswith("lake.air.flights (file:///") and "catalog.db" not in source.name
    with pytest.raises(NoSnapshot, match="has no snapshot at 2001"):
        noria.iceberg("air.flights", catalog="lake", as_of=LONG_AGO, **properties)
    with pytest.raises(NoSnapshot, match=rf"no snapshot 7; known: \d+, {second.snapshot_id}"):
        noria.iceberg("air.flights", catalog="lake", snapshot=7, **properties)


def test_what_an_iceberg_catalog_has_not_is_told(
    step: Inside, lake: tuple[Any, dict[str, str]], tmp_path: Path
) -> None:
    catalog, properties = lake
    catalog.create_table("air.empty", schema=rows(1).to_arrow().schema)
    with pytest.raises(NoSnapshot, match="nothing was ever written"):
        noria.iceberg("air.empty", catalog="lake", **properties)
    with pytest.raises(NoTable, match=r"no iceberg table lake\.air\.nothing"):
        noria.iceberg("air.nothing", catalog="lake", **properties)
    with pytest.raises(TableUnreadable, match="URI missing"):
        noria.iceberg("air.flights", catalog="unheard_of")
    table = catalog.load_table("air.empty")
    table.append(rows(1).to_arrow())
    shutil.rmtree(tmp_path / "warehouse")
    with pytest.raises(TableUnreadable, match="cannot be read"):
        noria.iceberg("air.empty", catalog="lake", **properties)


@pytest.mark.parametrize(("kind", "package"), [("delta", "deltalake"), ("iceberg", "pyiceberg")])
def test_a_missing_extra_is_named(
    step: Inside, monkeypatch: pytest.MonkeyPatch, kind: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(NeedsTables) as raised:
        getattr(noria, kind)("lake.flights")
    assert raised.value.advice() == f"pip install 'noria[{kind}]'"


def test_outside_of_a_run_a_table_is_read_and_nothing_recorded(
    tmp_path: Path, delta_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert noria.delta("lake/flights", version=1).collect().height == 2


def test_only_data_steps_read_tables(tmp_path: Path, delta_table: Any) -> None:
    with performing(step_in(tmp_path, role="transform")), pytest.raises(NotADataStep):
        noria.delta("lake/flights")


def recalling(past: Inside, project: Path) -> tuple[Inside, list[str]]:
    """A step on what another one read, and what it is told."""
    told: list[str] = []
    return replace(step_in(project), recall=Recall("m/1", tuple(past.sources), told.append)), told


def test_a_past_runs_version_of_a_delta_table(step: Inside, delta_table: Any, tmp_path: Path) -> None:
    import deltalake

    noria.delta("lake/flights")
    deltalake.write_deltalake(delta_table, rows(9), mode="append")
    again, told = recalling(step, tmp_path)
    with performing(again):
        assert sorted(noria.delta("lake/flights").collect()["n"]) == [0, 1, 2]
        at = datetime.now(UTC) + timedelta(days=1)
        assert noria.delta("lake/flights", as_of=at).collect().height == 3, "the newest at another time"
        assert told == []
        assert noria.delta("lake/flights", version=3).collect().height == 4, "as the code says"
    assert told == ["delta lake/flights version 3"]
    shutil.rmtree(tmp_path / "lake")
    for number in range(3):
        deltalake.write_deltalake(tmp_path / "lake/flights", rows(number), mode="append")
    with (
        performing(recalling(step, tmp_path)[0]),
        pytest.raises(OtherTable, match="made anew since its version 2"),
    ):
        noria.delta("lake/flights")


def test_a_past_runs_snapshot_of_an_iceberg_table(
    step: Inside, lake: tuple[Any, dict[str, str]], tmp_path: Path
) -> None:
    catalog, properties = lake
    table = catalog.create_table("air.flights", schema=rows(1).to_arrow().schema)
    table.append(rows(1).to_arrow())
    noria.iceberg("air.flights", catalog="lake", **properties)
    table.append(rows(2).to_arrow())
    again, told = recalling(step, tmp_path)
    with performing(again):
        assert noria.iceberg("air.flights", catalog="lake", **properties).collect()["n"].to_list() == [1]
        newest = table.current_snapshot().snapshot_id
        found = noria.iceberg("air.flights", catalog="lake", snapshot=newest, **properties)
        assert sorted(found.collect()["n"]) == [1, 2]
    assert len(told) == 1 and told[0].endswith(f") snapshot {newest}")
    where = table.location()
    catalog.drop_table("air.flights")
    catalog.create_table("air.flights", schema=rows(1).to_arrow().schema, location=where)
    with performing(recalling(step, tmp_path)[0]), pytest.raises(OtherTable, match="made anew"):
        noria.iceberg("air.flights", catalog="lake", **properties)
