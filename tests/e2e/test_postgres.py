"""The whole of a project on PostgreSQL: runs, kills, two drivers, a server that restarts under a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from e2e.project import FIRST, PIPELINE, POLICY, Project
from e2e.test_crashes import PIPELINE as SLOW
from e2e.test_crashes import POLICY as SLOW_POLICY
from e2e.test_crashes import WAITING, begin, until
from servers import PostgresServer, postgres

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres(durable=True) as started:
        yield started


@pytest.fixture
def slow(make_project: Callable[..., Project], server: PostgresServer) -> Iterator[Project]:
    project = make_project(SLOW, f'{SLOW_POLICY}[store]\nrecords = "{server.database()}"\n')
    project.write(".gitignore", "begun*\ngo\n*.count\n__pycache__/\n")
    project.commit()
    yield project
    project.write("go", "")


def test_a_project_trains_judges_promotes_and_is_audited(
    make_project: Callable[..., Project], server: PostgresServer
) -> None:
    project = make_project(PIPELINE, f'{POLICY}[store]\nrecords = "{server.database()}"\n')
    project.noria("run", "--as-of", FIRST)
    project.noria("run", "--as-of", "2024-03-20")
    assert [run["state"] for run in project.json("runs")] == ["succeeded", "succeeded"]
    assert project.version("demand@champion")["number"] == 2
    project.noria("rollback", "demand")
    assert project.version("demand@champion")["number"] == 1
    assert "reused" in str(project.json("run", "--as-of", FIRST)["steps"])
    assert "faults" not in project.json("audit")[0]
    assert not (project.folder / ".noria" / "noria.db").exists()


def test_two_drivers_at_once_and_who_is_told(slow: Project) -> None:
    driver, _ = begin(slow)
    error = slow.noria("run", exit=3).stderr
    assert "RUN-BUSY" in error and f"process {driver.pid} on" in error  # type: ignore[attr-defined]
    assert slow.json("runs")[0]["state"] == "running"
    slow.write("go", "")
    assert driver.wait(WAITING) == 0  # type: ignore[attr-defined]


def test_a_killed_run_is_finished_by_the_next(slow: Project) -> None:
    driver, _ = begin(slow)
    os.kill(driver.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    driver.wait(WAITING)  # type: ignore[attr-defined]
    until(lambda: slow.json("runs")[0]["state"] == "killed", "the server has let go of the lease")
    slow.write("go", "")
    slow.noria("run")
    assert slow.json("runs")[0]["state"] == "succeeded"
    assert (slow.folder / "first.count").read_text() == "x"


def test_a_server_that_restarts_under_a_run_costs_nothing(slow: Project, server: PostgresServer) -> None:
    driver, _ = begin(slow)
    server.restart()
    slow.write("go", "")
    assert driver.wait(WAITING) == 0, driver.stderr.read()  # type: ignore[attr-defined]
    assert slow.json("runs")[0]["state"] == "succeeded"
    slow.noria("audit")


def test_credentials_that_are_missing_or_wrong(slow: Project) -> None:
    slow.replace("noria.toml", "noria@", "guarded@")
    error = slow.noria("run", exit=4).stderr
    assert "RECORDS-REFUSED" in error and "PGPASSWORD" in error
    slow.replace("noria.toml", "guarded@", "guarded:s3cret@")
    error = slow.noria("run", exit=2).stderr
    assert "POLICY-INVALID" in error and "PGPASSWORD" in error
