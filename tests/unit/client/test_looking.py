"""Looking changes nothing: where nothing can be written, where nothing is, beside a writer, and after a fork."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import noria
from noria.adapters.sql.errors import StoreFailed, StoreLost
from noria.adapters.sql.reading import NoRecords, OtherSchema, ReadSqlite, open_reading
from noria.app.config import NoProject
from noria.cli import main
from unit.app import stored

NOBODY = 65534
KILLED = """
import os, sqlite3, sys
writer = sqlite3.connect(sys.argv[1])
writer.execute("PRAGMA journal_mode = WAL")
writer.execute("UPDATE runs SET finished = finished + 1000000 WHERE number = 1")
writer.commit()
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def copy(flights: Path) -> Iterator[Path]:
    """The project where another user can reach it."""
    with tempfile.TemporaryDirectory(prefix="noria-looking-") as folder:
        made = Path(folder, "flights")
        shutil.copytree(flights, made)
        Path(folder).chmod(0o755)
        yield made


def without_writing(look: Callable[[], str]) -> str:
    """What a process sees that is nobody in particular."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            said = look()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o755)


def database(folder: Path) -> Path:
    return folder / ".noria" / "noria.db"


def settle(folder: Path) -> None:
    """As the last writer leaves it."""
    with sqlite3.connect(database(folder)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def seen(folder: Path) -> Callable[[], str]:
    def look() -> str:
        run = noria.runs("delay", project=folder).latest
        return f"{run.name} {run['classifier']} {run.finished}"  # polars does not survive a fork

    return look


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    project = stored.project(tmp_path / "p")
    with pytest.raises(NoRecords, match="nothing has been recorded yet") as raised:
        noria.runs(project=project)
    assert raised.value.__notes__ == ["next: noria run; or name another project"]
    with pytest.raises(NoRecords):
        noria.versions(project=project)
    assert [path.name for path in project.iterdir()] == ["noria.toml"]
    (project / ".noria").mkdir()
    (project / ".noria" / "noria.db").touch()
    with pytest.raises(NoRecords):
        noria.runs(project=project)


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(NoProject):
        noria.runs(project=tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written(copy: Path) -> None:
    settle(copy)
    expected = seen(copy)()  # and everything is imported
    settle(copy)
    with unwritable(copy):
        assert without_writing(seen(copy)) == expected
    assert not database(copy).with_name("noria.db-wal").exists()


@pytest.mark.parametrize("words", [["runs"], ["show", "delay/1"], ["models"]])
def test_the_command_line_reads_a_folder_that_cannot_be_written(copy: Path, words: list[str]) -> None:
    settle(copy)
    expected = commanded(copy, words)  # and everything is imported
    settle(copy)
    with unwritable(copy):
        assert without_writing(lambda: commanded(copy, words)) == expected
    assert expected.startswith("0 ")


def commanded(project: Path, words: list[str]) -> str:
    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        code = main(["-C", str(project), *words])
    return f"{code} {told.getvalue()}"


def test_a_killed_writers_log_is_read_where_it_cannot_be_recovered(copy: Path) -> None:
    settle(copy)
    seen(copy)()
    subprocess.run([sys.executable, "-c", KILLED, str(database(copy))], check=False)
    database(copy).with_name("noria.db-shm").unlink()
    with unwritable(copy):
        finished = without_writing(lambda: str(noria.runs("delay", project=copy)[1].finished))
    assert finished == "2025-03-01 10:00:11+00:00"


def test_a_writer_that_comes_while_nobody_can_lock_is_noticed(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(copy)
    reader = ReadSqlite(database(copy))
    monkeypatch.setattr(reader, "_opened", unlockable(reader._opened))
    with pytest.raises(StoreLost, match="written to while it was read"), reader.read("run") as connection:
        assert connection.all("SELECT count(*) FROM runs") == [(6,)]
        with sqlite3.connect(database(copy)) as writer:
            writer.execute("DELETE FROM aliases")
    with reader.read(
        "run"
    ) as connection:  # so the question is asked again, and answered from what is there now
        assert connection.all("SELECT count(*) FROM aliases") == [(0,)]
    reader.close()


def unlockable(opened: Callable[[str], sqlite3.Connection]) -> Callable[[str], sqlite3.Connection]:
    """As on a file system where the two files beside the database cannot be made."""

    def open_it(uri: str) -> sqlite3.Connection:
        if uri.endswith("mode=ro") and not Path(f"{uri[5:-8]}-wal").exists():
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return opened(uri)

    return open_it


def test_looking_refuses_to_change(copy: Path) -> None:
    with open_reading(database(copy)) as records, pytest.raises(StoreFailed, match="readonly"):
        records.ledger.append("delay", [], at=stored.START)


def test_a_writer_and_a_reader_do_not_wait_for_one_another(copy: Path) -> None:
    writer = sqlite3.connect(database(copy), isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE runs SET finished = NULL WHERE number = 5")
    assert noria.runs("delay", project=copy)[5].seconds == 15.0
    writer.execute("COMMIT")
    writer.close()


def test_records_of_another_schema_are_left_alone(copy: Path) -> None:
    with sqlite3.connect(database(copy)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(OtherSchema, match="schema 0000") as raised:
        noria.runs("delay", project=copy)
    assert "noria status" in raised.value.advice()
    with sqlite3.connect(database(copy)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0000",)


def test_no_connection_outlives_a_look(flights: Path) -> None:
    runs = noria.runs("delay", project=flights)
    run = runs.latest
    before = open_files()
    for _ in range(20):
        assert run.metrics
        assert runs.latest == run
        assert run.logs
    assert open_files() <= before


def open_files() -> int:
    """How many this process has; 0 where the system does not tell."""
    told = Path("/proc/self/fd")
    return len(list(told.iterdir())) if told.exists() else 0


def test_after_a_fork(flights: Path) -> None:
    runs = noria.runs("delay", project=flights)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, runs.latest.name.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "delay/5"


def test_importing_noria_imports_nothing_of_the_client() -> None:
    code = (
        "import sys, noria; sys.exit(any(n in sys.modules for n in ('noria.client', 'polars', 'noria.app')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_newest_run_is_told_without_polars_and_sqlalchemy(flights: Path) -> None:
    code = (
        "import sys, noria; noria.runs('delay', project=sys.argv[1]).latest.metrics; "
        "sys.exit(any(name in sys.modules for name in ('polars', 'sqlalchemy', 'pyarrow', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(flights)], check=False).returncode == 0
