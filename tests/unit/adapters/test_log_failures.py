"""Failures beside the log: appended by many, read whole, cut lines passed over."""

from __future__ import annotations

import stat
from pathlib import Path

from noria.adapters import log_failures
from noria.adapters.log_failures import FailureLog
from noria.ports.serving import Failure
from noria.serving.failures import Failures


def failure(unit: str | None = "u1", way: str = "") -> Failure:
    return Failure(at=1_767_268_800_000_000, version=1, unit=unit, way=way)


def test_what_was_noted_is_read_and_forgotten(tmp_path: Path) -> None:
    log = FailureLog(tmp_path, "rides")
    assert list(log.read()) == []
    for one in (failure(), failure(None, "instead")):
        log.note(one)
    assert list(FailureLog(tmp_path, "rides").read()) == [failure(), failure(None, "instead")]
    log.clear()
    log.clear()
    assert list(log.read()) == []


def test_a_line_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    log = FailureLog(tmp_path, "rides")
    log.note(failure())
    path = tmp_path / "failures" / "rides.jsonl"
    with path.open("ab") as file:
        file.write(b'{"at":17672')
    assert list(log.read()) == [failure()]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_ends_where_it_is_large(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(log_failures, "LARGEST", 300)
    log = FailureLog(tmp_path, "rides")
    for _ in range(50):
        log.note(failure())
    assert 3 <= len(list(log.read())) <= 6


def test_only_what_is_compared_is_noted(tmp_path: Path) -> None:
    log, beside = FailureLog(tmp_path, "rides"), [True]
    notes = Failures(log, 1, lambda: beside[0], lambda event, **told: None, sample=1.0)
    for way in ("", "instead", "shadow", "canary", "asked"):
        notes.note("u", 1, way, 500)
    notes.note("u", 1, "", 422)  # a caller's own fault
    beside[0] = False
    notes.note("u", 1, "", 500)
    assert [one.way for one in log.read()] == ["", "instead", "shadow"]


def test_a_full_disk_is_told_and_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "failures").write_text("no folder")
    told: list[str] = []
    notes = Failures(
        FailureLog(tmp_path, "rides"), 1, lambda: True, lambda event, **_: told.append(event), sample=1.0
    )
    notes.note("u", 1, "", 500)
    assert told == ["failure.unnoted"]
