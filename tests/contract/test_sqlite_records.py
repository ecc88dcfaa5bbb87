"""SQLite keeps the promises of every door of the records, and what is SQLite's own about opening them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from noria.adapters.sql import Records, open_records, schema
from noria.adapters.sql.sqlite import Sqlite
from noria.adapters.sql.tables import REVISION, metadata
from noria.errors import BackendError, ConfigError, Corrupt, Unavailable, UsageError
from noria.records.chain import verify_chain
from noria.testing.records import (
    AlarmRecordsContract,
    FeedbackRecordsContract,
    LedgerContract,
    MonitorRecordsContract,
    RolloutRecordsContract,
    RunRecordsContract,
    ServiceRecordsContract,
    SharedRecordsContract,
    TokenRecordsContract,
    VersionRecordsContract,
)
from noria.testing.records.doors import append, begin, every_change
from noria.testing.samples import MODEL, NOON, a_label, a_result, run_finished, step_finished


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "noria.db"


@pytest.fixture
def records(path: Path) -> Iterator[Records]:
    with open_records(path) as opened:
        yield opened


@pytest.fixture
def opening(path: Path) -> partial[Records]:
    return partial(open_records, path)


class TestLedger(LedgerContract):
    pass


class TestRollouts(RolloutRecordsContract):
    pass


class TestRuns(RunRecordsContract):
    pass


class TestAlarms(AlarmRecordsContract):
    pass


class TestTokens(TokenRecordsContract):
    pass


class TestVersions(VersionRecordsContract):
    pass


class TestMonitors(MonitorRecordsContract):
    pass


class TestFeedback(FeedbackRecordsContract):
    pass


class TestServices(ServiceRecordsContract):
    pass


class TestShared(SharedRecordsContract):
    pass


class TestSchema:
    def test_is_the_same_by_migrations_and_at_once(self, tmp_path: Path) -> None:
        created, migrated = Sqlite(tmp_path / "created.db"), Sqlite(tmp_path / "migrated.db")
        with created.schema() as connection:
            schema.create(connection)
            at_once = _schema(connection)
        with migrated.schema() as connection:
            schema.migrate(connection, "migrated.db")
            by_steps = _schema(connection)
        assert at_once == by_steps
        written = Sqlite(tmp_path / "written.db")
        assert written.make()
        with written.schema() as connection:
            by_text = _schema(connection)
        assert by_text == by_steps, "after a change of the tables: python -m noria.adapters.sql.written"
        assert set(metadata.tables) <= set(at_once)

    def test_leaves_sqlalchemy_out_of_a_new_store_and_of_a_current_one(self, path: Path) -> None:
        for _ in ("fresh", "current"):
            code = f"from noria.adapters.sql import open_records; open_records({str(path)!r}); import sys"
            code += "; sys.exit('alembic' in sys.modules or 'sqlalchemy' in sys.modules)"
            assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_migrates_a_store_from_before_the_first_table(self, path: Path) -> None:
        """A store at no revision at all is the oldest that there can be."""
        with sqlite3.connect(path) as raw:
            raw.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        with open_records(path) as records:
            begin(records)
        assert sqlite3.connect(path).execute("SELECT * FROM alembic_version").fetchall() == [(REVISION,)]

    @pytest.mark.parametrize("missing", [("sights", "outbox", "rollouts"), ("rollouts",), ()], ids=len)
    def test_brings_up_a_first_schema_whatever_a_development_version_added(
        self, path: Path, records: Records, missing: tuple[str, ...]
    ) -> None:
        begin(records)
        records.close()
        with sqlite3.connect(path) as raw:
            for table in missing:
                raw.execute(f"DROP TABLE {table}")
            raw.execute("UPDATE alembic_version SET version_num = '0001'")
        with open_records(path) as again:
            assert again.rollouts.last("delay") is None
            assert again.runs.runs("delay")
        with Sqlite(path).schema() as connection:
            found = _schema(connection)
        created = Sqlite(path.with_name("created.db"))
        with created.schema() as connection:
            schema.create(connection)
            assert found == _schema(connection)

    def test_refuses_a_store_of_a_newer_noria(self, path: Path, records: Records) -> None:
        records.close()
        with sqlite3.connect(path) as raw:
            raw.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(BackendError) as caught:
            open_records(path)
        assert caught.value.code == "RECORDS-SCHEMA"
        assert "9999" in str(caught.value)

    def test_is_made_once_by_those_who_open_it_at_once(self, path: Path) -> None:
        code = f"from noria.adapters.sql import open_records; print(open_records({str(path)!r}).versions.models())"
        children = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        assert [child.communicate()[0].strip() for child in children] == ["[]"] * 4


class TestOpening:
    @pytest.mark.parametrize("address", ["{path}", "sqlite:///{path}"])
    def test_takes_a_path_or_a_url_and_makes_its_folder(self, tmp_path: Path, address: str) -> None:
        path = tmp_path / "not yet there" / "noria.db"
        with open_records(address.format(path=path)) as records:
            begin(records)
        with open_records(path) as records:
            assert records.versions.models() == [MODEL]

    @pytest.mark.parametrize("address", ["mysql://ada:secret@host/db", "sqlite://", "://"])
    def test_refuses_addresses_that_it_does_not_know(self, address: str) -> None:
        with pytest.raises(ConfigError) as caught:
            open_records(address)
        assert "secret" not in str(caught.value)

    def test_refuses_the_database_of_something_else(self, path: Path) -> None:
        with sqlite3.connect(path) as raw:
            raw.execute("CREATE TABLE cookies (name TEXT)")
        with pytest.raises(BackendError) as caught:
            open_records(path)
        assert "cookies" in str(caught.value)

    def test_says_that_a_file_is_no_database(self, path: Path) -> None:
        path.write_bytes(b"a letter to my grandmother, and no database at all\n" * 100)
        with pytest.raises(Corrupt):
            open_records(path)

    def test_says_where_it_could_not_write(self, path: Path) -> None:
        path.mkdir()
        with pytest.raises(BackendError) as caught:
            open_records(path)
        assert str(path) in str(caught.value)

    def test_is_unavailable_while_another_holds_it(self, path: Path, records: Records) -> None:
        with open_records(path, busy=0.05) as patient, sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            with pytest.raises(Unavailable) as caught:
                begin(patient)
            assert 0.04 < time.monotonic() - started < 5
            assert caught.value.facts() == {"store": str(path), "op": "begin", "seconds": 0.05}
            assert patient.versions.models() == []  # who only reads, does not wait
            other.execute("ROLLBACK")
            begin(patient)

    def test_waits_for_another_to_finish(self, path: Path, records: Records) -> None:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.2, lambda: other.execute("COMMIT")).start()
        assert begin(records).number == 1

    def test_serves_many_threads(self, records: Records) -> None:
        with ThreadPoolExecutor(8) as threads:
            runs = list(threads.map(lambda _: begin(records).number, range(40)))
            found = list(threads.map(lambda number: records.runs.run(MODEL, number), runs))
        assert sorted(runs) == list(range(1, 41))
        assert None not in found
        assert verify_chain(records.ledger.events(MODEL)) == 40

    def test_refuses_a_forked_child_and_harms_nothing(self, records: Records) -> None:
        begin(records)
        child = os.fork()
        if child == 0:
            try:
                begin(records)
            except UsageError:
                records.close()
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        begin(records)
        assert verify_chain(records.ledger.events(MODEL)) == 2

    def test_can_be_closed_twice(self, records: Records) -> None:
        records.close()
        records.close()


class TestTampering:
    """What is changed behind Noria's back is found, in whichever table it was."""

    @pytest.mark.parametrize(
        ("statement", "seq"),
        [
            ("UPDATE runs SET body = replace(body, '\"seed\":0', '\"seed\":1')", 1),
            ("UPDATE steps SET body = replace(body, '0.25', '0.26') WHERE step = 'split'", 3),
            ("UPDATE versions SET body = replace(body, '0.7', '0.9')", 4),
            ("UPDATE judgements SET body = replace(body, 'pass', 'fail')", 5),
            ("UPDATE events SET outline = replace(outline, 'ada', 'eve') WHERE kind = 'alias.moved'", 6),
            ("UPDATE events SET outline = replace(outline, '0.7', '0.9') WHERE seq = 7", 7),
            ("UPDATE steps SET body = replace(body, 'delay/0', 'delay/9')", 7),
            ("UPDATE blocks SET body = replace(body, '0.4', '0.1')", 8),
            ("UPDATE states SET body = replace(body, '100.0', '999.0')", 8),
            ("DELETE FROM alarms", 9),
            ("UPDATE alarms SET body = 'no longer JSON'", 9),
            ("UPDATE events SET kind = 'alarm.dismissed' WHERE seq = 9", 9),
            ("DELETE FROM events WHERE seq = 5", 5),
            ("UPDATE events SET at = at + 1 WHERE seq = 2", 2),
        ],
    )
    def test_breaks_the_chain(self, path: Path, records: Records, statement: str, seq: int) -> None:
        every_change(records)
        with sqlite3.connect(path) as raw:
            assert raw.execute(statement).rowcount >= 1
        with pytest.raises(Corrupt) as caught:
            verify_chain(records.ledger.events(MODEL))
        assert caught.value.facts()["seq"] == seq

    @pytest.mark.parametrize("table", ["runs", "steps", "versions", "blocks", "states"])
    def test_is_told_from_erasure_that_leaves_a_tombstone(
        self, path: Path, records: Records, table: str
    ) -> None:
        changes = every_change(records)
        with sqlite3.connect(path) as raw:
            raw.execute(f"UPDATE {table} SET body = NULL")
        pairs = list(records.ledger.events(MODEL))
        assert verify_chain(pairs) == len(changes)
        assert None in [change for _, change in pairs]


def test_stores_each_step_once(path: Path, records: Records) -> None:
    run = begin(records)
    results = [a_result(f"step {number}") for number in range(20)]
    for result in results:
        append(records, step_finished(run, result))
    append(records, run_finished(run, *results))
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT count(*) FROM steps").fetchone() == (20,)
    (outlines,) = raw.execute("SELECT sum(length(outline)) FROM events WHERE seq > 1").fetchone()
    (bodies,) = raw.execute("SELECT sum(length(body)) FROM steps").fetchone()
    assert outlines < bodies / 4


def test_survives_a_full_disk(path: Path, records: Records) -> None:
    begin(records)
    raw = [f"p-{number}" for number in range(20_000)]
    with records._database.write("test") as connection:
        ((pages,),) = connection.all("PRAGMA page_count")
        connection.all(f"PRAGMA max_page_count = {pages + 8}")
    with pytest.raises(BackendError) as caught:
        records.feedback.add(MODEL, [a_label(ref) for ref in raw], at=NOON)
    assert "full" in str(caught.value)
    assert records.feedback.after(MODEL, 0) == []
    assert verify_chain(records.ledger.events(MODEL)) == 1


def _schema(connection: Connection) -> dict[str, str]:
    """Every table and index by name, as SQL."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows}
