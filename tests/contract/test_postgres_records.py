"""PostgreSQL keeps the promises of every door of the records, and what is its own about being a server."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from textwrap import dedent
from typing import Any

import pytest
from msgspec.structs import replace

from noria.adapters.sql import Records, open_records, schema
from noria.adapters.sql.postgres import Postgres
from noria.adapters.sql.tables import REVISION
from noria.errors import BackendError, Unavailable
from noria.records.alarms import AlarmMoved, AlarmRaised
from noria.records.chain import verify_chain
from noria.records.events import VersionRegistered
from noria.records.monitoring import NewFeedback
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
from noria.testing.samples import MODEL, NOON, a_result, a_version, an_alarm, step_finished
from servers import PostgresServer, postgres

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def server(postgres_server: PostgresServer) -> PostgresServer:
    return postgres_server


@pytest.fixture(scope="session")
def tables(postgres_server: PostgresServer) -> str:
    """A database with Noria's tables and no rows, of which tests get copies."""
    url = postgres_server.database()
    with open_records(url):
        return url


@pytest.fixture
def url(server: PostgresServer, tables: str) -> str:
    return server.database(like=tables)


@pytest.fixture
def empty(server: PostgresServer) -> str:
    return server.database()


@pytest.fixture
def records(url: str) -> Iterator[Records]:
    with open_records(url) as opened:
        yield opened


@pytest.fixture
def opening(url: str) -> partial[Records]:
    return partial(open_records, url)


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


def test_a_sender_takes_nothing_that_follows_what_another_is_about_to_take(
    records: Records, url: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More messages wait than one takes, and one who takes has not committed: what is left are ends of what it took."""
    append(records, VersionRegistered(version=a_version()))
    alarms = [replace(an_alarm(), subject=f"s{number}") for number in range(3)]
    append(records, *(AlarmRaised(alarm=alarm, deliver=("ops",)) for alarm in alarms))
    ends = (
        AlarmMoved(
            model=MODEL, alarm=one.id, to="resolved", at=NOON, why="mended", by="ada", deliver=("ops",)
        )
        for one in alarms
    )
    append(records, *ends)
    commit, took, go = Postgres._commit, threading.Event(), threading.Event()

    def late(self: Postgres, wire: Any, op: str) -> None:
        if not took.is_set():
            took.set()
            go.wait(30)
        commit(self, wire, op)

    monkeypatch.setattr(Postgres, "_commit", late)
    now = max(NOON, an_alarm().raised)
    until = now + timedelta(hours=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(records.outbox.take, now, until, limit=3)
        assert took.wait(30)
        second = pool.submit(records.outbox.take, now, until, limit=3)
        while not server.run("SELECT 1 FROM pg_locks WHERE NOT granted", url=url):
            time.sleep(0.01)
        go.set()
        assert [one.notice.kind for one in first.result(30)] == ["raised"] * 3
        assert second.result(30) == []


class TestSchema:
    def test_is_the_same_by_migrations_and_at_once(self, server: PostgresServer) -> None:
        found = []
        for make in (schema.create, lambda connection: schema.migrate(connection, "migrated")):
            address = server.database()
            with Postgres(address).schema() as connection:
                make(connection)
            found.append(_columns(server, address))
        assert found[0] == found[1]
        assert len(found[0]) > 50

    def test_is_made_once_by_those_who_open_it_at_once(self, empty: str) -> None:
        code = (
            f"from noria.adapters.sql import open_records; print(open_records({empty!r}).versions.models())"
        )
        children = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        assert [child.communicate()[0].strip() for child in children] == ["[]"] * 4

    def test_leaves_sqlalchemy_out_while_the_schema_is_current(self, url: str, records: Records) -> None:
        code = f"from noria.adapters.sql import open_records; open_records({url!r}).versions.models()"
        code += "; import sys; sys.exit('sqlalchemy' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_brings_up_a_store_of_the_first_schema(self, server: PostgresServer, empty: str) -> None:
        with Postgres(empty).schema() as connection:
            schema.migrate(connection, "first", to="0001")
        before = _columns(server, empty)
        with open_records(empty) as records:
            assert records.rollouts.last("delay") is None
        latest = server.database()
        open_records(latest).close()
        assert len(before) < len(_columns(server, empty)) == len(_columns(server, latest))

    def test_refuses_a_store_of_a_newer_noria(
        self, server: PostgresServer, url: str, records: Records
    ) -> None:
        server.run("UPDATE alembic_version SET version_num = '9999'", url=url)
        with pytest.raises(BackendError) as caught:
            open_records(url)
        assert caught.value.code == "RECORDS-SCHEMA"
        assert REVISION in str(caught.value)

    def test_refuses_the_database_of_something_else(self, server: PostgresServer, empty: str) -> None:
        server.run("CREATE TABLE cookies (name TEXT)", url=empty)
        with pytest.raises(BackendError) as caught:
            open_records(empty)
        assert "cookies" in str(caught.value)


class TestOpening:
    @pytest.mark.parametrize(
        ("change", "words", "advice"),
        [
            (("noria@", "guarded:wr0ng@"), "password", "PGPASSWORD"),
            (("noria@", "guarded@"), "password", "PGPASSWORD"),
            (("/test", "/missing"), "does not exist", "createdb"),
        ],
        ids=["wrong password", "no password", "no database"],
    )
    def test_refusals_say_what_to_do_and_no_password(
        self, url: str, change: tuple[str, str], words: str, advice: str
    ) -> None:
        with pytest.raises(BackendError) as caught:
            open_records(url.replace(*change))
        assert caught.value.code == "RECORDS-REFUSED"
        assert words in str(caught.value)
        assert advice in caught.value.advice()
        assert "wr0ng" not in str(caught.value) + repr(caught.value) + str(caught.value.facts())

    def test_the_password_of_the_environment_is_taken(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGPASSWORD", "s3cret")
        with open_records(url.replace("noria@", "guarded@")) as records:
            begin(records)

    def test_a_server_that_is_not_there_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from noria.adapters.sql import patience

        monkeypatch.setattr(patience, "PATIENCE", 0.2)
        with pytest.raises(Unavailable) as caught:
            open_records("postgresql://noria:s3cret@127.0.0.1:1/none")
        assert "127.0.0.1:1" in str(caught.value) and "s3cret" not in str(caught.value)

    def test_serves_many_threads(self, records: Records) -> None:
        with ThreadPoolExecutor(8) as threads:
            runs = list(threads.map(lambda _: begin(records).number, range(40)))
        assert sorted(runs) == list(range(1, 41))
        assert verify_chain(records.ledger.events(MODEL)) == 40

    def test_who_waits_too_long_for_another_is_told(self, server: PostgresServer, url: str) -> None:
        import psycopg2

        with open_records(url, busy=0.3) as impatient, closing(psycopg2.connect(url)) as other:
            begin(impatient)
            other.cursor().execute("SELECT * FROM models FOR UPDATE")
            with pytest.raises(Unavailable) as caught:
                begin(impatient)
            assert caught.value.code == "RECORDS-BUSY"
            other.rollback()
            begin(impatient)


class TestText:
    """Values travel within the statement, so they must come back as they were."""

    def test_a_batch_of_any_text_keeps_its_order(self, records: Records) -> None:
        odd = [
            "100 %",
            "%(model)s",
            ":model",
            "it's",
            'say "no"',
            "back\\slash",
            "'; --",
            "Zürich 🜁",
            "{}",
            "%%",
        ]
        refs = [f"{word} {number}" for number in range(45) for word in odd]
        labels = [NewFeedback(by="id", ref=ref, label=ref, known=NOON) for ref in refs]
        assert set(records.feedback.add(MODEL, labels, at=NOON)) == {"stored"}
        assert [(one.what.ref, one.what.label) for one in records.feedback.after(MODEL, 0)] == [
            (ref, ref) for ref in refs
        ]
        assert set(records.feedback.current(MODEL, "id", refs)) == set(refs)


class TestTampering:
    @pytest.mark.parametrize(
        ("statement", "seq"),
        [
            ("UPDATE steps SET body = replace(body, '0.25', '0.26') WHERE step = 'split'", 3),
            ("UPDATE events SET outline = replace(outline, 'ada', 'eve') WHERE kind = 'alias.moved'", 6),
            ("DELETE FROM events WHERE seq = 5", 5),
        ],
    )
    def test_breaks_the_chain(
        self, server: PostgresServer, url: str, records: Records, statement: str, seq: int
    ) -> None:
        every_change(records)
        server.run(statement, url=url)
        with pytest.raises(Exception) as caught:
            verify_chain(records.ledger.events(MODEL))
        assert caught.value.facts()["seq"] == seq  # type: ignore[attr-defined]


class TestLosses:
    def test_a_connection_that_is_ended_costs_nothing(
        self, server: PostgresServer, url: str, records: Records
    ) -> None:
        run = begin(records)
        for number in range(5):
            server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'noria' AND datname = current_database()",
                url=url,
            )
            append(records, step_finished(run, a_result(f"step {number}")))
            assert len(records.runs.steps(MODEL, 1)) == number + 1
        assert verify_chain(records.ledger.events(MODEL)) == 6

    @pytest.mark.slow
    def test_a_server_that_crashes_in_the_middle_loses_and_doubles_nothing(self) -> None:
        """Steps are appended by a child without a pause while the server is ended as by a crash, again and again."""
        with postgres(durable=True) as server:
            child = subprocess.Popen(
                [sys.executable, "-c", APPENDS, server.database()], stdout=subprocess.PIPE, text=True
            )
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            acknowledged: list[int] = []
            listener = threading.Thread(target=lambda: acknowledged.extend(map(int, child.stdout or ())))
            listener.start()
            for _ in range(BREAKS):
                _await_more(acknowledged, child)
                server.stop(signal.SIGQUIT)
                server.start()
            assert child.wait(timeout=120) == 0
            listener.join()
            assert acknowledged == list(range(APPENDED))
            with open_records(url) as records:
                events = list(records.ledger.events(MODEL))
                assert verify_chain(events) == APPENDED + 1
                names = [change.result.step for _, change in events[1:]]  # type: ignore[union-attr]
            assert names == [f"step {number}" for number in range(APPENDED)]


APPENDED = 600
BREAKS = 4
BETWEEN = 100  # appends at least, between two breaks
APPENDS = dedent(
    f"""
    import sys
    from noria.adapters.sql import open_records
    from noria.testing.records.doors import append, begin
    from noria.testing.samples import a_result, run_finished, step_finished

    print(sys.argv[1], flush=True)
    records = open_records(sys.argv[1])
    run = begin(records)
    for number in range({APPENDED}):
        append(records, step_finished(run, a_result(f"step {{number}}")))
        print(number, flush=True)
    """
)


def _await_more(acknowledged: list[int], child: subprocess.Popen[str]) -> None:
    """A server that comes back for less than a client's pause would be away for longer than any client waits."""
    before = len(acknowledged)
    while len(acknowledged) < before + BETWEEN:
        assert child.poll() is None, "it ended before the server could be broken"
        time.sleep(0.005)


def _columns(server: PostgresServer, url: str) -> list[tuple[object, ...]]:
    """Every column, and every index and constraint, by name."""
    columns = server.run(
        "SELECT table_name, column_name, data_type, is_nullable, character_maximum_length "
        "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        url=url,
    )
    indexes = server.run(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1", url=url
    )
    constraints = server.run(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace ORDER BY 1",
        url=url,
    )
    return [*columns, *indexes, *constraints]
