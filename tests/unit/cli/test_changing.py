"""The commands that change something, and those that find out that somebody else did."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from unit.app.stored import opened
from unit.cli.conftest import Noria


@pytest.fixture
def here(noria: Noria, own: Path, monkeypatch: pytest.MonkeyPatch) -> Noria:
    monkeypatch.chdir(own)
    return noria


def champion(here: Noria) -> int:
    number: int = here("models", "--json").json[0]["aliases"]["champion"]
    return number


def test_a_refused_version_needs_force(here: Noria) -> None:
    said = here("promote", "delay:2")
    assert said.code == 3
    assert "delay:2 did not pass its gates: auc: fail" in said.err
    assert champion(here) == 1
    said = here("promote", "delay:2", "--force", "--why", "hotfix")
    assert (said.code, said.out) == (0, "delay@champion names delay:2, before delay:1\n")
    assert champion(here) == 2
    assert "hotfix" in here("show", "delay:2").out


def test_a_dry_run_changes_nothing(here: Noria) -> None:
    assert here("promote", "delay:2", "--alias", "challenger", "--dry-run").out == (
        "delay@challenger would name delay:2, before nothing\n"
    )
    assert here("models", "--json").json[0]["aliases"] == {"champion": 1}


def test_promoting_the_champion_changes_nothing(here: Noria) -> None:
    assert here("promote", "delay:1").out == "champion names delay:1 already\n"


def test_there_and_back(here: Noria) -> None:
    assert here("rollback").code == 3
    here("promote", "delay:2", "--force")
    assert here("rollback", "--dry-run").out == "delay@champion would name delay:1, before delay:2\n"
    assert here("rollback", "delay").out == "delay@champion names delay:1, before delay:2\n"
    assert champion(here) == 1


def test_an_audit_finds_a_changed_event(here: Noria, own: Path) -> None:
    _sql(own, "UPDATE versions SET body = replace(body, '0.71', '0.99')")
    said = here("audit")
    assert said.code == 5
    assert "BROKEN" in said.out
    assert "breaks at event 4" in said.out
    assert here("audit", "--json").json[0]["faults"]


def test_an_audit_finds_an_alias_that_no_event_moved(here: Noria, own: Path) -> None:
    _sql(own, "UPDATE aliases SET number = 2")
    said = here("audit")
    assert said.code == 5
    assert "delay@champion names delay:2, and by the events it names delay:1" in said.out


def test_a_log_that_is_not_what_was_stored(here: Noria, own: Path) -> None:
    with opened(own) as app:
        outcome = app.records.runs.run("delay", 3)
        assert outcome is not None
        path = app.store.path(outcome[2].log)
    path.chmod(0o600)
    path.write_bytes(b"line 1\n" * 30)
    said = here("show", "delay/3")
    assert said.code == 5


def _sql(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / ".noria" / "noria.db") as database:
        assert database.execute(statement).rowcount > 0
