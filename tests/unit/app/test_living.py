"""Which services still run: killed ones leave records and sockets' files, and their process ids go to others."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noria.app.living import FORGOTTEN, SILENT, lives, withdraw_gone
from noria.records.service import Service

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATELY = timedelta(seconds=1)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    path = tmp_path / "killed"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    return path


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "listening"
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(str(path))
        here.listen()
        yield path


def service(admin: Path, heard: timedelta, id: str = "a") -> Service:
    return Service(
        id=id,
        model="delay",
        follows="champion",
        url="http://127.0.0.1:8117",
        pid=os.getpid(),  # somebody is there, whoever it is
        version=1,
        seen=NOW - heard,
        admin=str(admin),
    )


def test_a_killed_service_does_not_live_though_its_process_id_is_anothers(killed: Path) -> None:
    assert not lives(service(killed, LATELY), NOW)


def test_a_service_that_listens_lives_though_its_records_are_behind(listening: Path) -> None:
    assert lives(service(listening, 10 * SILENT), NOW)


@pytest.mark.parametrize(("heard", "alive"), [(SILENT - LATELY, True), (SILENT + LATELY, False)])
def test_a_service_of_another_machine_lives_while_it_is_heard_of(
    tmp_path: Path, heard: timedelta, alive: bool
) -> None:
    assert lives(service(tmp_path / "elsewhere", heard), NOW) is alive


def test_who_serves_next_withdraws_what_was_killed_here_or_is_forgotten(
    tmp_path: Path, killed: Path, listening: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    records = {
        one.id: one
        for one in (
            service(killed, LATELY, "killed"),
            service(elsewhere, FORGOTTEN + LATELY, "forgotten"),
            service(listening, FORGOTTEN + LATELY, "busy"),
            service(elsewhere, 10 * SILENT, "elsewhere"),
        )
    }
    services: Any = SimpleNamespace(services=lambda: tuple(records.values()), withdraw=records.pop)
    app: Any = SimpleNamespace(
        records=SimpleNamespace(services=services), clock=SimpleNamespace(now=lambda: NOW)
    )
    withdraw_gone(app)
    assert set(records) == {"busy", "elsewhere"}
