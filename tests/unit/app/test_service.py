"""Which services run here."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noria.app.service import NoService, service_of, services_here


def app(*admins: tuple[str, Path]) -> Any:
    records = [SimpleNamespace(id=id, model="delay", admin=str(path)) for id, path in admins]
    return SimpleNamespace(records=SimpleNamespace(services=SimpleNamespace(services=lambda: records)))


def test_a_killed_service_is_none_beside_the_one_that_its_supervisor_started_again(tmp_path: Path) -> None:
    """It leaves a record and a socket's file; a change of the routing must not ask which of the two is meant."""
    killed, again = tmp_path / "killed", tmp_path / "again"
    with socket.socket(socket.AF_UNIX) as left, socket.socket(socket.AF_UNIX) as listening:
        left.bind(str(killed))
        left.listen()
        left.close()
        listening.bind(str(again))
        listening.listen()
        here = app(("delay-1", killed), ("delay-2", again), ("delay-3", tmp_path / "none"))
        assert [one.id for one in services_here(here)] == ["delay-2"]
        assert service_of(here, "delay").id == "delay-2"
    with pytest.raises(NoService):
        service_of(app(("delay-1", killed)), "delay")
