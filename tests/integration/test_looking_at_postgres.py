"""A notebook's view of records on a server: it reads, and the server itself refuses it every change."""

from __future__ import annotations

from pathlib import Path

import pytest

import noria
from noria.adapters.sql.errors import StoreFailed
from noria.adapters.sql.reading import NoRecords, OtherSchema, open_reading
from servers import PostgresServer
from unit.app import stored

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def server(postgres_server: PostgresServer) -> PostgresServer:
    return postgres_server


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.database()


def test_runs_on_a_server(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORIA_RECORDS", url)
    folder = stored.history(tmp_path / "p")
    runs = noria.runs("delay", project=folder)
    assert [run.number for run in runs] == [4, 3, 2, 1]
    assert runs.latest.metrics["auc"] == 0.66
    assert runs.table().height == 4
    assert noria.versions("delay", project=folder).champion.number == 1
    assert "<h1>delay/3</h1>" in runs[3].card.html


def test_a_server_without_records_is_left_without(server: PostgresServer, url: str) -> None:
    with pytest.raises(NoRecords, match="nothing has been recorded yet"):
        open_reading(url)
    assert server.run(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'", url=url
    ) == [(0,)]


def test_looking_changes_nothing(
    server: PostgresServer, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORIA_RECORDS", url)
    stored.history(tmp_path / "p")
    with open_reading(url) as records, pytest.raises(StoreFailed, match="opened to look at"):
        records.ledger.append("delay", [], at=stored.START)
    server.run("UPDATE alembic_version SET version_num = '9999'", url=url)
    with pytest.raises(OtherSchema, match="schema 9999"):
        open_reading(url)
